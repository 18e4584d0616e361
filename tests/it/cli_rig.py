# SPDX-License-Identifier: Apache-2.0
"""What tests of the CLI share: running it with a home of its own, on a terminal or not, and a server
that answers as it is told."""
import http.server
import json
import os
import pty
import re
import select
import subprocess
import threading
import time

import wardian

PROGRAM = str(wardian.BUILD / "wardian")
KEY = "wdn_sk_secretsecretsecret"
COMMAND = re.compile(r"^  (\S+) +(\S+)  +(?:\S.*)?$")


class Cli:
    """wardian with a home of its own; cli(words...) -> CompletedProcess with text output."""

    def __init__(self, home, url=None, key=KEY):
        self.home, self.url, self.key = home, url, key

    @property
    def folder(self):
        return self.home / ".config" / "wardian"

    def environment(self, **more):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}
        if self.url:
            env["WARDIAN_URL"] = self.url
        if self.key:
            env["WARDIAN_API_KEY"] = self.key
        env.update(more)
        return {name: value for name, value in env.items() if value is not None}

    def __call__(self, *words, env=None, timeout=120, **options):
        return subprocess.run([PROGRAM, *map(str, words)], env=self.environment(**(env or {})), timeout=timeout,
                              cwd=self.home, capture_output=True, text=True, check=False, **options)

    def ok(self, *words, **options):
        """Standard output of a command that must succeed."""
        out = self(*words, **options)
        assert out.returncode == 0, (words, out.returncode, out.stderr)
        return out.stdout

    def json(self, *words, **options):
        return json.loads(self.ok(*words, "-o", "json", **options))

    def on_terminal(self, *words, typed=(), env=None):
        """(everything that it wrote to a terminal, exit status); typed: (prompt, answer) pairs."""
        main, side = pty.openpty()
        with subprocess.Popen([PROGRAM, *words], stdin=side, stdout=side, stderr=side, cwd=self.home,
                              env=self.environment(**(env or {})), start_new_session=True) as process:
            os.close(side)
            try:
                return converse(main, list(typed)), process.wait(60)
            finally:
                os.close(main)


def converse(terminal, typed):
    """Types each answer once its prompt was seen; returns what was written until the end."""
    out, until = b"", time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: the last one has closed its side
            return out
        if not piece:
            return out
        out += piece
        if typed and typed[0][0].encode() in out:
            os.write(terminal, typed.pop(0)[1].encode())
    raise AssertionError(f"the command does not end: {out!r}")


def all_commands():
    """(noun, verb) of every command that --help names; verb "" for commands without."""
    text = subprocess.run([PROGRAM, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = text[text.index("\n\n") + 2:text.index("\n\nOptions")].splitlines()
    return [(line[2:13].strip(), line[13:27].strip()) for line in lines]


class Request:
    """What the stub was asked."""

    def __init__(self, handler):
        self.method, self.path = handler.command, handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.text = handler.rfile.read(int(self.headers.get("content-length", 0)))

    @property
    def body(self):
        return json.loads(self.text)


class Stub:
    """A server; answer(request) -> (status, body, headers) or a body.  seen: all requests."""

    def __init__(self, answer):
        self.seen, self.answer = [], answer
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                request = Request(self)
                stub.seen.append(request)
                answer = stub.answer(request)
                status, body, headers = answer if isinstance(answer, tuple) else (200, answer, {})
                body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Request-Id", "req-of-the-test")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def problem(status, code, detail="no", headers=None, **more):
    """An answer that is a problem document."""
    return status, {"code": code, "detail": detail, "title": code, "status": status, **more}, headers or {}
