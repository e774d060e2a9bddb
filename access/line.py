"""One connection of a stream: dialled by hand, timed while it is read, ended from any thread."""

from __future__ import annotations

import errno
import io
import os
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .rules import not_public

HEAD_BYTES = 256 * 1024
"""How much is read at most before an answer's headers are over, 1xx answers included."""
FILL_S = 0.2
"""How long a slow connection may keep what came already from the reader."""
LOOK_S = 0.05
"""How often those who cannot be woken look whether they shall end."""
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})

Pair = tuple[str, int]
"""An address as text, and a port."""
Resolve = Callable[[str, int], Sequence[Pair]]
"""(host, port) → where it is. Raises OSError. Called in a thread of its own."""

Kind = Literal[
    "refused",
    "hop_refused",
    "too_many_redirects",
    "blocked_address",
    "connect",
    "tls",
    "timeout",
    "stalled",
    "incomplete",
    "broken",
    "bad_response",
    "aborted",
]
"""What went wrong: ``refused``: the URL itself; ``hop_refused``: where a redirect leads; ``timeout``: no
connection or no answer in time; ``stalled``: no bytes, or too few; ``incomplete``: the body ended early;
``broken``: the connection did; ``bad_response``: what came is not the HTTP that was asked for; ``aborted``:
it was asked to end."""


class StreamError(Exception):
    """A request was refused or failed. The message holds no more of a URL than its host and port."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds: to connect, for the TLS handshake, until the answer's headers, without a byte of body.

    Also, over every *floor_over_s* of waiting, at least *floor_bytes_s* bytes a second have to come.
    """

    connect_s: float = 10.0
    tls_s: float = 15.0
    answer_s: float = 30.0
    stall_s: float = 60.0
    floor_bytes_s: float = 10 * 1024
    floor_over_s: float = 300.0


