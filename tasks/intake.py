"""Stores the files of requests in ComfyUI's input folder.

A file's name there is its content's hash, so the same file is stored once, and its extension comes from its
first bytes, so nothing a client says becomes part of a path. What is written under its name is whole: it is
written beside it first. Two requests with the same file write two parts and then one name.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import os
import re
import time
import uuid
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, TypeVar

from ..errors import ApiError, InvalidRequest
from .filetypes import HEAD_BYTES, BadPicture, FileType, accepted, sniff, verify_picture
from .inputs import MOST_FILES, FromBase64, FromUpload, Placement, Source, bad_field

SUBFOLDER = "backplane"
"""Where the files lie in the input folder; ComfyUI's own lists of input files do not look in there."""

_PART = ".part-"
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.ASCII | re.IGNORECASE)

_T = TypeVar("_T")


class InputFolder(Protocol):
    """Where ComfyUI looks for input files."""

    def folder(self) -> Path:
        """ComfyUI's input directory. May touch the disk."""
        ...


class Fetcher(Protocol):
    """Fetches files from other servers, with the address rules of outbound requests."""

    async def fetch(self, url: str, into: BinaryIO, *, max_bytes: int) -> object:
        """Write what *url* answers to *into* and leave it open; raises ApiError.

        *into* may block and raises ApiError INPUT_TOO_LARGE past its limit: call its ``write`` in a thread.
        """
        ...


