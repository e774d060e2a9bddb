"""Is a file what its name says? Looked at while it comes in, so that a web page costs a few bytes only."""

from __future__ import annotations

import re

from ..modelfiles import formats, gguf, safetensors
from ..modelfiles.formats import Format, Looks
from ..modelfiles.trouble import FormatError, Short
from .plan import Inspector
from .trouble import DownloadError

EXCERPT_MAX = 160
"""Longest excerpt of a body in a message, in characters."""

_PAGES: dict[Looks, str] = {
    "html": "a web page",
    "xml": "an XML document",
    "json": "a JSON document",
    "text": "plain text",
}
_CODE: frozenset[Looks] = frozenset({"pickle", "zip", "tar", "program"})
"""What may run code when it is loaded: PyTorch's files are zip files of pickles."""


def inspector_for(suffix: str, *, unzip: bool = False, allow_pickle: bool = False) -> Inspector:
    """Give what looks at a file with this suffix (lower-case, with its dot).

    *unzip*: it will be unpacked, so a .zip is right. Raises DownloadError for formats that are not let in.
    """
    known = formats.FORMATS.get(suffix)
    if known is None or (known.kind == "archive" and not unzip):
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT", f"{suffix or 'A file without a suffix'} is no format of model files."
        )
    if known.pickle and not allow_pickle:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            f"A {suffix} can run code when it is loaded.",
            hint="Look for a .safetensors of the same model; the setting allow_pickle lets such files in.",
        )
    match known.name:
        case "safetensors":
            return SafetensorsInspector(known, suffix)
        case "gguf":
            return GgufInspector(known, suffix)
        case _:
            return HeadInspector(known, suffix)


class HeadInspector:
    """Looks at the first bytes only. Implements :class:`~.plan.Inspector`."""

    def __init__(self, known: Format, suffix: str) -> None:
        self._format = known
        self._suffix = suffix
        self._bytes = bytearray()
        self._need = formats.HEAD
        self._judged = False

    @property
    def settled(self) -> bool:
        """Whether it needs no more bytes."""
        return self._judged

    @property
    def total(self) -> int | None:
        """The file does not tell its size."""
        return None

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes. Raises DownloadError."""
        while not self.settled and piece:
            taken = piece[: self._need - len(self._bytes)]
            self._bytes += taken
            piece = piece[len(taken) :]
            if len(self._bytes) >= self._need:
                self._look()

    def finish(self, size: int) -> None:
        """Judge the whole. Raises DownloadError."""
        if size == 0:
            raise self._wrong("it is empty")
        if not self.settled:
            self._look(last=True)

    def _look(self, *, last: bool = False) -> None:  # noqa: ARG002 - for those that read further
        if not self._judged:
            judge_head(bytes(self._bytes[: formats.HEAD]), self._format, self._suffix)
            self._judged = True

    def _wrong(self, reason: str) -> DownloadError:
        return DownloadError(
            "DOWNLOAD_INVALID_FORMAT",
            f"The file is not a whole {self._suffix}: {reason}.",
            details={"suffix": self._suffix},
        )


class SafetensorsInspector(HeadInspector):
    """Reads the header, which tells how large the file is."""

    def __init__(self, known: Format, suffix: str) -> None:
        super().__init__(known, suffix)
        self._header: safetensors.Header | None = None

    @property
    def settled(self) -> bool:
        """Whether the header is read."""
        return self._header is not None

    @property
    def total(self) -> int | None:
        """The whole file's size in bytes, once the header is read."""
        return self._header.total if self._header else None

    def finish(self, size: int) -> None:
        """Judge the whole. Raises DownloadError."""
        super().finish(size)
        if self._header is not None and size != self._header.total:
            raise self._wrong(f"by its header it has {self._header.total} bytes, and not {size}")

    def _look(self, *, last: bool = False) -> None:
        super()._look(last=last)
        try:
            end = 8 + safetensors.header_length(bytes(self._bytes[: safetensors.LEAD]))
            header = bytes(self._bytes[8:end])
            self._header = safetensors.parse(header, length=end - 8)
        except Short as short:
            if last:
                raise self._wrong(short.reason) from None
            self._need = short.need
            return
        except FormatError as error:
            raise self._wrong(error.reason) from None
        self._bytes = bytearray()


