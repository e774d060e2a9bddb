"""A small threaded server on the loopback, for stand-ins of public services."""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def parts(self):
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def token(self):
        """The bearer token, None without one."""
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip() or None


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    pause_s: float = 0
    """Before each piece of 64 KiB."""


class Site:
    """Answers each request with what *answer* gives for it. Each connection carries one request."""

    def __init__(self, answer):
        self.requests = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version, sys_version = "Fake", ""
            timeout = 10

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:  # a client that only looked at the headers
                    self.close_connection = True

            def do_GET(self):
                request = Request(
                    self.command, self.path, {name.lower(): value for name, value in self.headers.items()}
                )
                site.requests.append(request)
                reply = answer(request)
                self.send_response(reply.status)
                for name, value in {"Content-Length": len(reply.body), **reply.headers}.items():
                    self.send_header(name, str(value))
                self.send_header("Connection", "close")
                self.end_headers()
                if self.command != "HEAD":
                    for at in range(0, len(reply.body), 1 << 16):
                        time.sleep(reply.pause_s)
                        self.wfile.write(reply.body[at : at + (1 << 16)])

            do_HEAD = do_GET  # noqa: N815 - named by http.server

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, request, client_address):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def start(self):
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Sites:
    """Several servers that begin and end together."""

    def __init__(self, *sites):
        self._sites = sites

    def __enter__(self):
        for site in self._sites:
            site.start()
        return self

    def __exit__(self, *exc):
        for site in self._sites:
            site.stop()


def file_reply(request, data, headers=None, *, etag=None, ranges=True):
    """Give a file as servers do: whole, a range of it, or 416; If-Range is looked at."""
    etag = etag or f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    headers = {"Content-Type": "application/octet-stream", "ETag": etag, "Accept-Ranges": "bytes"} | (
        headers or {}
    )
    asked = request.headers.get("range", "")
    if not ranges or not asked.startswith("bytes=") or request.headers.get("if-range", etag) != etag:
        return Reply(200, headers, data)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    begin = int(first) if first else max(len(data) - int(last), 0)
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if begin > end or begin >= len(data):
        return Reply(416, headers | {"Content-Range": f"bytes */{len(data)}"})
    headers |= {"Content-Range": f"bytes {begin}-{end}/{len(data)}"}
    return Reply(206, headers, data[begin : end + 1])
