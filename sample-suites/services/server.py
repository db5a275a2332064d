"""Keeps notes: POST adds one, GET /notes lists them, GET /health says that it is there."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

notes = []
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        known = {"/health": "ok", "/notes": notes}
        self.answer(200 if self.path in known else 404, known.get(self.path, "not found"))

    def do_POST(self):
        note = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with lock:
            notes.append(note)
        self.answer(201, {"added": note})


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
