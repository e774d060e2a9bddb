"""ComfyUI's templates: the list that its page's "Browse templates" reads, workflows and thumbnails.

ComfyUI serves them as files of a package of its own, at ``/templates`` alone and not below ``/api``. Here
they are a few of ours in the same form, of nodes that the sandbox has.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from ..errors import JSON
from .comfy_routes import reply
from .nodes.picture import Recipe, paint
from .nodes.pixels import to_pillow

SIDE = 128
"""Of a thumbnail, in pixels."""


@dataclass(frozen=True, slots=True)
class _Template:
    title: str
    title_zh: str
    about: str
    about_zh: str
    chain: Sequence[tuple[str, Sequence[object]]]
    """Node classes with the values of their widgets; each takes the image of the one before."""


TEMPLATES: Mapping[str, _Template] = {
    "sandbox_invert": _Template(
        title="Invert a picture",
        title_zh="反转图片颜色",
        about="Turns every colour into its opposite.",
        about_zh="把每种颜色变成它的反色。",
        chain=(("LoadImage", ("example.png", "image")), ("ImageInvert", ()), ("SaveImage", ("inverted",))),
    ),
    "sandbox_plain": _Template(
        title="Plain picture",
        title_zh="纯色图片",
        about="Makes a picture of one colour.",
        about_zh="生成一张纯色图片。",
        chain=(("EmptyImage", (256, 256, 1, 3377561)), ("SaveImage", ("plain",))),
    ),
}


class TemplateRoutes:
    """What lies below ``/templates``."""

    def add_to(self, table: web.RouteTableDef) -> None:
        """Declare the route."""
        table.get("/templates/{file}")(self.file)

    async def file(self, request: web.Request) -> web.Response:
        """Send a list (``index.json``, ``index.zh.json``), a workflow (``NAME.json``), or ``NAME-1.webp``."""
        file = request.match_info["file"]
        if file in {"index.json", "index.zh.json"}:
            return reply(_index(chinese=file == "index.zh.json"))
        name, _, kind = file.rpartition(".")
        if kind == "json" and name in TEMPLATES:
            return reply(_workflow(TEMPLATES[name]))
        if kind == "webp" and name.removesuffix("-1") in TEMPLATES and name.endswith("-1"):
            body = await asyncio.to_thread(_thumbnail, name)
            return web.Response(body=body, content_type="image/webp")
        raise web.HTTPNotFound


def _index(*, chinese: bool) -> list[JSON]:
    templates: list[JSON] = [
        {
            "name": name,
            "title": one.title_zh if chinese else one.title,
            "description": one.about_zh if chinese else one.about,
            "mediaType": "image",
            "mediaSubtype": "webp",
            "tags": ["图片" if chinese else "Image"],
            "models": [],
            "openSource": True,
        }
        for name, one in TEMPLATES.items()
    ]
    title = "沙盒" if chinese else "Sandbox"
    return [{"moduleName": "default", "title": title, "type": "image", "templates": templates}]


def _workflow(template: _Template) -> JSON:
    """Give the workflow as the page saves it."""
    nodes: list[JSON] = []
    links: list[list[object]] = []
    last = len(template.chain)
    for number, (class_type, values) in enumerate(template.chain, 1):
        inputs: list[JSON] = []
        if number > 1:
            inputs.append({"name": INPUT_NAMES[class_type], "type": "IMAGE", "link": number - 1})
            links.append([number - 1, number - 1, 0, number, 0, "IMAGE"])
        outputs: list[JSON] = []
        if number < last:
            outputs.append({"name": "IMAGE", "type": "IMAGE", "slot_index": 0, "links": [number]})
        node: JSON = {
            "id": number,
            "type": class_type,
            "pos": [number * 340, 120],
            "size": [300, 200],
            "flags": {},
            "order": number - 1,
            "mode": 0,
            "inputs": inputs,
            "outputs": outputs,
            "properties": {"Node name for S&R": class_type},
            "widgets_values": list(values),
        }
        nodes.append(node)
    return {
        "last_node_id": last,
        "last_link_id": last - 1,
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


INPUT_NAMES: Mapping[str, str] = {"ImageInvert": "image", "SaveImage": "images"}
"""Where each of the classes takes its image."""


def _thumbnail(name: str) -> bytes:
    buffer = io.BytesIO()
    to_pillow(paint(SIDE, SIDE, Recipe(prompt=name, seed=len(name)))).save(buffer, format="WEBP", quality=70)
    return buffer.getvalue()
