"""ComfyUI's own routes: prompts, queue, history, node definitions, models, the machine."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from aiohttp import web

from ..errors import JSON
from ..host.protocol import PromptRejected
from .checks import refusal
from .files import MODEL_FOLDERS
from .host import FEATURES, SandboxHost
from .plain import dumps

LARGE_BYTES = 256 * 1024
"""Bodies of this size would hold up the event loop while they are read."""


def reply(value: Any, status: int = 200) -> web.Response:
    """Answer with *value* as JSON."""
    return web.Response(text=dumps(value), status=status, content_type="application/json")


async def reply_large(value: Any) -> web.Response:
    """Answer with a *value* that may take long to encode."""
    return web.Response(text=await asyncio.to_thread(dumps, value), content_type="application/json")


async def body_of(request: web.Request) -> Any:
    """Read a JSON body. Raises HTTPBadRequest."""
    raw = await request.read()
    try:
        return json.loads(raw) if len(raw) < LARGE_BYTES else await asyncio.to_thread(json.loads, raw)
    except (ValueError, RecursionError):
        error = {"error": refusal("invalid_json", "The body is not JSON"), "node_errors": {}}
        raise web.HTTPBadRequest(text=dumps(error), content_type="application/json") from None


async def object_of(request: web.Request) -> JSON:
    """Read a JSON object. Raises HTTPBadRequest."""
    body = await body_of(request)
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object")
    return cast("JSON", body)


class PromptRoutes:
    """Prompts, queue and history."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host

    def add_to(self, table: web.RouteTableDef) -> None:
        """Declare the routes."""
        table.get("/prompt")(self.status)
        table.post("/prompt")(self.submit)
        table.get("/queue")(self.queue)
        table.post("/queue")(self.change_queue)
        table.get("/history")(self.history)
        table.post("/history")(self.change_history)
        table.get("/history/{prompt_id}")(self.finished)
        table.post("/interrupt")(self.interrupt)
        table.post("/free")(self.free)

    async def status(self, _: web.Request) -> web.Response:
        """How many prompts run or wait."""
        return reply(self._host.status())

    async def submit(self, request: web.Request) -> web.Response:
        """Queue a prompt."""
        body = await body_of(request)
        try:
            accepted = await self._host.submissions.submit(body)
        except PromptRejected as no:
            return reply({"error": no.error, "node_errors": no.node_errors}, 400)
        return reply(
            {
                "prompt_id": accepted.prompt_id,
                "number": accepted.number,
                "node_errors": accepted.node_errors,
            }
        )

    async def queue(self, _: web.Request) -> web.Response:
        """What runs and what waits."""
        running, pending = self._host.prompts.items()
        return await reply_large(
            {
                "queue_running": [item.listed() for item in running],
                "queue_pending": [item.listed() for item in pending],
            }
        )

    async def change_queue(self, request: web.Request) -> web.Response:
        """Take pending prompts away: ``{"clear": true}`` or ``{"delete": [ids]}``."""
        body = await object_of(request)
        if body.get("clear"):
            self._host.prompts.remove()
        if "delete" in body:
            self._host.prompts.remove(_ids(body["delete"]))
        return web.Response()

    async def history(self, request: web.Request) -> web.Response:
        """The finished prompts, ``?max_items=&offset=``."""
        try:
            limit, offset = (
                int(request.query[name]) if name in request.query else None
                for name in ("max_items", "offset")
            )
        except ValueError:
            raise web.HTTPBadRequest(text="max_items and offset are whole numbers") from None
        return await reply_large(self._host.prompts.history(limit=limit, offset=offset))

    async def finished(self, request: web.Request) -> web.Response:
        """One finished prompt, or an empty object."""
        prompt_id = request.match_info["prompt_id"]
        entry = self._host.prompts.finished(prompt_id)
        return await reply_large({} if entry is None else {prompt_id: entry})

    async def change_history(self, request: web.Request) -> web.Response:
        """Forget finished prompts: ``{"clear": true}`` or ``{"delete": [ids]}``."""
        body = await object_of(request)
        if body.get("clear"):
            self._host.prompts.forget()
        if "delete" in body:
            self._host.prompts.forget(_ids(body["delete"]))
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        """Stop what runs, or only ``{"prompt_id"}``."""
        body: JSON = await object_of(request) if await request.read() else {}
        prompt_id = body.get("prompt_id")
        self._host.prompts.interrupt(str(prompt_id) if prompt_id else None)
        return web.Response()

    async def free(self, request: web.Request) -> web.Response:
        """Drop kept results."""
        body = await object_of(request)
        if body.get("free_memory") or body.get("unload_models"):
            self._host.worker.free()
        return web.Response()


