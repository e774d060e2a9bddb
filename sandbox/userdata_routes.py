"""ComfyUI's routes for what users keep on the server: ``/userdata`` (workflows, say) and its ``/settings``.

There is one user, ``default``, as in a ComfyUI that was not started with ``--multi-user``.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ..errors import JSON
from .comfy_routes import reply
from .file_routes import ACTIVE_TYPES


class UserdataRoutes:
    """Reading and writing the files of the one user, in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add_to(self, table: web.RouteTableDef) -> None:
        """Declare the routes."""
        table.get("/userdata")(self.index)
        table.get("/v2/userdata")(self.tree)
        table.get("/userdata/{file}")(self.file)
        table.post("/userdata/{file}")(self.store)
        table.delete("/userdata/{file}")(self.delete)
        table.get("/settings")(self.settings)
        table.get("/settings/{id}")(self.setting)

    async def index(self, request: web.Request) -> web.Response:
        """List files: ``?dir=workflows&recurse=true&split=true&full_info=true``."""
        if not request.query.get("dir"):
            return web.Response(status=400, text="Directory not provided")
        folder = self._path(request.query["dir"])
        if folder is None:
            return web.Response(status=403, text="Invalid directory")
        recurse, split, full = (_is_true(request, name) for name in ("recurse", "split", "full_info"))
        show: Callable[[Path], Any] = _name_of(folder)
        if full:
            show = _info_of(folder)
        elif split:
            show = _parts_of(folder)
        listed = await asyncio.to_thread(_listed, folder, recurse, show)
        return web.Response(status=404, text="Directory not found") if listed is None else reply(listed)

    async def tree(self, request: web.Request) -> web.Response:
        """List files and folders, and what is in those: ``?path=workflows``; without it all that there is."""
        name = request.query.get("path", "")
        folder = self._path(name)
        if folder is None:
            return web.Response(status=400, text="Invalid path requested")
        listed = await asyncio.to_thread(_tree, self._folder.resolve(), folder)
        if listed is None and name:
            return web.Response(status=404, text="Requested path not found")
        return reply(listed or [])

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Send a file, always as a download."""
        path = self._path(request.match_info["file"])
        if path is None:
            return web.Response(status=403)
        if not await asyncio.to_thread(path.is_file):
            return web.Response(status=404)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return web.FileResponse(
            path,
            headers={
                "Content-Type": "application/octet-stream" if media_type in ACTIVE_TYPES else media_type,
                "Content-Disposition": "attachment",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def store(self, request: web.Request) -> web.Response:
        """Write the body to a file: ``?overwrite=false&full_info=true``."""
        path = self._path(request.match_info["file"])
        if path is None:
            return web.Response(status=403)
        content = await request.read()
        try:
            await asyncio.to_thread(_write, path, content, request.query.get("overwrite") != "false")
            show = _info_of(self._folder) if _is_true(request, "full_info") else _name_of(self._folder)
            return reply(await asyncio.to_thread(show, path))
        except FileExistsError:
            return web.Response(status=409, text="File already exists")
        except OSError:
            return web.Response(status=400, reason="Invalid filename")

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a file."""
        path = self._path(request.match_info["file"])
        if path is None:
            return web.Response(status=403)
        try:
            await asyncio.to_thread(path.unlink)
        except OSError:
            return web.Response(status=404)
        return web.Response(status=204)

    async def settings(self, _request: web.Request) -> web.Response:
        """Give the page's settings: those in ``comfy.settings.json``."""
        return reply(await asyncio.to_thread(self._settings))

    async def setting(self, request: web.Request) -> web.Response:
        """Give one of them, null if it is not set."""
        return reply((await asyncio.to_thread(self._settings)).get(request.match_info["id"]))

    def _settings(self) -> JSON:
        try:
            return json.loads((self._folder / "comfy.settings.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _path(self, name: str) -> Path | None:
        """Give the path of a name, which may be encoded twice; None if it leads out of the folder."""
        if "%" in name:
            name = unquote(name)
        if "\0" in name:
            return None
        path = (self._folder / name.replace("\\", "/")).resolve()
        return path if path.is_relative_to(self._folder.resolve()) else None


def _is_true(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


def _listed(folder: Path, recurse: bool, show: Callable[[Path], Any]) -> list[Any] | None:
    if not folder.exists():
        return None
    paths = folder.rglob("*") if recurse else folder.glob("*")
    return [
        show(path)
        for path in sorted(paths)
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _tree(root: Path, folder: Path) -> list[JSON] | None:
    if not folder.is_dir():
        return None
    found: list[JSON] = []
    for path in folder.rglob("*"):
        about: JSON = {"name": path.name, "path": path.relative_to(root).as_posix()}
        if path.is_dir():
            found.append({**about, "type": "directory"})
        else:
            stat = path.stat()
            found.append({**about, "type": "file", "size": stat.st_size, "modified": stat.st_mtime})
    return sorted(found, key=lambda one: (one["type"] != "directory", one["name"].lower()))


def _name_of(root: Path) -> Callable[[Path], str]:
    return lambda path: path.relative_to(root.resolve()).as_posix()


def _parts_of(root: Path) -> Callable[[Path], list[str]]:
    def parts(path: Path) -> list[str]:
        name = _name_of(root)(path)
        return [name, *name.split("/")]

    return parts


def _info_of(root: Path) -> Callable[[Path], JSON]:
    def info(path: Path) -> JSON:
        stat = path.stat()
        return {
            "path": _name_of(root)(path),
            "size": stat.st_size,
            "modified": int(stat.st_mtime * 1000),
            "created": int(stat.st_ctime * 1000),
        }

    return info


def _write(path: Path, content: bytes, overwrite: bool) -> None:
    """Write a file whole. Raises FileExistsError unless it may be overwritten, OSError."""
    if not overwrite and path.exists():
        raise FileExistsError
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError from None
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
