// The Node.js runtime: loads the function's handler and drives it from the Runtime API (2018-06-01).
//
// Started with `--assigned` it waits, already loaded, for one line of JSON on descriptor 3 that says which function it
// is ({handler, task_root, environment}); without, it takes both from its environment. Handlers: async or callback,
// CommonJS or ES modules; those that stream are in streaming.mjs. Errors are reported as AWS's runtime reports them.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html and runtimes-api.html

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import util from 'node:util';
import Module, { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ResponseStream, installGlobal, streamingOf } from './streaming.mjs';

const ASSIGNMENT_DESCRIPTOR = 3;
const API = '/2018-06-01/runtime';

function readAssignment() {
  const chunks = [];
  const chunk = Buffer.alloc(65536);
  for (;;) {
    const count = fs.readSync(ASSIGNMENT_DESCRIPTOR, chunk, 0, chunk.length, null);
    if (count === 0) break;
    chunks.push(Buffer.from(chunk.subarray(0, count)));
    if (chunk.subarray(0, count).includes(0x0a)) break;
  }
  fs.closeSync(ASSIGNMENT_DESCRIPTOR);
  if (chunks.length === 0) process.exit(0);
  const assignment = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, assignment.environment);
  process.chdir(assignment.task_root);
  Module._initPaths(); // NODE_PATH was not known when Node.js started
}

// --- the Runtime API ------------------------------------------------------------------------------------------------

class RuntimeApi {
  constructor(address) {
    const [host, port] = address.split(':');
    this.target = { host, port, agent: new http.Agent({ keepAlive: true, maxSockets: 2, noDelay: true }) };
  }

  call(method, suffix, headers, body) {
    return new Promise((resolve, reject) => {
      const options = { ...this.target, method, path: API + suffix, headers };
      const request = http.request(options, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode, headers: response.headers, body: text });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  async post(suffix, body, headers = {}) {
    const bytes = Buffer.from(body, 'utf8');
    const all = { 'Content-Type': 'application/json', 'Content-Length': bytes.length, ...headers };
    const reply = await this.call('POST', suffix, all, bytes);
    if (reply.status !== 202) throw new Error(`the Runtime API answered ${reply.status}: ${reply.body}`);
  }

  stream(id, handler) {
    return new ResponseStream(this.target, `${API}/invocation/${id}/response`, handler);
  }

  async next() {
    const reply = await this.call('GET', '/invocation/next');
    if (reply.status !== 200) throw new Error(`the Runtime API answered ${reply.status}: ${reply.body}`);
    return reply;
  }
}

// --- errors, as AWS's runtime words them ----------------------------------------------------------------------------

class RuntimeError extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
    this.stack = `${type}: ${message}\n${(this.stack ?? '').split('\n').slice(1).join('\n')}`;
  }
}

