"""External extensions as the tests deploy them: one Python program whose behaviour the function's variables decide."""

from collections.abc import Mapping
from typing import Any

from functional.server import Midge, make_zip

PATIENT = {
    "MIDGE_LIMITS_SHUTDOWN_INTERNAL_SECONDS": "8",
    "MIDGE_LIMITS_SHUTDOWN_RUNTIME_SECONDS": "8",
    "MIDGE_LIMITS_SHUTDOWN_SECONDS": "12",
}
"""For a server whose extensions are to have said everything before they are ended."""

PROGRAM = """#!/usr/bin/env python3.11
import http.client, http.server, json, os, socket, sys, threading, time
NAME = os.path.basename(sys.argv[0])
MODE = json.loads(os.environ.get("EXTENSIONS", "{}")).get(NAME, {})
def say(*words):
    print("@" + NAME, *words, flush=True)
def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    return answer.status, answer.headers, json.loads(data or b"null")
class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            if event["type"] != "extension":
                say("heard", json.dumps(event))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_):
        pass
def listen_tcp(port):
    with socket.create_server(("sandbox.localdomain", port)) as server:
        connection = server.accept()[0]
        for line in connection.makefile():
            if json.loads(line)["type"] != "extension":
                say("heard", line.strip())
def main():
    if MODE.get("at") == "start":
        act(MODE)
    status, headers, document = call("POST", "/2020-01-01/extension/register", {"events": MODE.get("events", ["INVOKE", "SHUTDOWN"])}, Lambda_Extension_Name=NAME)
    identifier = headers["Lambda-Extension-Identifier"]
    say("registered", status, json.dumps(document), sorted(k for k in os.environ if k in ("_HANDLER", "LAMBDA_TASK_ROOT", "MINE")))
    if MODE.get("sink") == "http":
        server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 8080), Sink)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if MODE.get("sink") == "tcp":
        threading.Thread(target=listen_tcp, args=(8080,), daemon=True).start()
        time.sleep(0.2)
    if "subscribe" in MODE:
        say("subscribed", *call("PUT", MODE.get("api", "/2022-07-01/telemetry"), MODE["subscribe"], Lambda_Extension_Identifier=identifier)[::2])
    while True:
        if MODE.get("at") == "next":
            act(MODE)
        status, _, event = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
        say(event["eventType"], json.dumps(event))
        if MODE.get("at") == event["eventType"]:
            act(MODE)
        if event["eventType"] == "SHUTDOWN":
            time.sleep(MODE.get("linger", 0.1))
            say("done")
            return
def act(mode):
    if mode["do"] == "exit":
        os._exit(mode.get("code", 1))
    if mode["do"] == "sleep":
        time.sleep(3600)
    if mode["do"] == "flood":
        while True:
            print(mode.get("what", "x" * 65535 + "\\n") * mode.get("times", 1), end="", flush=True)
    if mode["do"] == "eat":
        kept = []
        while True:
            kept.append(bytearray(1 << 20))
main()
"""


def publish(midge: Midge, layer: str, *names: str, files: Mapping[str, str | bytes] | None = None) -> str:
    """Publish a layer whose extensions have these names; ``files`` are others, executable as well."""
    content = {f"extensions/{name}": PROGRAM for name in names} | {
        f"extensions/{k}": v for k, v in (files or {}).items()
    }
    data = make_zip(content, tuple(content))
    answer: dict[str, Any] = midge.client().publish_layer_version(LayerName=layer, Content={"ZipFile": data})
    return str(answer["LayerVersionArn"])
