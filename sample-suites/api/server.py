"""Users of an API: POST /users, GET and DELETE /users/ID, POST /login, GET /me, GET /old."""

import base64
import json
import sys
import threading
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

users = {}
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value=None, **headers):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        if value is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def content(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self):
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        if self.path == "/health":
            self.answer(200, "ok")
        elif self.path == "/old":
            self.answer(301, Location="/health")
        elif self.path == "/me" and "user" in cookies:
            self.answer(200, {"name": cookies["user"].value})
        elif self.path == "/me":
            self.answer(401, {"error": "who are you?"})
        elif self.path in users:
            self.answer(200, users[self.path])
        else:
            self.answer(404, {"error": "no such user"})

    def do_POST(self):
        if self.path == "/login":
            kind, _, secret = self.headers.get("Authorization", "").partition(" ")
            name, _, password = base64.b64decode(secret).decode().partition(":")
            known = kind == "Basic" and password == "open sesame"
            self.answer(204, Set_Cookie=f"user={name}; Path=/") if known else self.answer(401)
            return
        user = self.content()
        with lock:
            user["id"] = len(users) + 1
            users[f"/users/{user['id']}"] = user
        self.answer(201, user, Location=f"/users/{user['id']}")

    def do_DELETE(self):
        self.answer(204 if users.pop(self.path, None) else 404)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
