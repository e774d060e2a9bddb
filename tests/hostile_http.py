"""A server in threads that says byte for byte what a test wants, TLS too, and what to ask it with."""

import contextlib
import hashlib
import random
import socket
import ssl
import threading
import time
from functools import cache
from pathlib import Path

import trustme
from backplane.access import Rules, StreamLimits, Streams

QUICK = StreamLimits(connect_s=5, tls_s=5, answer_s=5, stall_s=5)
"""For answers that are to come."""
SHORT = StreamLimits(connect_s=0.4, tls_s=0.4, answer_s=0.4, stall_s=0.4)
"""For answers that never come."""


class Gone(Exception):
    """The client has hung up, or the test is over."""


class Asked:
    """One request and the connection it came on. What *speak* gets."""

    def __init__(self, server, sock, head):
        self.server = server
        self.sock = sock
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = lines[0].split(" ", 2)
        self.headers = {
            name.lower(): value for name, _, value in (each.partition(": ") for each in lines[1:] if each)
        }

    @property
    def start(self):
        """The first byte of the Range, None without one."""
        value = self.headers.get("range")
        return None if value is None else int(value.removeprefix("bytes=").partition("-")[0])

    @property
    def end(self):
        """The last byte of the Range, None where it is open."""
        text = self.headers.get("range", "-").rpartition("-")[2]
        return int(text) if text else None

    def say(self, *pieces):
        for piece in pieces:
            try:
                self.sock.sendall(piece)
            except (OSError, ValueError):
                raise Gone from None

    def reset(self):
        """Break the connection with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        raise Gone

    def hang(self):
        """Say nothing more, until the client hangs up or the test is over."""
        with contextlib.suppress(OSError, ValueError):
            while self.sock.recv(4096):
                pass
        raise Gone

    def drip(self, piece, seconds=0.02):
        """Say *piece* again and again."""
        while not self.server.over.wait(seconds):
            self.say(piece)
        raise Gone


class Server:
    """Calls *speak* (an Asked → None) for each request, then closes the connection. Closed by ``with``.

    *hello* is called with each new socket before anything else, and gives the one to go on with.
    """

    def __init__(self, speak, *, tls=None, hello=None):
        self.speak = speak
        self.asked = []
        self.connections = 0
        self.over = threading.Event()
        self.faults = []
        self._tls = tls
        self._hello = hello
        self._lock = threading.Lock()
        self._socks = set()
        self._threads = []

    def __enter__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="hostile-accept")
        self._accepting.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join()
        with self._lock:
            for sock in self._socks:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        assert self.faults == []

    def url(self, path="/file.safetensors", host="127.0.0.1", scheme=None):
        return f"{scheme or ('https' if self._tls else 'http')}://{host}:{self.port}{path}"

    @property
    def pair(self):
        return ("127.0.0.1", self.port)

    def wait_for(self, met, seconds=10):
        """Wait until *met()*."""
        deadline = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < deadline
            self.over.wait(0.005)

    def _accept(self):
        while not self.over.is_set():
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), name="hostile-serve")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock):
        with self._lock:
            self._socks.add(sock)
        first = sock
        try:
            if self._hello is not None:
                self._hello(sock)
            if self._tls is not None:
                sock.settimeout(10)
                sock = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._socks.add(sock)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = sock.recv(65536)
                if not piece:
                    return
                head += piece
            asked = Asked(self, sock, head)
            with self._lock:
                self.asked.append(asked)
            self.speak(asked)
        except (OSError, Gone):
            pass
        except Exception as error:
            self.faults.append(repr(error))
        finally:
            with self._lock:
                self._socks -= {sock, first}
            sock.close()
            first.close()


def hears(sock):
    """A hello that listens and says nothing."""
    with contextlib.suppress(OSError):
        while sock.recv(4096):
            pass
    raise Gone


def says(*pieces):
    """Speak *pieces*."""
    return lambda asked: asked.say(*pieces)


def head(status="200 OK", *fields):
    return ("\r\n".join([f"HTTP/1.1 {status}", *fields]) + "\r\n\r\n").encode()


def answer(body=b"", *fields, status="200 OK"):
    """Put an answer together, with its length."""
    return head(status, f"Content-Length: {len(body)}", *fields) + body


def in_turn(*speaks):
    """Speak each in turn, the last one ever after."""
    lock, left = threading.Lock(), list(speaks)

    def speak(asked):
        with lock:
            now = left.pop(0) if len(left) > 1 else left[0]
        now(asked)

    return speak


def chunked(*pieces, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def serves(body, etag='"v1"', *fields, ranges=True):
    """Speak as a good server of one file does: Range, If-Range, ETag."""

    def speak(asked):
        extra = [*fields, f"ETag: {etag}"] if etag else list(fields)
        matches = asked.headers.get("if-range", etag) == etag
        if asked.start is None or not ranges or not matches:
            asked.say(answer(b"" if asked.method == "HEAD" else body, *extra))
        elif asked.start >= len(body):
            asked.say(answer(b"", f"Content-Range: bytes */{len(body)}", status="416 Range Not Satisfiable"))
        else:
            end = len(body) - 1 if asked.end is None else min(asked.end, len(body) - 1)
            piece = body[asked.start : end + 1]
            where = f"Content-Range: bytes {asked.start}-{end}/{len(body)}"
            asked.say(answer(piece, where, *extra, status="206 Partial Content"))

    return speak


def cuts(body, at, etag='"v1"', *fields, how=None):
    """Speak the head of the whole file and its bytes up to *at*; then *how* (asked), or the end."""

    def speak(asked):
        assert asked.start is None
        extra = [*fields, f"ETag: {etag}"] if etag else list(fields)
        asked.say(head("200 OK", f"Content-Length: {len(body)}", *extra), body[:at])
        if how is not None:
            how(asked)

    return speak


def redirects(to, status="302 Found", *fields):
    return says(head(status, f"Location: {to}", "Content-Length: 0", *fields))


@cache
def some_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def reaching(*servers, resolve=None, tls=None, **rules):
    """Give Streams that may reach these servers besides what is public."""
    made = Rules(allow_http=True, allow=frozenset(server.pair for server in servers), **rules)
    return Streams(made, resolve=resolve, tls=tls)


class Names:
    """Resolves *names*: to each a list of answers (lists of pairs), given in turn; the last one stays."""

    def __init__(self, **names):
        self._names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked = []

    def __call__(self, host, port):
        self.asked.append((host, port))
        answers = self._names.get(host)
        if not answers:
            raise OSError(f"no such name: {host}")
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Certificates:
    """An authority of a test's own, what it vouches for, and those who trust it."""

    def __init__(self):
        self._authority = trustme.CA()

    def server(self, *names, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names, **options).configure_cert(context)
        return context

    def client(self):
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


def open_descriptors():
    """What of this process is open: descriptor → what it leads to."""
    found = {}
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[each.name] = str(each.readlink())
    return found


@contextlib.contextmanager
def nothing_left(seconds=5):
    """Check that all threads and descriptors that came up inside are gone at the end."""
    threads, files = set(threading.enumerate()), open_descriptors()
    yield
    deadline = time.monotonic() + seconds
    while True:
        new_threads = [each for each in threading.enumerate() if each not in threads]
        new_files = {name: to for name, to in open_descriptors().items() if files.get(name) != to}
        if not new_threads and not new_files:
            return
        assert time.monotonic() < deadline, (new_threads, new_files)
        time.sleep(0.005)