function describe(error) {
  if (!util.types.isNativeError(error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return {
    errorType: error.name ?? 'Error',
    errorMessage: error.message ?? String(error),
    trace: (error.stack ?? '').split('\n'),
  };
}

function detailed(error) {
  const { errorType, errorMessage, trace } = describe(error);
  const own = {};
  if (util.types.isNativeError(error)) {
    for (const key of Object.getOwnPropertyNames(error)) {
      if (!['name', 'message', 'stack'].includes(key)) own[key] = error[key];
    }
  }
  return JSON.stringify({ errorType, errorMessage, ...own, stack: trace });
}

const asHeader = (error) => ({ 'Lambda-Runtime-Function-Error-Type': describe(error).errorType.replace(/[^\x20-\x7e]/g, '?') });

// --- logging --------------------------------------------------------------------------------------------------------

let currentRequestId;

/** One message as AWS's clients frame it: type and level, length, time in microseconds, text. So its lines stay together. */
function writeFrame(text, level, json) {
  const message = Buffer.from(text);
  const frame = Buffer.alloc(16 + message.length);
  frame.writeUInt32BE(0xa55a0000 + (level << 2) + (json ? 2 : 3), 0);
  frame.writeUInt32BE(message.length, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  message.copy(frame, 16);
  for (let written = 0; written < frame.length;) written += fs.writeSync(1, frame, written);
}

function patchConsole() {
  const json = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
  const order = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
  const threshold = order.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL ?? 'TRACE').toUpperCase());
  const write = (level) => (...values) => {
    if (json && order.indexOf(level) < threshold) return;
    const timestamp = new Date().toISOString();
    if (json) {
      const message = values.length === 1 && typeof values[0] !== 'string' ? values[0] : util.format(...values);
      const record = { timestamp, level, requestId: currentRequestId, message };
      writeFrame(JSON.stringify(record, errorsAsObjects) + '\n', order.indexOf(level) + 1, true);
    } else {
      const text = `${timestamp}\t${currentRequestId ?? 'undefined'}\t${level}\t${util.format(...values)}\n`;
      writeFrame(text, order.indexOf(level) + 1, false);
    }
  };
  for (const [method, level] of Object.entries({
    log: 'INFO', info: 'INFO', debug: 'DEBUG', warn: 'WARN', error: 'ERROR', trace: 'TRACE', fatal: 'FATAL',
  })) console[method] = write(level);
}

function errorsAsObjects(_key, value) {
  if (!util.types.isNativeError(value)) return value;
  const { errorType, errorMessage, trace } = describe(value);
  return { errorType, errorMessage, stackTrace: trace.slice(1).map((line) => line.trim()) };
}

// --- the handler ----------------------------------------------------------------------------------------------------

function locate(root, name) {
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    const file = path.resolve(root, name + extension);
    if (fs.existsSync(file) && fs.statSync(file).isFile()) return file;
  }
  return undefined;
}

function isModule(file) {
  if (file.endsWith('.mjs')) return true;
  if (!file.endsWith('.js')) return false;
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    const manifest = path.join(directory, 'package.json');
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module';
    if (directory === path.dirname(directory)) return false;
  }
}