class _Part(io.FileIO):
    """A new temporary file that counts and hashes what is written to it."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(path, "xb")
        self.path = path
        self.size = 0
        self.head = b""
        self._most = max_bytes
        self._hash = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        """Write all of *data*. Raises ApiError INPUT_TOO_LARGE."""
        view = memoryview(data).cast("B")
        self.size += len(view)
        if self.size > self._most:
            raise _too_large(self._most)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(view[: HEAD_BYTES - len(self.head)])
        self._hash.update(view)
        written = 0
        while written < len(view):  # an unbuffered file may take less than all
            written += super().write(view[written:])
        return len(view)

    def digest(self) -> str:
        return self._hash.hexdigest()[:32]

    def settle(self) -> None:
        """Have it all on the disk."""
        os.fsync(self.fileno())
        self.close()


def _too_large(most: int) -> ApiError:
    return ApiError(
        "INPUT_TOO_LARGE", f"An input file may have {most} bytes at most.", details={"max_bytes": most}
    )


class Inputs:
    """Stores the files of requests. *max_bytes* is the most that one file may have."""

    def __init__(self, folder: InputFolder, fetcher: Fetcher, *, max_bytes: int) -> None:
        self._folder = folder
        self._fetcher = fetcher
        self._max_bytes = max_bytes

    def intake(self) -> Intake:
        """Begin with one request; use it in ``async with``, which removes what was not stored."""
        return Intake(self._folder, self._fetcher, self._max_bytes)

    def sweep(self, older_than_s: float = 86_400) -> int:
        """Remove what a killed process left half written; give how many. Touches the disk."""
        removed = 0
        before = time.time() - older_than_s
        with suppress(OSError):
            for path in (self._folder.folder() / SUBFOLDER).glob(f"{_PART}*"):
                with suppress(OSError):
                    if path.stat().st_mtime < before:
                        path.unlink()
                        removed += 1
        return removed


class Intake:
    """The files of one request, from their first byte until they are stored."""

    def __init__(self, folder: InputFolder, fetcher: Fetcher, max_bytes: int) -> None:
        self._folder = folder
        self._fetcher = fetcher
        self._max_bytes = max_bytes
        self._parts: list[_Part] = []
        self._received: dict[Source, _Part] = {}
        self._busy: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Intake:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # Shielded: a client that goes away must not leave its files behind.
        await asyncio.shield(self._close())

    async def _close(self) -> None:
        if self._busy is not None:
            await asyncio.wait({self._busy})
            if not self._busy.cancelled():
                self._busy.exception()  # seen: whoever awaited it has it, or is gone
        await asyncio.to_thread(self._discard)

    async def _in_thread(self, work: Callable[..., _T], *args: Any) -> _T:
        """Await *work*; when cancelled, it goes on and :meth:`_close` waits for it."""
        busy = asyncio.ensure_future(asyncio.to_thread(work, *args))
        self._busy = busy
        return await asyncio.shield(busy)

    async def receive(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Take the part *name* of a multipart request, as it comes.

        Raises ApiError INPUT_TOO_LARGE, and INVALID_REQUEST for a name that came before or one too many.
        """
        source = FromUpload(name)
        if source in self._received or len(self._received) >= MOST_FILES:
            raise bad_field("files", f"The part {name!r} comes twice, or is one too many.")
        part = await self._in_thread(self._new)
        self._received[source] = part
        async for chunk in chunks:
            await self._in_thread(part.write, chunk)

    async def store(self, placements: Sequence[Placement]) -> dict[str, str]:
        """Fetch, decode, check and store; give by key the value for the workflow.

        One after the other, and each source once. Raises ApiError: INPUT_TOO_LARGE, INPUT_TYPE_REFUSED,
        INPUT_FETCH_FAILED, INPUT_BAD_ENCODING, INPUT_NOT_FOUND for a part that did not come, or what the
        fetcher raises. ``details.file`` is the key.
        """
        stored: dict[str, str] = {}
        for placement in placements:
            try:
                part = self._received.get(placement.source)
                if part is None:
                    part = await self._get(placement.source)
                    self._received[placement.source] = part
                stored[placement.key] = await self._in_thread(self._keep, part, placement.upload)
            except ApiError as error:
                error.details = {"file": placement.key, **error.details}
                raise
        return stored

    async def _get(self, source: Source) -> _Part:
        if isinstance(source, FromUpload):
            raise InvalidRequest("INPUT_NOT_FOUND", f"The request has no part {source.part!r}.")
        if isinstance(source, FromBase64):
            return await self._in_thread(self._decode, source.text)
        part = await self._in_thread(self._new)
        try:
            await self._fetcher.fetch(source.url, part, max_bytes=self._max_bytes)
        except (OSError, ValueError) as error:
            raise ApiError("INPUT_FETCH_FAILED", "The file cannot be fetched from its URL.") from error
        return part

    # All below touches the disk: in threads

    def _new(self) -> _Part:
        folder = self._folder.folder() / SUBFOLDER
        folder.mkdir(parents=True, exist_ok=True)
        part = _Part(folder / f"{_PART}{uuid.uuid4().hex}", self._max_bytes)
        self._parts.append(part)
        return part

    def _decode(self, text: str) -> _Part:
        start = _DATA_URL.match(text)
        encoded = text[start.end() :] if start else text
        if len(encoded) // 4 * 3 - 2 > self._max_bytes:
            raise _too_large(self._max_bytes)
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if not data:
            raise InvalidRequest(
                "INPUT_BAD_ENCODING",
                "The file is not valid base64, or empty.",
                hint="Use the standard alphabet with padding and no line breaks, or a data: URL.",
            )
        part = self._new()
        part.write(data)
        return part

    def _keep(self, part: _Part, upload: str) -> str:
        """Check the file and give it its name, unless it is there already."""
        found = sniff(part.head)
        if found is None or not accepted(upload, found):
            raise _refused(f"it is {found.kind}" if found else "its type is unknown or refused", upload)
        name = f"{part.digest()}.{found.extension}"
        value = f"{SUBFOLDER}/{name}"
        if part.path.name == name:
            return value  # stored for another input of this request
        if not part.closed:
            part.settle()
        self._verify(part, found, upload)
        target = part.path.with_name(name)
        try:
            if target.stat().st_size == part.size:
                part.path.unlink()
                part.path = target
                return value
        except FileNotFoundError:
            pass
        part.path.replace(target)
        part.path = target
        return value

    @staticmethod
    def _verify(part: _Part, found: FileType, upload: str) -> None:
        if found.kind == "image":
            try:
                verify_picture(part.path, found)
            except BadPicture as error:
                raise _refused(str(error), upload) from error

    def _discard(self) -> None:
        for part in self._parts:
            with suppress(OSError):
                part.close()
            if part.path.name.startswith(_PART):
                with suppress(OSError):
                    part.path.unlink()


def _refused(why: str, upload: str) -> ApiError:
    return ApiError("INPUT_TYPE_REFUSED", f"The file is refused: {why}.", details={"takes": upload})
