"""Files in object stores: ``s3://``, ``gs://`` and ``az://``, where the owner named the bucket.

obstore signs a link with the credentials that the provider's standard environment variables name; the bytes
then come through the same guarded path as all others. It is never asked without such variables: it would
go looking for credentials at the cloud's metadata address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from ...settings import Settings
from ..plan import Address, Found, Stop, Wanted
from ..trouble import DownloadError
from . import folders
from .answers import media_type, refusal, whole_number
from .links import invalid, parse, scheme_of
from .web_api import Question, Web

SIGNED_FOR = timedelta(hours=12)
"""How long a signed link is good; a new one is made for each attempt."""
PACKAGE = "obstore>=0.6,<1"

_CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ),
    "gs": (
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"),
        "GOOGLE_SERVICE_ACCOUNT_KEY",
    ),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        *("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"),
    ),
}
"""Variables of which one must be set, by scheme; the first is named in messages."""
_ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Variables that name a server other than the provider's own."""
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\?#]")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,221}")

Scheme = Literal["s3", "gs", "az"]
SCHEMES: Mapping[str, Scheme] = {"s3": "s3", "gs": "gs", "az": "az"}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its key is taken as it stands, percent signs too."""

    scheme: Scheme
    bucket: str
    key: str

    @property
    def link(self) -> str:
        """The link, as it is shown."""
        return f"{self.scheme}://{self.bucket}/{self.key}"


class ObjectStores:
    """Implements :class:`~..plan.Source`."""

    name = "objects"

    def __init__(self, settings: Settings, web: Web, environ: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._web = web
        self._environ: Mapping[str, str] = os.environ if environ is None else environ

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the owner named, for messages."""
        return tuple(self._settings.object_stores.split())

    def claims(self, url: str) -> bool:
        """Say whether it is a link into an object store."""
        return scheme_of(url) in SCHEMES

    def resolve(self, wanted: Wanted, stop: Stop) -> Found:
        """Ask for the object's size."""
        thing = self._allowed(wanted.url)
        signed = self._signed(thing, "HEAD")
        answer = self._web.ask(Question(signed, "HEAD", private=self._is_named(thing)), stop)
        if answer.status != 200:
            raise self._refusal(thing, answer.status, answer.headers)
        return Found(
            source=self.name,
            link=thing.link,
            host=parse(signed).host,
            filename=thing.key.rpartition("/")[2],
            size=whole_number(answer.headers, "content-length"),
            folder=folders.by_path(thing.key),
            media_type=media_type(answer.headers),
        )

    def address(self, found: Found, stop: Stop) -> Address:  # noqa: ARG002 - asks nobody
        """Give a link that is signed just now."""
        thing = self._allowed(found.link)
        return Address(self._signed(thing, "GET"), private=self._is_named(thing))

    def explain(
        self,
        found: Found,
        status: int,
        headers: Mapping[str, str],
        body_head: bytes = b"",  # noqa: ARG002 - its XML repeats the signature
    ) -> DownloadError:
        """Say why the store refused. *headers* have lower-case names."""
        return self._refusal(self._allowed(found.link), status, headers)

    def _allowed(self, url: str) -> Thing:
        thing = _read(url)
        for named in self.hosts:
            allowed = named.rstrip("/") + "/"
            if thing.link.startswith(allowed) and "://" in allowed:
                return thing
        bucket, names = f"{thing.scheme}://{thing.bucket}", list(self.hosts)
        raise DownloadError(
            "DOWNLOAD_FORBIDDEN_DOMAIN",
            f"Downloads may not come from {bucket}, but from: {', '.join(names) or 'no bucket'}.",
            hint="The setting object_stores names buckets, such as s3://models.",
            details={"host": bucket, "allowed": names},
        )

    def _signed(self, thing: Thing, method: Literal["GET", "HEAD"]) -> str:
        """Give a link that this server's credentials are good for. Raises DownloadError."""
        variables = _CREDENTIALS[thing.scheme]
        if not any(self._environ.get(name) for name in variables):
            raise DownloadError(
                "DOWNLOAD_AUTH_REQUIRED",
                f"No credentials for {thing.scheme}:// are set.",
                hint=f"Start ComfyUI with {variables[0]} and what belongs to it.",
            )
        try:
            import obstore  # noqa: PLC0415 - an optional extra
            from obstore.exceptions import BaseError  # noqa: PLC0415
        except ImportError:
            raise DownloadError(
                "DOWNLOAD_UNSUPPORTED",
                f"{thing.scheme}:// links need the package obstore.",
                hint=f'pip install "{PACKAGE}"',
            ) from None
        try:
            return obstore.sign(_store(thing), method, thing.key, SIGNED_FOR)
        except (BaseError, ValueError, TypeError, OSError):  # whose words may have the credentials in them
            raise DownloadError(
                "DOWNLOAD_AUTH_REQUIRED",
                f"The credentials for {thing.scheme}://{thing.bucket} cannot be used to sign a link.",
                hint=f"See {variables[0]} and what belongs to it.",
            ) from None

    def _is_named(self, thing: Thing) -> bool:
        """Say whether the environment names the server, so that it may be on the LAN and on plain http."""
        return any(self._environ.get(name) for name in _ENDPOINTS[thing.scheme])

    def _refusal(self, thing: Thing, status: int, headers: Mapping[str, str]) -> DownloadError:
        if status in {301, 307, 400}:  # S3 answers so to a link that is signed for another region
            return DownloadError(
                "DOWNLOAD_BAD_RESPONSE",
                f"The store of {thing.bucket} answered {status}.",
                hint="Is the bucket in the region that AWS_REGION names?" if thing.scheme == "s3" else None,
                details={"status": status},
            )
        error = refusal(f"The store of {thing.bucket}", status, headers, about=thing.key[:200])
        if status in {401, 403}:
            error.hint = "The credentials may not read it, or it is not there."
        return error


def _store(thing: Thing) -> Any:
    """Give the store, with what the environment says of it."""
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - an optional extra

    retry: Any = {
        "max_retries": 1,
        "retry_timeout": timedelta(seconds=20),
    }  # for credentials that are fetched
    if thing.scheme == "s3":
        return S3Store(thing.bucket, retry_config=retry)
    if thing.scheme == "gs":
        return GCSStore(thing.bucket, retry_config=retry)
    return AzureStore(thing.bucket, retry_config=retry)


def _read(url: str) -> Thing:
    """Read a link. Raises DownloadError DOWNLOAD_INVALID_URL."""
    scheme = SCHEMES.get(scheme_of(url))
    head, _, rest = url.partition("://")
    if scheme is None or not rest or "@" in rest.partition("/")[0] or _UNSAFE.search(url):
        raise invalid("That is no link to an object.", hint="s3://bucket/path/to/file.safetensors")
    bucket, _, key = rest.partition("/")
    if _BUCKET.fullmatch(bucket) is None or len(url) > 2048 or len(head) != 2:
        raise invalid("The link has no valid bucket.", hint="s3://bucket/path/to/file.safetensors")
    if not key or {"", ".", ".."} & set(key.split("/")):
        raise invalid("The link names no object.", hint="s3://bucket/path/to/file.safetensors")
    return Thing(scheme, bucket, key)