class ServerRoutes:
    """What the server has: nodes, models, features, devices; and the page at ``/``."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host

    def add_to(self, table: web.RouteTableDef) -> None:
        """Declare the routes."""
        table.get("/")(self.page)
        table.get("/ws")(self._host.audience.serve)
        table.get("/object_info")(self.object_info)
        table.get("/object_info/{class_type}")(self.node_info)
        table.get("/models")(self.model_folders)
        table.get("/models/{folder}")(self.models)
        table.get("/embeddings")(self.embeddings)
        table.get("/extensions")(self.extensions)
        table.get("/features")(self.features)
        table.get("/system_stats")(self.system_stats)

    async def page(self, _: web.Request) -> web.Response:
        """Say what this is."""
        return web.Response(text=PAGE, content_type="text/html")

    async def object_info(self, _: web.Request) -> web.Response:
        """All node definitions."""
        return await reply_large(await asyncio.to_thread(self._host.registry.object_info))

    async def node_info(self, request: web.Request) -> web.Response:
        """One node definition, or an empty object."""
        class_type = request.match_info["class_type"]
        if self._host.registry.get(class_type) is None:
            return reply({})
        return reply({class_type: await asyncio.to_thread(self._host.registry.node_info, class_type)})

    async def model_folders(self, _: web.Request) -> web.Response:
        """Names of the model folders."""
        return reply(list(MODEL_FOLDERS))

    async def models(self, request: web.Request) -> web.Response:
        """The files of one model folder."""
        folder = request.match_info["folder"]
        if folder not in MODEL_FOLDERS:
            raise web.HTTPNotFound
        return reply(await asyncio.to_thread(self._host.files.model_files, folder))

    async def embeddings(self, _: web.Request) -> web.Response:
        """Names of the embeddings, without their suffix."""
        files = await asyncio.to_thread(self._host.files.model_files, "embeddings")
        return reply([name.rpartition(".")[0] for name in files])

    async def extensions(self, _: web.Request) -> web.Response:
        """The desktop page's scripts: there is no desktop page here."""
        return reply([])

    async def features(self, _: web.Request) -> web.Response:
        """What the server can do."""
        return reply(FEATURES)

    async def system_stats(self, _: web.Request) -> web.Response:
        """Memory and devices."""
        return reply(await asyncio.to_thread(self._host.system_stats))


def _ids(value: object) -> list[object]:
    if not isinstance(value, list):
        raise web.HTTPBadRequest(text="delete is a list of ids")
    return cast("list[object]", value)


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Backplane sandbox</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
</style>
</head>
<body>
<h1>Backplane sandbox</h1>
<p>This is not ComfyUI. It has ComfyUI&#8217;s API and a few of its nodes, so that you can try Backplane and
build a client without a GPU. Image nodes run for real; sampling is simulated, and every such picture says
so.</p>
<ul>
<li><a href="/ext/app/">/ext/app/</a>: the phone app</li>
<li><a href="/ext/docs">/ext/docs</a>: every route</li>
<li><a href="/ext">/ext</a>: what this server offers</li>
<li><a href="/ext/catalog">/ext/catalog</a>: its nodes</li>
</ul>
</body>
</html>
"""
