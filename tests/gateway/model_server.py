"""A tiny real model server, run as a process: ``python model_server.py PORT``.

Versions are named by what they do: ``hang``, ``fail``, ``garbage``, ``short``, ``null``, ``slow``, ``refuse`` do so,
``missing`` is unknown; ``half``, ``ten``, ``bad`` multiply x by that; any other name answers x. Standard library only,
one thread a connection, keep-alive.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FACTORS = {"half": 0.5, "ten": 10.0, "bad": -3.0}

ODD = {
    "fail": (500, b"boom"),
    "garbage": (200, b"<html>not json"),
    "refuse": (422, b"x must be a number"),
    "missing": (404, b"no such version"),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self):
        self.answer(200, b"{}")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        version = self.path.split("/")[-2]
        if version == "hang":
            threading.Event().wait(30)
        if version == "slow":
            threading.Event().wait(0.08)
        if version in ODD:
            self.answer(*ODD[version])
            return
        factor = FACTORS.get(version, 1.0)
        rows = json.loads(body)["rows"]
        values = [None if version == "null" else factor * (row.get("x") or 0.0) for row in rows]
        if version == "short":
            values = values[1:]
        self.answer(200, json.dumps({"predictions": values, "scores": None}).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
