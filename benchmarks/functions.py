"""The functions that are measured, and what a bare runtime client needs to run them."""

import io
import os
import zipfile
from pathlib import Path

EVENT = b'{"a":"' + b"x" * 92 + b'"}'
"""100 bytes."""

ECHO = "def handler(event, context):\n    return event\n"
SLOW_INIT = f"import time\ntime.sleep(0.3)\n{ECHO}"
HOLD = """\
import os, time
def handler(event, context):
    entered = time.monotonic()
    time.sleep(event["seconds"])
    return {"entered": entered, "environment": context.log_stream_name, "namespace": os.readlink("/proc/self/ns/pid")}
"""
ECHO_NODE = "exports.handler = async (event) => event;\n"
STREAM_NODE = """\
const part = Buffer.alloc(65536, 'x');
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const size = Number(event.queryStringParameters?.bytes ?? event.bytes);
  stream.write('x');
  if (!size) await new Promise((resolve) => setTimeout(resolve, 3));
  for (let left = size - 1; left > 0; left -= part.length) {
    if (!stream.write(part.subarray(0, left))) await new Promise((resolve) => stream.once('drain', resolve));
  }
  stream.end();
});
"""
"""Streams as many bytes as it is asked for; a single one comes some time before the end."""


def package(name: str, source: str) -> bytes:
    """A deployment package with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, source)
    return buffer.getvalue()


def write(directory: Path) -> Path:
    """The task root for bare clients: the same functions as files."""
    root = directory / "task"
    root.mkdir()
    (root / "app.py").write_text(ECHO)
    (root / "app.js").write_text(ECHO_NODE)
    (root / "stream.js").write_text(STREAM_NODE)
    return root


def variables(api: str, task_root: Path) -> dict[str, str]:
    """The environment of a bare runtime client that talks to ``api`` (host:port)."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",  # the code comes as it is deployed, and where it is cannot be written to
        "AWS_LAMBDA_RUNTIME_API": api,
        "LAMBDA_TASK_ROOT": str(task_root),
        "PYTHONPATH": str(task_root),
        "_HANDLER": "app.handler",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
    }
