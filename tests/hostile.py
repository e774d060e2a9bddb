"""Servers on the loopback that say byte for byte what a test wants, and names that lead to them."""

import asyncio
import contextlib
import socket

from aiohttp.abc import AbstractResolver
from backplane.access import Limits, Outbound, Rules

QUICK = Limits(connect_s=5, answer_s=0.3, stall_s=0.3, total_s=5)


class Hostile:
    """A server that hands each connection's request (head and body) and its writer to *speak*."""

    def __init__(self, speak, tls=None):
        self._speak = speak
        self._tls = tls
        self.heads = []
        self.bodies = []
        self.connections = 0
        self.port = 0
        self._open = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self._server.close()
        for each in self._open:
            each.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def url(self, path="/", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._open.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    fields = dict(
                        line.split(": ", 1) for line in head.lower().split("\r\n")[1:] if ": " in line
                    )
                    self.heads.append(head)
                    self.bodies.append(await reader.readexactly(int(fields.get("content-length", 0))))
                    if not await self._speak(head, writer):
                        break
        finally:
            self._open.discard(task)
            writer.close()


def says(*pieces, keep=False):
    """Speak *pieces*, then close the connection, or *keep* it for the next request."""

    async def speak(head, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return keep

    return speak


async def hangs(head, writer):
    """Never answer."""
    await asyncio.Event().wait()


def drips(piece, first=b""):
    """Say *first*, then *piece* again and again, with a pause each time, without end."""

    async def speak(head, writer):
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return speak


def floods(piece, first=b""):
    """Say *first*, then *piece* as fast as it is taken, without end."""

    async def speak(head, writer):
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()

    return speak


def answer(body=b"", *fields, status="200 OK"):
    """Put an answer together, with its length."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields])
    return head.encode() + b"\r\n\r\n" + body


class Names(AbstractResolver):
    """A resolver that knows *names*: to each a list of answers, given in turn, the last one ever after."""

    def __init__(self, **names):
        self._names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked = []

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        self.asked.append(host)
        answers = self._names.get(host)
        if not answers:
            raise OSError(f"no such name: {host}")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in found
        ]

    async def close(self):
        pass


def reaching(*servers, limits=QUICK, resolver=None, tls=None, hosts=()):
    """Give an Outbound with the usual rules that may reach these servers besides."""
    rules = Rules(
        allow_http=True, hosts=hosts, allow=frozenset(("127.0.0.1", server.port) for server in servers)
    )
    return contextlib.aclosing(_Closable(rules, limits, resolver=resolver, tls=tls))


class _Closable(Outbound):
    async def aclose(self):
        await self.close()