class Line:
    """What connections of one stream share: its limits, and the way to end it. *shown* names it to people."""

    def __init__(self, limits: StreamLimits, clock: Callable[[], float]) -> None:
        self.shown = ""
        self.limits = limits
        self._clock = clock
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._begin()

    def _begin(self) -> None:
        self._answer_by: float | None = None
        self._head_bytes = 0
        self._slices = False
        self._slice_ends = 0.0
        self._mark = 0.0
        self._given: bool = False
        self._brief: bool = False
        self._held: StreamError | None = None
        self._waited = 0.0
        self._came = 0

    # ending it

    def abort(self) -> None:
        """End it, now and for good; from any thread."""
        with self._lock:
            self._over.set()
            if self._handle is not None:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)  # whoever reads wakes and reads an end

    def hang_up(self, *, finished: bool = False) -> None:
        """Let go of the connection that was dialled last; unless it is *finished*, the server is told so."""
        with self._lock:
            handle, self._handle = self._handle, None
        if handle is not None:
            if not finished and sys.platform != "win32":
                with suppress(OSError):  # a reset: else the server would wait for us to read the rest
                    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handle.close()

    def check(self) -> None:
        """Raise StreamError if it was aborted."""
        if self._over.is_set():
            raise StreamError("aborted", f"The request to {self.shown} was ended.")

    # connecting

    def resolve(self, resolve: Resolve, host: str, port: int) -> Sequence[Pair]:
        """Ask for the addresses of *host*: in a thread, for nothing can end a resolver that hangs."""
        found: list[Pair] = []
        done = threading.Event()

        def ask() -> None:
            with suppress(OSError, UnicodeError):
                found.extend(resolve(host, port))
            done.set()

        asking = threading.Thread(target=ask, name="backplane-resolve", daemon=True)
        asking.start()
        until = self._clock() + self.limits.connect_s
        while not done.wait(LOOK_S):
            self.check()
            if self._clock() >= until:
                raise StreamError("timeout", f"The name of {self.shown} was not resolved in time.")
        asking.join()
        if not found:
            raise StreamError("blocked_address", not_public(self.shown))
        return found

    def dial(self, pairs: Sequence[Pair]) -> socket.socket:
        """Connect to the first of *pairs* that answers; its timeout is then that of the TLS handshake."""
        self.hang_up()
        self._begin()
        until = self._clock() + self.limits.connect_s
        late = False
        for place, pair in enumerate(pairs):
            left = until - self._clock()
            try:
                return self._connected(pair, min(left, max(left / (len(pairs) - place), 1.0)))
            except TimeoutError:
                late = True
            except OSError:
                self.check()
        if late:
            raise StreamError("timeout", f"{self.shown} took no connection in time.")
        raise StreamError("connect", f"{self.shown} cannot be reached.")

    def _connected(self, pair: Pair, seconds: float) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in pair[0] else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(pair)
            if code in _UNDER_WAY:
                self._writable(sock, seconds)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            _fail_with(code)
            sock.settimeout(self.limits.tls_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                # A second descriptor: TLS wraps and detaches the first one, but a shutdown reaches both.
                self._handle = sock.dup()
            self.check()
        except BaseException:
            sock.close()
            raise
        return sock

    def _writable(self, sock: socket.socket, seconds: float) -> None:
        until = self._clock() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            while not selector.select(LOOK_S):
                self.check()
                if self._clock() >= until:
                    raise TimeoutError

    # reading

    def expect_answer(self) -> None:
        """Begin to wait for an answer's headers."""
        self._answer_by = self._clock() + self.limits.answer_s

    def expect_body(self, sock: socket.socket, *, slices: bool) -> None:
        """Begin to read a body. With *slices* a read may give less than asked for: it does if it is slow."""
        self._answer_by = None
        self._slices = slices
        sock.settimeout(self.limits.stall_s)

    def fill(self) -> None:
        """Begin one read of the body, which may be made of several of :meth:`receive`."""
        self._given = False
        self._mark = self._clock()
        self._slice_ends = self._mark + FILL_S

    def receive(self, sock: socket.socket, into: memoryview) -> int | None:
        """Receive some bytes; 0 at the end; None if the reader shall take what it has."""
        if self._held is not None:
            raise self._held
        if self._answer_by is not None:
            sock.settimeout(self._left(self._answer_by))
        elif self._given and self._mark >= self._slice_ends:
            return None
        elif self._given is not self._brief:  # what is here waits no longer than a slice for more
            self._brief = self._given
            sock.settimeout(FILL_S if self._brief else self.limits.stall_s)
        try:
            count = sock.recv_into(into)
        except TimeoutError:
            return None if self._given else self._hold(self._silent())
        except OSError:
            return self._hold(StreamError("broken", f"The connection to {self.shown} broke."))
        if count == 0:
            self.check()
        if self._answer_by is not None:
            self._check_head(count)
            return count
        now = self._clock()
        self._waited += now - self._mark  # only while it is read: a slow disk is not the source's fault
        self._mark = now
        self._came += count
        self._given = self._slices and count > 0
        if self._waited >= self.limits.floor_over_s:
            self._check_floor()
        return count

    def _left(self, until: float) -> float:
        left = until - self._clock()
        if left <= 0:
            raise self._silent()
        return left

    def _check_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > HEAD_BYTES:
            raise StreamError("bad_response", f"{self.shown} sent headers without end.")

    def _hold(self, error: StreamError) -> None:
        """Raise *error*: later, if bytes that came before it would be lost otherwise."""
        if self._over.is_set():
            self.check()
        self._held = error
        if not self._given:
            raise error

    def _silent(self) -> StreamError:
        if self._answer_by is not None:
            return StreamError("timeout", f"{self.shown} did not answer in time.")
        return StreamError("stalled", f"{self.shown} sent nothing for {self.limits.stall_s:g} s.")

    def _check_floor(self) -> None:
        if self._came < self.limits.floor_bytes_s * self._waited:
            raise StreamError("stalled", f"{self.shown} sent hardly anything for {self._waited:.0f} s.")
        self._waited, self._came = 0.0, 0


def _fail_with(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))


class Watched(io.RawIOBase):
    """A connection's socket as a raw file that is read through its :class:`Line`. Owns *raw*."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, line: Line) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._line = line

    def readable(self) -> bool:
        """As every file says it."""
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Receive some bytes."""
        return self._line.receive(self._sock, buffer)

    def close(self) -> None:
        """Close the socket, once the connection has let go of it too."""
        try:
            self._raw.close()
        finally:
            super().close()
