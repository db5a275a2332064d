"""Serves a generated file. GET /file answers ranges; GET /broken closes each connection after 100,000 bytes."""

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = bytes(range(256)) * 1024


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path not in ("/file", "/broken"):
            self.send_error(404)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.headers.get("If-Range", '"1"') == '"1"' else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(FILE) - 1}/{len(FILE)}")
        self.send_header("Content-Length", str(len(FILE) - start))
        self.send_header("ETag", '"1"')
        self.end_headers()
        end = start + 100_000 if self.path == "/broken" else len(FILE)
        self.wfile.write(FILE[start:end])

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
