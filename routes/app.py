"""``/ext/app/``: the phone app, as files of ``web/app``.

Nothing is built: what lies in the folder is what the browser runs. The page is asked for again at every
start. It names its scripts and styles below ``@RELEASE/``, which changes with any file of the app: so
browsers keep those for good, a later start asks for none of them, and two releases are never mixed.
Without that part of the address every file is there, too, and asked for again (``no-cache``).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from ..errors import NotFound
from ._http import GZIP_FROM, conditional, etag_of, takes_gzip

APP = Path(__file__).resolve().parents[1] / "web" / "app"

MEDIA: Mapping[str, str] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".md": "text/plain",
    ".txt": "text/plain",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}
"""Suffix → media type. Nothing else is served, whatever lies in the folder."""

PICTURES = frozenset({".png", ".webp", ".ico"})
"""What is compressed already; all the rest is text in UTF-8."""

UNSERVED = frozenset({"tests", "node_modules"})
"""Folders of tests and tools, should any lie beside the app."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The page runs its own files alone and talks to this server alone. Browsers read it on what can be a page,
so it goes with those alone: on a hundred modules it would be a tenth of the first visit."""

FOR_GOOD = "public, max-age=31536000, immutable"

_NAMED = re.compile(rb'((?:href|src)=")([\w/]+\.(?:js|css)")')
"""In the page, the address of a script or style."""
_RELEASED = re.compile(r"@([0-9a-f]{12})/(.+)")

PAGES = frozenset({"text/html", "image/svg+xml"})


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it is sent."""

    stamp: tuple[int, int, int]
    """Inode, size and time of the last change: whether it is still that file."""
    body: bytes
    packed: bytes | None
    """Its gzip form, where that is worth it."""
    etag: str
    media_type: str
    charset: str | None


@dataclass(frozen=True, slots=True)
class _Release:
    """The files of the app as they were together at one moment."""

    name: str
    stamps: Mapping[Path, tuple[int, int, int]] = field(repr=False)


class AppRoutes:
    """The handlers of the phone app. *folder*: where its files lie."""

    def __init__(self, folder: Path = APP) -> None:
        self._folder = folder
        self._files: dict[Path, _File] = {}
        self._release: _Release | None = None
        self._lock = threading.Lock()

    async def bare(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/app`` → ``app/``; relative, for a proxy may put a path before it."""
        query = f"?{request.query_string}" if request.query_string else ""
        return web.Response(status=302, headers={"Location": f"app/{query}", "Cache-Control": "no-cache"})

    async def index(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/app/`` → the page."""
        return await self._send(request, "index.html")

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/app/{path}`` → one of its files. The page alone reads what its query says."""
        return await self._send(request, request.match_info["path"])

    async def _send(self, request: web.Request, path: str) -> web.StreamResponse:
        file, for_good = await asyncio.to_thread(self._find, path)
        if file is None:
            raise NotFound("NOT_FOUND", "The app has no such file.", hint="It begins at /ext/app/.")
        answer = conditional(
            request,
            file.etag,
            file.body,
            file.packed if takes_gzip(request) else None,
            content_type=file.media_type,
        )
        if file.charset is not None and answer.status == 200:
            answer.charset = file.charset
        if for_good:
            answer.headers["Cache-Control"] = FOR_GOOD
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if file.media_type in PAGES:
            answer.headers["Content-Security-Policy"] = POLICY
        return answer

    def _find(self, path: str) -> tuple[_File | None, bool]:
        """Give the file of a path, and whether it will never be another one."""
        if path == "index.html":
            return self._read(path, self._look().name), False
        released = _RELEASED.fullmatch(path)
        if released is None:
            return self._read(path), False
        name, path = released.groups()
        file = self._read(path)
        release = self._release or self._look()
        same = file is not None and release.stamps.get(self._folder / path) == file.stamp
        # What the page of an older release asks for is what there is now, and no browser may keep that.
        return file, same and name == release.name

    def _look(self) -> _Release:
        """Look at all files; a page costs as much as that takes, 2 ms."""
        stamps: dict[Path, tuple[int, int, int]] = {}
        for path in sorted(self._folder.rglob("*")):
            if path.suffix in MEDIA:
                with contextlib.suppress(OSError):  # it was removed just now
                    stamps[path] = _stamp(path)
        told = [(path.relative_to(self._folder).as_posix(), stamp) for path, stamp in stamps.items()]
        worker = self._read("sw.js")  # its text says the version, should all times and sizes be the same
        name = hashlib.sha256(repr((told, worker and worker.etag)).encode()).hexdigest()[:12]
        release = self._release
        if release is None or release.name != name:
            release = self._release = _Release(name, stamps)
        return release

    def _read(self, path: str, release: str | None = None) -> _File | None:
        """Give the file of a path as it stands in the address, None if there is none to serve.

        *release*: what its scripts and styles are to be asked for by.
        """
        found = located(self._folder, path)
        if found is None:
            return None
        key = found.joinpath(f"@{release}") if release else found
        try:
            stamp = _stamp(found)
            with self._lock:
                known = self._files.get(key)
            if known is not None and known.stamp == stamp:
                return known
            body = found.read_bytes()
        except OSError:
            return None
        if release:
            body = _NAMED.sub(rb"\1@%s/\2" % release.encode(), body)
        text = found.suffix not in PICTURES
        packed = gzip.compress(body, 9, mtime=0) if text and len(body) >= GZIP_FROM else None
        charset = "utf-8" if text else None
        made = _File(stamp, body, packed, etag_of(body), MEDIA[found.suffix], charset)
        with self._lock:
            if release:
                self._files = {at: file for at, file in self._files.items() if at.parent != found}
            self._files[key] = made
        return made


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def located(folder: Path, path: str) -> Path | None:
    """Find the file of *path* (with slashes, relative) in *folder*; None unless it is one to serve.

    A name that begins with a dot, leads out of the folder or through a link is none. Touches the disk.
    """
    parts = path.split("/")
    if any(part == "" or part[0] == "." or not part.isprintable() or {*part} & {*"\\:"} for part in parts):
        return None
    if UNSERVED.intersection(parts[:-1]) or Path(parts[-1]).suffix not in MEDIA:
        return None
    try:
        root = folder.resolve(strict=True)
        wanted = root.joinpath(*parts)
        # A link, and on Windows or macOS a name in other capitals, resolves to another path.
        return wanted if wanted.resolve(strict=True) == wanted and wanted.is_file() else None
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return None
