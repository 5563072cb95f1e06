"""A model server as a process: ``python model_server.py REGISTRY MODEL PORT`` loads versions and candidates from the
registry when they are asked for, digest checked. A model is a line: slope, bias, and seconds that an answer takes."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from autoheal.actions.targets.registry import Registry
from autoheal.errors import ActionError

REGISTRY, MODEL = Registry(Path(sys.argv[1])), sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["content-length"])))["rows"]
        version = self.path.split("/")[-2]
        try:
            model = json.loads((REGISTRY.artefact(MODEL, version) / "model.json").read_text())
        except ActionError as error:
            self.answer(404, str(error).encode())
            return
        if "status" in model:
            self.answer(model["status"], b"boom")
            return
        if model.get("seconds"):
            threading.Event().wait(model["seconds"])
        values = [model["slope"] * (row.get("x") or 0.0) + model["bias"] for row in rows]
        if model.get("classes"):
            values = [int(v > 0) for v in values]
        plain = [None if v != v else v for v in values]  # noqa: PLR0124 - NaN
        self.answer(200, json.dumps({"predictions": plain, "scores": None}).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
