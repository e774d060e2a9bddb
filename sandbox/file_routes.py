"""ComfyUI's routes for files: ``/view`` and ``/upload/image``."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import IO

import PIL.Image
from aiohttp import web

from .comfy_routes import reply
from .files import KINDS, Files, content_type

ACTIVE_TYPES = frozenset(
    {
        "application/javascript",
        "application/xhtml+xml",
        "application/xml",
        "image/svg+xml",
        "text/css",
        "text/html",
        "text/javascript",
        "text/xml",
    }
)
"""What a browser would run in this origin: always a download."""


class FileRoutes:
    """Reading and writing the data folder's images."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def add_to(self, table: web.RouteTableDef) -> None:
        """Declare the routes."""
        table.get("/view")(self.view)
        table.post("/upload/image")(self.upload)

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Send a file: ``?filename=&subfolder=&type=``, ``&preview=webp;90`` or ``&channel=rgb|a``."""
        query = request.query
        if "filename" not in query:
            raise web.HTTPNotFound
        filename, kind = query["filename"], query.get("type", "output")
        for known in KINDS:
            if filename.endswith(f" [{known}]"):
                filename, kind = filename[: -len(known) - 3], known
        if not filename or filename.startswith("/") or ".." in filename or kind not in KINDS:
            raise web.HTTPBadRequest
        subfolder, name = query.get("subfolder", ""), PurePosixPath(filename).name
        if self._files.inside(kind, subfolder) is None:
            raise web.HTTPForbidden
        path = await asyncio.to_thread(self._files.file, name, subfolder, kind)
        if path is None:
            raise web.HTTPNotFound
        shown = name.replace("\\", "\\\\").replace('"', '\\"')
        if "preview" in query or query.get("channel") in {"rgb", "a"}:
            return await _converted(path, shown, query.get("preview"), query.get("channel", ""))
        headers = {"X-Content-Type-Options": "nosniff"}
        media_type = content_type(name)
        if media_type in ACTIVE_TYPES:
            headers["Content-Type"] = "application/octet-stream"
            headers["Content-Disposition"] = f'attachment; filename="{shown}"'
        else:
            headers["Content-Type"] = media_type
            headers["Content-Disposition"] = f'filename="{shown}"'
        return web.FileResponse(path, headers=headers)

    async def upload(self, request: web.Request) -> web.Response:
        """Take a multipart ``image`` with ``overwrite``, ``subfolder`` and ``type`` beside it."""
        if not request.content_type.startswith("multipart/"):
            raise web.HTTPBadRequest(text="The body is not multipart/form-data")
        form = await request.post()
        image = form.get("image")
        kind, subfolder = form.get("type", "input"), form.get("subfolder", "")
        if (
            not isinstance(image, web.FileField)
            or not isinstance(kind, str)
            or not isinstance(subfolder, str)
        ):
            raise web.HTTPBadRequest(text="image must be a file, type and subfolder texts")
        name = image.filename
        folder = self._files.inside(kind, subfolder)
        if folder is None or not name or name in {".", ".."} or any(sign in name for sign in '/\\\0<>:"|?*'):
            raise web.HTTPBadRequest(text="The image cannot be stored under this name")
        overwrite = form.get("overwrite") in {"true", "1"}
        try:
            stored = await asyncio.to_thread(_store, image.file, folder, name, overwrite)
        except OSError:
            raise web.HTTPBadRequest(text="The image cannot be stored under this name") from None
        return reply({"name": stored, "subfolder": subfolder, "type": kind})


def _store(content: IO[bytes], folder: Path, name: str, overwrite: bool) -> str:
    """Write an upload; a taken name gets " (1)", unless the file there is the same. Answers the name."""
    folder.mkdir(parents=True, exist_ok=True)
    if overwrite:
        part = folder / f".{name}.{os.getpid()}.part"
        with part.open("wb") as target:
            shutil.copyfileobj(content, target)
        part.replace(folder / name)
        return name
    digest = _digest(content)
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (".png" alone is a stem to both, but "a." is not)
    number = 0
    while True:
        free = f"{stem} ({number}){suffix}" if number else name
        try:
            with (folder / free).open("xb") as target:
                shutil.copyfileobj(content, target)
        except FileExistsError:
            with (folder / free).open("rb") as there:
                if _digest(there) == digest:
                    return free
            number += 1
        else:
            return free


def _digest(content: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while block := content.read(1 << 20):
        digest.update(block)
    content.seek(0)
    return digest.digest()


async def _converted(path: Path, shown: str, preview: str | None, channel: str) -> web.Response:
    try:
        body, kind = await asyncio.to_thread(_convert, path, preview, channel)
    except (OSError, ValueError):
        raise web.HTTPBadRequest(text="The file is no image") from None
    return web.Response(
        body=body,
        content_type=f"image/{kind}",
        headers={"Content-Disposition": f'filename="{shown}"'},
    )


def _convert(path: Path, preview: str | None, channel: str) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with PIL.Image.open(path) as image:
        if preview is not None:
            kind, _, quality = preview.partition(";")
            kind = kind if kind in {"webp", "jpeg"} and "a" not in channel else "webp"
            chosen = image.convert("RGB") if kind == "jpeg" or channel == "rgb" else image
            level = int(quality) if quality.isascii() and quality.isdigit() else 90
            chosen.save(buffer, format=kind, quality=min(level, 100))
            return buffer.getvalue(), kind
        if channel == "rgb":
            chosen = image.convert("RGB")
        else:
            chosen = PIL.Image.new("RGBA", image.size)
            chosen.putalpha(image.convert("RGBA").getchannel("A"))
        chosen.save(buffer, format="PNG")
        return buffer.getvalue(), "png"