async function loadHandler(root, text) {
  if (text.includes('..')) throw new RuntimeError('Runtime.MalformedHandlerName', `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const base = path.basename(text);
  const dot = base.indexOf('.');
  if (dot <= 0) throw new RuntimeError('Runtime.MalformedHandlerName', 'Bad handler');
  const name = path.join(path.dirname(text), base.slice(0, dot));
  const file = locate(root, name);
  let loaded;
  try {
    if (file === undefined) {
      loaded = createRequire(path.join(root, 'index.js'))(name);
    } else {
      loaded = isModule(file) ? await import(pathToFileURL(file).href) : createRequire(file)(file);
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeError('Runtime.UserCodeSyntaxError', error.stack ?? String(error));
    if (['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code)) {
      const message = file === undefined ? `Cannot find module '${path.basename(name)}'\nRequire stack:\n- ${path.join(root, 'index.js')}` : error.message;
      throw new RuntimeError('Runtime.ImportModuleError', `Error: ${message}`);
    }
    throw error;
  }
  let handler = loaded;
  for (const part of base.slice(dot + 1).split('.')) handler = handler?.[part] ?? handler?.default?.[part];
  if (handler === undefined) throw new RuntimeError('Runtime.HandlerNotFound', `${text} is undefined or not exported`);
  if (typeof handler !== 'function') throw new RuntimeError('Runtime.HandlerNotFound', `${text} is not a function`);
  if (![undefined, 'response'].includes(streamingOf(handler))) {
    throw new RuntimeError('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  return handler;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const environment = process.env;
  const optional = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: optional('lambda-runtime-client-context'),
    identity: optional('lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

let whenIdle; // resolves the current invocation's wait for an empty event loop
process.on('beforeExit', () => whenIdle?.());

// One invocation: the handler's result, whether it promises it, calls back, or falls silent.
async function call(handler, event, context) {
  const calledBack = new Promise((resolve, reject) => {
    const callback = (error, value) => (error === undefined || error === null ? resolve({ value }) : reject(error));
    context.done = callback;
    context.succeed = (value) => callback(null, value);
    context.fail = (error) => callback(error ?? new Error('handled'));
    const returned = handler(event, context, callback);
    if (returned !== null && typeof returned === 'object' && typeof returned.then === 'function') {
      returned.then((value) => resolve({ value, settled: true }), reject);
    }
  });
  const idle = new Promise((resolve) => { whenIdle = resolve; });
  const outcome = await Promise.race([calledBack, idle.then(() => ({ value: null, settled: true }))]);
  // A callback's answer waits for the event loop to be empty, unless the function has said not to.
  if (!outcome.settled && context.callbackWaitsForEmptyEventLoop) await idle;
  return outcome.value;
}

let currentStream; // of the invocation that runs, if it streams

// One invocation of a handler that streams: over when the handler is, and the stream has been ended and taken.
async function streamOnce(api, handler, id, event, context) {
  const stream = currentStream = api.stream(id, handler);
  try {
    const returned = handler(event, stream, context);
    if (typeof returned?.then !== 'function') {
      throw new RuntimeError('Runtime.MalformedStreamingHandler', 'Streaming does not support non-async handlers.');
    }
    if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
    await stream.accepted;
  } catch (error) {
    console.error('Invoke Error', '\t' + detailed(error));
    await report(api, id, error);
  } finally {
    currentStream = undefined;
  }
}

// Tell the Runtime API of an error: behind what has been streamed, or in the place of an answer.
async function report(api, id, error) {
  const { errorType, errorMessage, trace } = describe(error);
  const body = JSON.stringify({ errorType, errorMessage, trace });
  if (!currentStream?.begun) await api.post(`/invocation/${id}/error`, body, asHeader(error));
  else if (!currentStream.destroyed) await currentStream.fail(asHeader(error)['Lambda-Runtime-Function-Error-Type'], body);
}

async function serve(api, handler) {
  const streaming = streamingOf(handler) !== undefined;
  for (;;) {
    const { headers, body } = await api.next();
    const id = headers['lambda-runtime-aws-request-id'];
    currentRequestId = id;
    process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'] ?? '';
    if (streaming) {
      await streamOnce(api, handler, id, JSON.parse(body), contextOf(headers));
      continue;
    }
    let answer;
    try {
      const value = await call(handler, JSON.parse(body), contextOf(headers));
      answer = JSON.stringify(value === undefined ? null : value) ?? 'null';
    } catch (error) {
      console.error('Invoke Error', '\t' + detailed(error));
      await report(api, id, error);
      continue;
    }
    await api.post(`/invocation/${id}/response`, answer);
  }
}

async function fail(api, type, error) {
  console.error(type, '\t' + detailed(error));
  try {
    if (currentRequestId !== undefined) await report(api, currentRequestId, error);
    else {
      const { errorType, errorMessage, trace } = describe(error);
      await api.post('/init/error', JSON.stringify({ errorType, errorMessage, trace }), asHeader(error));
    }
  } finally {
    process.exit(currentRequestId === undefined ? 1 : 129);
  }
}

async function main() {
  if (process.argv.includes('--assigned')) readAssignment();
  patchConsole();
  installGlobal();
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  process.on('uncaughtException', (error) => void fail(api, 'Uncaught Exception', error));
  process.on('unhandledRejection', (reason) => {
    const error = new RuntimeError('Runtime.UnhandledPromiseRejection', util.types.isNativeError(reason) ? reason.toString() : String(reason));
    void fail(api, 'Unhandled Promise Rejection', error);
  });
  let handler;
  try {
    handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    await fail(api, 'Uncaught Exception', error);
    return;
  }
  await serve(api, handler);
}

void main();
