"""The line in ComfyUI's log that says where the phone app is."""

import asyncio
import logging
from types import SimpleNamespace

from aiohttp import web
from backplane.host import announcing


async def test_the_line_is_written_once_the_server_listens(aiohttp_server, caplog, monkeypatch):
    monkeypatch.setattr(announcing, "LOOK_S", 0.01)
    server = SimpleNamespace()
    with caplog.at_level(logging.INFO, "backplane"):
        announcing.begin(server)
        await asyncio.sleep(0.05)
        assert caplog.messages == []
        server.port = (await aiohttp_server(web.Application())).port
        while not caplog.messages:
            await asyncio.sleep(0.01)
    (line,) = caplog.messages
    assert f"http://127.0.0.1:{server.port}/ext/app/" in line