class GgufInspector(HeadInspector):
    """Reads the header, which tells how large the file is at least."""

    def __init__(self, known: Format, suffix: str) -> None:
        super().__init__(known, suffix)
        self._header: gguf.Header | None = None

    @property
    def settled(self) -> bool:
        """Whether the header is read."""
        return self._header is not None

    def finish(self, size: int) -> None:
        """Judge the whole. Raises DownloadError."""
        super().finish(size)
        if self._header is not None and size < self._header.minimum:
            raise self._wrong(f"by its header it has at least {self._header.minimum} bytes, and not {size}")

    def _look(self, *, last: bool = False) -> None:
        super()._look(last=last)
        try:
            self._header = gguf.parse(bytes(self._bytes))
        except Short as short:
            if last:
                raise self._wrong(short.reason) from None
            self._need = min(max(4 * len(self._bytes), short.need), gguf.HEADER_MAX)
            return
        except FormatError as error:
            raise self._wrong(error.reason) from None
        self._bytes = bytearray()


def judge_head(head: bytes, known: Format, suffix: str) -> None:
    """Refuse a file whose first bytes are of another kind than *known*. Raises DownloadError."""
    looks = formats.looks_like(head)
    if (
        (looks in known.looks)
        if known.looks is not None
        else (looks is None or looks in _TORCH[known.pickle])
    ):
        return
    details = {"suffix": suffix, "looks_like": looks}
    if looks == "lfs pointer":
        raise DownloadError(
            "DOWNLOAD_BAD_RESPONSE",
            "The source sent a Git LFS pointer, and not the file that it stands for.",
            hint="On Hugging Face the file's link has /resolve/ where this one may have /raw/.",
            details=details,
        )
    if looks in _PAGES:
        quoted = excerpt(head)
        raise DownloadError(
            "DOWNLOAD_BAD_RESPONSE",
            f"The source sent {_PAGES[looks]} and not a {suffix}" + (f": {quoted!r}." if quoted else "."),
            hint="Does the link lead to the file itself, or does the source ask for a login?",
            details=details,
        )
    if looks in _CODE and not known.pickle:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            f"The file is called {suffix}, and is a {looks} file, which can run code when it is loaded.",
            details=details,
        )
    if looks is None:
        reason = "its first bytes are of no format that is known"
    else:
        reason = f"it looks like a {looks} file"
    raise DownloadError("DOWNLOAD_INVALID_FORMAT", f"The file is no {suffix}: {reason}.", details=details)


_TORCH: dict[bool, frozenset[Looks]] = {False: frozenset(), True: frozenset({"zip", "pickle", "tar"})}
"""What is right beside unknown bytes where a format has no mark of its own: whether it may be a pickle →"""

_TITLE = re.compile(r"<title[^>]*>(.*?)(</title|$)", re.IGNORECASE | re.DOTALL)
_SCRIPT = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*(>|$)")
_SECRET = re.compile(
    r"((?:[\w-]*(?:token|secret|signature|passw|credential|cookie|session|key|auth)\w*|sig)"
    r"[\"']?\s*(?:=|:|>|\s+is\s+)\s*(?:bearer\s+|basic\s+)?)[^\s,;&<>}]+",
    re.IGNORECASE,
)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/?#@\"'<>]*@)?([^\s/?#@\"'<>]*)[^\s\"'<>]*", re.IGNORECASE)
_LONG = re.compile(r"(?=[^\s]*[0-9])[A-Za-z0-9_~+/=.%:-]{16,}|[A-Za-z0-9_~+/=%-]{28,}")
_ODD = re.compile(r"[^\w\s.,;:!?'\"()\[\]{}/@#%&*+=…-]")


def excerpt(body: bytes) -> str:
    """Give what a body says, for a message: one short line, without markup and without what may be secret.

    Of addresses only the host stays; long words with digits in them are taken for tokens.
    """
    text = body.decode(errors="replace")
    text = _SECRET.sub(r"\1…", text)  # before the tags go: <AWSAccessKeyId>…
    title = _TITLE.search(text)
    text = title[1] if title and title[1].strip() else _SCRIPT.sub(" ", text)
    text = _TAG.sub(" ", text)
    text = _URL.sub(r"\1\2/…", text)
    text = _LONG.sub("…", _SECRET.sub(r"\1…", text))
    text = " ".join(_ODD.sub(" ", text).split())
    return text if len(text) <= EXCERPT_MAX else text[: EXCERPT_MAX - 1].rstrip() + "…"
