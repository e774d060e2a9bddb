"""Names of files: those that every system takes, and how to come by one.

What a client asks for is refused if it is not right, never rewritten: it would not find its file again.
What a source suggests may be mended (:func:`suggested`).
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from .trouble import BadName

NAME_MAX = 200
"""Longest name, in bytes of UTF-8. Most file systems take 255; the rest is for what is put before and behind
while the file is written."""

_SEPARATORS = frozenset("/\\")
_WINDOWS = frozenset(':*?"<>|')
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories: control, format (among them those that turn the writing direction), lone surrogates,
private use (some systems keep the characters Windows forbids there), line and paragraph separators."""

_DIGITS = "123456789¹²³"
RESERVED = frozenset(
    {
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "CONIN$",
        "CONOUT$",
        *(port + digit for port in ("COM", "LPT") for digit in _DIGITS),
    }
)
"""Names of devices on Windows, whatever suffix they have."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PARAMETER = re.compile(r";\s*([A-Za-z0-9!#$&+.^_`|~-]+\*?)\s*=\s*")
_TOKEN = re.compile(r"[^;\s]*")


def check_name(name: str) -> None:
    """Say whether *name* can be a file's on every system. Raises BadName."""
    if not name:
        raise BadName("it is empty")
    size = len(name.encode(errors="surrogatepass"))
    if size > NAME_MAX:
        raise BadName(f"it has {size} bytes; {NAME_MAX} are the most")
    for character in name:
        if character in _SEPARATORS:
            raise BadName(f"it has a {character}: a name is no path")
        if character in _WINDOWS:
            raise BadName(f"it has a {character}, which Windows takes in no name")
        if _hidden(character):
            raise BadName(f"it has a character that is not seen (U+{ord(character):04X})")
    if name != name.strip() or name != name.strip("."):
        raise BadName("it begins or ends with a dot or a space")
    if not unicodedata.is_normalized("NFC", name):
        raise BadName("its accents are not composed (Unicode's NFC form)")
    if _stem(name) in RESERVED:
        raise BadName("it is a device's name on Windows")


def suggested(name: str) -> str | None:
    """Give a name that can be used, made of one that a source suggests; None: nothing is left of it.

    Of a path the last part is taken. What cannot be in a name becomes ``_``; the suffix is kept.
    """
    name = unicodedata.normalize("NFC", name.encode(errors="ignore").decode())
    name = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    name = "".join("_" if each in _WINDOWS else each for each in name if not _hidden(each))
    name = _trimmed(unicodedata.normalize("NFC", name))
    if _stem(name) in RESERVED:
        name = "_" + name
    suffix = suffix_of(name)
    kept = NAME_MAX - len(suffix.encode())
    if len(name.encode()) > NAME_MAX:
        stem = name[: len(name) - len(suffix)]
        name = _trimmed(stem.encode()[:kept].decode(errors="ignore")) + name[len(name) - len(suffix) :]
    try:
        check_name(name)
    except BadName:
        return None
    return name


def shown(text: str, limit: int = 80) -> str:
    """Give a foreign name as messages quote it: not long, and without what changes how they are displayed."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:limit])


def suffix_of(name: str) -> str:
    """Give a name's suffix, lower-case and with its dot, or nothing."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or "/" in suffix or len(suffix) > 20:
        return ""
    return "." + suffix.lower()


def content_disposition_name(header: str) -> str | None:
    """Give the file name of a Content-Disposition header, as it stands there (RFC 6266, RFC 8187).

    ``filename*`` goes before ``filename``. It is not checked: hand it to :func:`suggested`.
    """
    plain: str | None = None
    extended: str | None = None
    rest = ";" + header[:8192]
    at = rest.find(";", 1)  # past the disposition type; it may be absent
    if "=" in rest[1 : at if at > 0 else None]:
        at = 0
    while at >= 0 and (found := _PARAMETER.match(rest, at)):
        quoted = _QUOTED.match(rest, found.end())
        token = quoted or _TOKEN.match(rest, found.end())
        if token is None:
            break
        value = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else token[0]
        match found[1].lower():
            case "filename*" if extended is None:
                extended = _extended(value)
            case "filename" if plain is None:
                plain = _as_sent(value)
            case _:
                pass
        at = rest.find(";", token.end())
    return extended or plain or None


def _extended(value: str) -> str | None:
    """Read RFC 8187's ``charset'language'percent-encoded``."""
    parts = value.split("'", 2)
    if len(parts) != 3 or parts[0].lower() not in {"utf-8", "iso-8859-1"}:
        return None
    try:
        return unquote_to_bytes(parts[2]).decode(parts[0])
    except UnicodeDecodeError:
        return None


def _as_sent(value: str) -> str:
    """Read UTF-8 that was taken for Latin-1, as header bytes are."""
    try:
        return value.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return value


def _hidden(character: str) -> bool:
    code = ord(character)
    return unicodedata.category(character) in _CONTROL or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _stem(name: str) -> str:
    return name.partition(".")[0].rstrip(" ").upper()


def _trimmed(name: str) -> str:
    while name != (shorter := name.strip().strip(".")):
        name = shorter
    return name
