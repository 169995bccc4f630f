// Streamed responses: the global `awslambda` that functions find, and the stream they write to.
//
// What is written goes to the Runtime API at once, in chunks; a function that writes faster than it is read is told so
// as any writer is. An error after the first byte stands in the trailers, one before it is reported like any other.
// https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html and runtimes-custom.html

import http from 'node:http';
import { Writable } from 'node:stream';

// Libraries that wrap handlers know these names.
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const HTTP_TYPE = 'application/vnd.awslambda.http-integration-response';
const SEPARATOR = new Uint8Array(8);

export function installGlobal() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = options.highWaterMark;
      return handler;
    },
    HttpResponseStream: {
      from(stream, prelude) {
        stream.setContentType(HTTP_TYPE);
        const text = JSON.stringify(prelude);
        stream._onBeforeFirstWrite = (write) => {
          write(text);
          write(SEPARATOR);
        };
        return stream;
      },
    },
  };
}

export const streamingOf = (handler) => handler[STREAMING];

const asBytes = (chunk) =>
  typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk);

export class ResponseStream extends Writable {
  #target;
  #path;
  #request;
  #contentType = 'application/octet-stream';
  #accepted;
  #answered = {};

  // `target` is where the Runtime API is, `path` the endpoint of this invocation's response.
  constructor(target, path, handler) {
    super({ highWaterMark: handler[HIGH_WATER_MARK] });
    this.#target = target;
    this.#path = path;
    // Settled when the Runtime API has taken the whole response, or has refused it.
    this.#accepted = new Promise((resolve, reject) => { this.#answered = { resolve, reject }; });
    this.#accepted.catch(() => {});
    this.on('error', () => {}); // who waits for the response hears of it
  }

  // Whether the response has begun, so that an error can only stand behind it.
  get begun() {
    return this.#request !== undefined;
  }

  get accepted() {
    return this.#accepted;
  }

  setContentType(type) {
    if (this.begun) {
      const error = new Error('Cannot set content-type, too late.');
      error.name = 'Runtime.InvalidStreamingOperation';
      throw error;
    }
    this.#contentType = type;
  }

  write(chunk, ...rest) {
    return super.write(asBytes(chunk), ...rest);
  }

  end(chunk, ...rest) {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return super.end(chunk, ...rest);
    return super.end(asBytes(chunk), ...rest);
  }

  // End with an error, which the Runtime API finds behind what was written.
  fail(type, document) {
    this.#request.addTrailers({
      'Lambda-Runtime-Function-Error-Type': type,
      'Lambda-Runtime-Function-Error-Body': Buffer.from(document, 'utf8').toString('base64'),
    });
    this.#request.end();
    return this.#accepted;
  }

  _write(chunk, _encoding, done) {
    this.#begin();
    this.#request.write(chunk, done);
  }

  _final(done) {
    this.#begin();
    this.#request.end();
    this.#accepted.then(() => done(), done);
  }

  _destroy(error, done) {
    if (this.begun && !this.#request.writableEnded) this.#request.destroy();
    if (!this.begun || error) this.#answered.reject(error ?? new Error('The response stream was destroyed.'));
    done(error);
  }

  #begin() {
    if (this.begun) return;
    const headers = {
      'Content-Type': this.#contentType,
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      'Transfer-Encoding': 'chunked',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    };
    this.#request = http.request({ ...this.#target, method: 'POST', path: this.#path, headers }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 202) this.#answered.resolve();
        else this.#answered.reject(new Error(`the Runtime API answered ${response.statusCode}`));
      });
    });
    this.#request.on('error', (error) => {
      this.#answered.reject(error);
      this.destroy(error);
    });
    this._onBeforeFirstWrite?.((chunk) => this.#request.write(chunk));
  }
}
