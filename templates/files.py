"""Files as the inputs of templates take them: from an address, sent along, or the name of one here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from ..errors import JSON
from ..tasks.inputs import FromBase64, FromUpload, FromUrl, Source

FILE_TYPES = ("image", "audio", "video", "file")

ADDRESS = r"^([Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20]+|[Dd][Aa][Tt][Aa]:[^\x00-\x20]+)$"
"""An address, or a ``data:`` URL, as a pattern that JSON Schema and Python read alike."""
NAME = r"^(?!/)(?![\s\S]*(^|/)\.\.?(/|$))[^\\:\x00-\x1f]{1,500}$"
"""The name of a file below the input folder."""

_ADDRESS, _NAME = re.compile(ADDRESS), re.compile(NAME)
_MOST_FILENAME = 255


class Unfit(Exception):
    """A value is not what it has to be; the message says what that is."""


@dataclass(frozen=True, slots=True)
class FileHere:
    """A file that is in the input folder already."""

    name: str


def read_file(value: Any) -> Source | FileHere:
    """Read a text, which is an address, a ``data:`` URL or a name, or an object.

    The objects are ``{"url"}``, ``{"base64", "filename"?}``, ``{"upload"}`` and ``{"file"}``. Raises Unfit.
    """
    if isinstance(value, str):
        return _read_text(value)
    about = cast("JSON", value) if isinstance(value, dict) else {}
    if all(isinstance(text, str) and text for text in about.values()):
        match about:
            case {"url": text, **rest} if not rest and _matches(_ADDRESS, text):
                return _read_text(text)
            case {"base64": text, **rest} if not rest.keys() - {"filename"} and _is_short(rest):
                return FromBase64(text)
            case {"upload": text, **rest} if not rest:
                return FromUpload(text)
            case {"file": text, **rest} if not rest and _matches(_NAME, text):
                return FileHere(text)
            case _:
                pass
    raise Unfit("must be an address, a file's name, or an object with url, base64, upload or file")


def _read_text(text: str) -> Source | FileHere:
    if _matches(_ADDRESS, text):
        return FromBase64(text) if text[:5].lower() == "data:" else FromUrl(text)
    if _matches(_NAME, text):
        return FileHere(text)
    raise Unfit("must be an https address, a data: URL, or the name of a file in the input folder")


def _is_short(texts: Mapping[str, str]) -> bool:
    return all(len(text) <= _MOST_FILENAME for text in texts.values())


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return not text.endswith("\n") and pattern.match(text) is not None  # Python's $ lets a line end pass


def file_schema() -> JSON:
    """Give the JSON Schema of what :func:`read_file` takes."""

    def one(key: str, text: JSON, **more: JSON) -> JSON:
        properties: JSON = {key: text, **more}
        return {"type": "object", "properties": properties, "required": [key], "additionalProperties": False}

    address, name = {"type": "string", "pattern": ADDRESS}, {"type": "string", "pattern": NAME}
    some = {"type": "string", "minLength": 1}
    return {
        "anyOf": [
            address,
            name,
            one("url", address),
            one("base64", some, filename={"type": "string", "minLength": 1, "maxLength": _MOST_FILENAME}),
            one("upload", some),
            one("file", name),
        ]
    }


def file_json(held: Source | FileHere) -> Any:
    """Say where a file comes from, without its bytes and without what an address keeps secret."""
    match held:
        case FileHere(name):
            return name
        case FromUrl(url):
            try:
                parts = urlsplit(url)
            except ValueError:  # such as http://[
                return ""
            host = parts.netloc.rpartition("@")[2]
            return urlunsplit((parts.scheme, host, parts.path, "", ""))
        case FromUpload(part):
            return {"upload": part}
        case FromBase64():
            return {"base64": None}
