"""Bodies, replies, and the one place where errors become HTTP.

No middleware: ComfyUI's are not ours to touch, so every handler is wrapped by :func:`enveloped` instead.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from ..errors import ApiError, InvalidRequest, NotFound
from ..wire import dumps

log = logging.getLogger("backplane")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Model = TypeVar("Model", bound=BaseModel)

PARSE_IN_THREAD_BYTES = 256 * 1024
"""json.loads reads about 100 MB/s: above this it would hold the event loop for more than 2 ms."""

COMPRESSED_BYTES = 2048
"""Replies from this size on are compressed; below it, the saving is less than a packet."""

GZIP_FROM = 1400
"""Bytes from which on what is kept in both forms is sent compressed: less fits one packet anyway."""

COMPRESS_IN_THREAD_BYTES = 16 * 1024
"""zlib takes about 1 ms for 50 KB: above this it is left to a thread."""


def enveloped(handler: Handler) -> Handler:
    """Wrap *handler* so that whatever it raises is answered as ``{"error": {...}}``."""

    async def wrapped(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return error_reply(error)
        except web.HTTPRequestEntityTooLarge:
            return error_reply(body_too_large(None))
        except web.HTTPException as answer:
            if answer.status < 400:
                raise
            code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(answer.status)
            if code is None:
                raise
            return error_reply(ApiError(code, answer.reason))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return error_reply(
                ApiError(
                    "INTERNAL",
                    "Something went wrong in Backplane.",
                    hint="The server's log has the details.",
                )
            )

    return wrapped


def reply(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with *value* as JSON; never cached unless *headers* say otherwise.

    Compressed where the client takes it: the nodes of a task shrink to a tenth.
    """
    answer = web.Response(
        text=dumps(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Accept-Encoding"} | (headers or {}),
        zlib_executor_size=COMPRESS_IN_THREAD_BYTES,
    )
    if len(answer.body or b"") >= COMPRESSED_BYTES:  # pyright: ignore[reportArgumentType]
        answer.enable_compression()
    return answer


def encoded(value: Any) -> bytes:
    """Encode *value* as JSON in UTF-8; what UTF-8 lacks (lone surrogates) is escaped."""
    try:
        return dumps(value).encode()
    except UnicodeEncodeError:
        return json.dumps(json.loads(dumps(value)), separators=(",", ":")).encode("ascii")


async def large_reply(
    make: Callable[[], Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Answer with what *make* gives, a whole workflow for example: made and encoded off the event loop."""
    answer = web.Response(
        body=await asyncio.to_thread(lambda: encoded(make())),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": "no-store", "Vary": "Accept-Encoding"} | (headers or {}),
        zlib_executor_size=COMPRESS_IN_THREAD_BYTES,
    )
    if len(answer.body or b"") >= COMPRESSED_BYTES:  # pyright: ignore[reportArgumentType]
        answer.enable_compression()
    return answer


def error_reply(error: ApiError) -> web.Response:
    """Answer with *error* in its envelope; it may say when to come back."""
    later = error.details.get("retry_after_s")
    headers = {} if later is None else {"Retry-After": str(later)}
    return reply(error.body(), status=error.status, headers=headers)


def body_too_large(limit: int | None) -> ApiError:
    """The error for a body over the limit; *limit* in bytes, None if the host's own limit was hit."""
    return ApiError(
        "BODY_TOO_LARGE",
        "The body is too large." if limit is None else f"The body is larger than {limit} bytes.",
        hint="Upload files apart from the workflow, or raise max_body_bytes.",
        details={} if limit is None else {"max_bytes": limit},
    )


async def read_body(request: web.Request, *, limit: int) -> bytes:
    """Read a body of at most *limit* bytes. Raises ApiError BODY_TOO_LARGE."""
    if request.content_length is not None and request.content_length > limit:
        raise body_too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise body_too_large(limit)
        parts.append(chunk)
    return b"".join(parts)


async def parse_json(raw: bytes) -> Any:
    """Decode JSON, a large one off the event loop. Raises ApiError INVALID_JSON."""
    try:
        if len(raw) > PARSE_IN_THREAD_BYTES:
            return await asyncio.to_thread(json.loads, raw)
        return json.loads(raw)
    except RecursionError:
        raise InvalidRequest("INVALID_JSON", "The JSON is nested too deeply.") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are both of this kind
        message = (
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            if isinstance(error, json.JSONDecodeError)
            else "The body is not JSON in UTF-8."
        )
        raise InvalidRequest("INVALID_JSON", message) from None


async def read_model(request: web.Request, model: type[Model], *, limit: int) -> Model:
    """Read a JSON body as *model*. Raises ApiError INVALID_REQUEST with the fields at fault."""
    return parse_model(await parse_json(await read_body(request, limit=limit)), model)


def parse_model(document: Any, model: type[Model]) -> Model:
    """Check a decoded body against *model*. Raises ApiError INVALID_REQUEST."""
    if not isinstance(document, dict):
        raise InvalidRequest("INVALID_REQUEST", "The body must be a JSON object.")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fields = {
            ".".join(map(str, fault["loc"])) or "body": fault["msg"]
            for fault in error.errors(include_url=False, include_context=False)
        }
        listed = ", ".join(fields)
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"The body has wrong fields: {listed}.",
            hint=f"Known fields: {', '.join(model.model_fields)}.",
            details={"fields": fields},
        ) from None


def query_int(request: web.Request, name: str, default: int, *, least: int, most: int) -> int:
    """Read an integer from the query. Raises ApiError INVALID_REQUEST unless least ≤ it ≤ most."""
    text = request.query.get(name)
    if text is None:
        return default
    # isascii: int() would also take digits of other scripts
    if text.isascii() and text.lstrip("-").isdigit() and len(text) < 12:
        value = int(text)
        if least <= value <= most:
            return value
    raise InvalidRequest(
        "INVALID_REQUEST",
        f"{name} must be a whole number from {least} to {most}.",
        details={"fields": {name: "not a whole number in range"}},
    )


def known_query(request: web.Request, *names: str) -> None:
    """Refuse query parameters other than *names*: a misspelt filter must not look like it worked."""
    unknown = sorted(set(request.query) - set(names))
    if unknown:
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"Unknown query parameters: {', '.join(unknown)}.",
            hint=f"Known: {', '.join(names)}." if names else "This route takes none.",
            details={"fields": dict.fromkeys(unknown, "unknown")},
        )


def flag(request: web.Request, name: str) -> bool | None:
    """Read ``0`` or ``1`` from the query, None if it is absent. Raises ApiError INVALID_REQUEST."""
    text = request.query.get(name)
    if text is None:
        return None
    if text not in {"0", "1"}:
        raise InvalidRequest(
            "INVALID_REQUEST", f"{name} must be 0 or 1.", details={"fields": {name: "not 0 or 1"}}
        )
    return text == "1"


def query_seconds(request: web.Request, name: str, *, most: float) -> float | None:
    """Read a number of seconds from the query; more than *most* counts as *most*."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"{name} must be a number of seconds.",
            details={"fields": {name: "not a number of seconds"}},
        )
    return min(value, most)


def etag_of(body: bytes) -> str:
    """Give the strong ETag of *body*, quotes included."""
    return '"' + hashlib.blake2b(body, digest_size=16).hexdigest() + '"'


def matches_etag(request: web.Request, etag: str) -> bool:
    """Say whether ``If-None-Match`` names *etag* (weak comparison, RFC 9110 §13.1.2)."""
    header = request.headers.get("If-None-Match")
    if header is None:
        return False
    if header.strip() == "*":
        return True
    known = {candidate.strip().removeprefix("W/") for candidate in header.split(",")}
    return etag.removeprefix("W/") in known


async def compressed(
    request: web.Request,
    body: bytes,
    *,
    etag: str | None = None,
    packed: bytes | None = None,
    pack: Callable[[], bytes] | None = None,
) -> web.Response:
    """Answer with *body*, compressed where that helps and the client takes it, or 304.

    *etag* is that of *body*, if it is known; *packed* its gzip form, or *pack* what makes it, in a thread.
    """
    etag = etag_of(body) if etag is None else etag
    wanted = packed is None and len(body) >= GZIP_FROM and takes_gzip(request)
    if wanted and not matches_etag(request, _gzip_etag(etag)):
        packed = await asyncio.to_thread(pack or (lambda: gzip.compress(body, 6, mtime=0)))
    return conditional(request, etag, body, packed)


def conditional(
    request: web.Request,
    etag: str,
    body: bytes,
    packed: bytes | None,
    *,
    content_type: str = "application/json",
) -> web.Response:
    """Answer with *body*, or *packed* where the client takes gzip, or 304 where it has either."""
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    for known in (etag, _gzip_etag(etag)):
        if matches_etag(request, known):
            return web.Response(status=304, headers=headers | {"ETag": known})
    sent: Any = body
    if packed is not None and takes_gzip(request):
        sent, etag = packed, _gzip_etag(etag)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=sent, content_type=content_type, headers=headers | {"ETag": etag})


def takes_gzip(request: web.Request) -> bool:
    """Say whether the client accepts gzip, ``q=0`` and ``*`` included (RFC 9110 §12.5.3)."""
    accepted: dict[str, bool] = {}
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, parameters = item.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=")
        accepted[coding.strip()] = weight == "" or weight.strip("0.") != ""
    return accepted.get("gzip", accepted.get("*", False))


def _gzip_etag(etag: str) -> str:
    """Give the ETag of the compressed form: other bytes, so another strong ETag (RFC 9110 §8.8.3.3)."""
    return etag[:-1] + '-gzip"'


def no_such_route(methods: frozenset[str]) -> ApiError:
    """The error for a path under /ext that nothing serves with this method."""
    if methods:
        return ApiError(
            "METHOD_NOT_ALLOWED",
            "This route does not take this method.",
            details={"allowed": sorted(methods)},
        )
    return NotFound("NOT_FOUND", "There is no such route.", hint="GET /ext lists the routes.")
