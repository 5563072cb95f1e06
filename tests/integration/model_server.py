"""A tiny real model server: a threshold in JSON for each version of the registry. ``python model_server.py DIR PORT``."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SHELF = Path(sys.argv[1])


def threshold(version: str) -> float | None:
    for shelf in ("versions", "candidates"):
        path = SHELF / shelf / version / "artefact" / "model.json"
        if path.exists():
            return float(json.loads(path.read_text())["threshold"])
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200, {"ok": True})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        limit = threshold(self.path.split("/")[2])
        if limit is None:
            self.answer(404, {"error": "no such version"})
            return
        self.answer(200, {"predictions": [int(r["x"] > limit) for r in body["rows"]], "scores": None})

    def answer(self, status: int, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
