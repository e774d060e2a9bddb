"""Files on Civitai, with the SHA-256 and the scan results of its API.

Facts come from the API. The download link is asked once for each attempt, with GET: a HEAD counts as a
download too, and the link that it leads to is signed for GET alone. The User-Agent must not look like a
browser's, for browsers get pages in place of errors.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ...settings import Settings
from ..plan import Address, Found, Stop, Wanted
from ..trouble import DownloadError
from . import civitai_files, folders
from .answers import as_list, as_object, fields_of, plain, refusal
from .civitai_links import CIVITAI_HOSTS, CivitaiFile, read, site_of
from .links import Link, host_matches, parse, scheme_of
from .tokens import Tokens, names
from .web_api import JSON_BYTES, Question, Web, json_of

DELIVERY_HOSTS = ("*.r2.cloudflarestorage.com", "*.backblazeb2.com")
"""Where its files really lie: anyone can rent a bucket there, so :func:`is_delivery` looks closer."""
SIGNATURES = frozenset({"x-amz-signature", "authorization", "signature"})

_R2 = r"[0-9a-z]+(?:\.(?:eu|us|fedramp))?\.r2\.cloudflarestorage\.com"
_B2_S3 = r"s3\.[a-z0-9-]+\.backblazeb2\.com"
_B2_FILES = r"f\d+\.backblazeb2\.com"
_BUCKET = re.compile(r"civitai-[a-z0-9-]+")
_BUCKET_IN_HOST = re.compile(rf"{_BUCKET.pattern}\.(?:{_R2}|{_B2_S3}|{_B2_FILES})")
_BUCKET_IN_PATH = re.compile(rf"{_R2}|{_B2_S3}")
_B2_NATIVE = re.compile(_B2_FILES)


class Civitai:
    """Implements :class:`~..plan.Source`.

    *origin* is a stand-in's, *delivery* the patterns of hosts that it leads to, *now* gives Unix time.
    """

    name = "civitai"

    def __init__(
        self,
        settings: Settings,
        web: Web,
        tokens: Tokens,
        *,
        origin: str | None = None,
        delivery: tuple[str, ...] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._web = web
        self._tokens = tokens
        self._own = parse(origin) if origin else None
        self._delivery = delivery
        self._now = now

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of its links, for messages."""
        return tuple(sorted(CIVITAI_HOSTS))

    def claims(self, url: str) -> bool:
        """Say whether a link is Civitai's, or an AIR that names it."""
        if scheme_of(url) == "urn":
            return url.lower().startswith("urn:air:") and ":civitai:" in url.lower()
        try:
            link = parse(url)
        except DownloadError:
            return False
        return site_of(link) is not None or (self._own is not None and link.origin == self._own.origin)

    def resolve(self, wanted: Wanted, stop: Stop) -> Found:
        """Ask the API about a version and its model, and choose a file."""
        file = read(wanted.url, self._own.origin if self._own else None)
        site = self._site(file.host)
        model: Mapping[str, Any] = {}
        if file.version is None:
            model = self._model(site, file.model or 0, stop)
            file = replace(file, version=_latest(model))
        version = as_object(self._api(site, f"/api/v1/model-versions/{file.version}", "version", stop))
        model = model or self._model_if_told(site, version, stop)
        about = {**as_object(version.get("model")), **model}
        return self._found(site, file, version, about)

    def _found(
        self, site: Link, file: CivitaiFile, version: Mapping[str, Any], model: Mapping[str, Any]
    ) -> Found:
        page = _page(site, file, version, model)
        notes = self._allowed(version, model, page)
        picked = civitai_files.chosen(version, file.asked)
        scan, told = civitai_files.scanned(picked)
        licence, terms = civitai_files.licence_of(model)
        if file.had_token:
            told = ("The token in the link was left out and not used; set civitai_token.", *told)
        sha256 = civitai_files.sha256_of(picked)
        number = picked.get("id")
        known = isinstance(number, int) and not isinstance(number, bool)
        facts: dict[str, str | int] = {"version_id": file.version or 0, "site": site.origin}
        about = civitai_files.about_bytes(picked)
        if about is not None:
            facts["about_bytes"] = about
        query = dict(file.asked)
        if known:
            facts["file_id"] = int(number or 0)
            query = {"fileId": str(number)}
        asked = f"?{urlencode(query)}" if query else ""
        return Found(
            source=self.name,
            link=f"{site.origin}/api/download/models/{file.version}{asked}",
            host=site.host,
            filename=plain(picked.get("name")) or None,
            sha256=sha256,
            identity=f"civitai:{number}:{sha256}" if known and sha256 else None,
            folder=folders.by_civitai(plain(model.get("type")), plain(picked.get("type"))),
            page=page,
            licence=licence,
            base_model=plain(version.get("baseModel")) or None,
            trigger_words=tuple(
                word for each in as_list(version.get("trainedWords"))[:50] if (word := plain(each, 500))
            ),
            revision=str(file.version),
            scan=scan,
            notes=(*notes, *told, *terms),
            facts=facts,
        )

    def address(self, found: Found, stop: Stop) -> Address:  # noqa: ARG002 - asks nobody
        """Give the download link, with the token as it is now; it is asked once for each attempt."""
        link = parse(found.link)
        if site_of(link) is None and (self._own is None or link.origin != self._own.origin):
            raise DownloadError("DOWNLOAD_INVALID_URL", "The download's link is not Civitai's.")
        return Address(
            link.url,
            headers=self._headers(link),
            hop_hosts=(*CIVITAI_HOSTS, *DELIVERY_HOSTS, *self._delivery),
            check_hop=self._check_hop,
            private=self._own is not None,
        )

    def explain(
        self, found: Found, status: int, headers: Mapping[str, str], body_head: bytes = b""
    ) -> DownloadError:
        """Say why Civitai, or where it led, refused. *headers* have lower-case names."""
        said = fields_of(body_head)
        words = " ".join(plain(said.get(key)) for key in ("error", "message")).strip()
        error = refusal("Civitai", status, headers, said=plain(words))
        error.details["page"] = found.page
        sent = "Authorization" in self._headers(parse(found.link))
        told = words.lower()
        if status in {401, 403} and ("early access" in told or "deadline" in said):
            return early_access(plain(said.get("deadline")), found.page, token_sent=sent)
        if status == 401:
            error.hint = (
                f"The token is not valid, or its account may not have the file: {names('civitai')}."
                if sent
                else f"Set {names('civitai')}; a key is made in the account settings of Civitai."
            )
        elif status == 403:
            error.hint = (
                f"Its maker or Civitai does not let this account, or this address, have it: {found.page}"
            )
        return error

    def _site(self, host: str) -> Link:
        return self._own or parse(f"https://{host}")

    def _headers(self, to: Link) -> dict[str, str]:
        own = {self._own.host} if self._own else set[str]()
        return self._tokens.header("civitai", to, CIVITAI_HOSTS | own)

    def _check_hop(self, origin: str, target: str) -> bool:  # noqa: ARG002 - any of its hosts may redirect
        """Let redirects lead on within Civitai, and to its own buckets with a signature."""
        try:
            to = parse(target)
        except DownloadError:
            return False
        if site_of(to) is not None or (self._own is not None and to.origin == self._own.origin):
            return True
        return is_delivery(target, self._delivery)

    def _api(self, site: Link, path: str, what: str, stop: Stop) -> Any:
        link = parse(site.origin + path)
        answer = self._web.ask(
            Question(
                link.url,
                headers={"Accept": "application/json", **self._headers(link)},
                hops=2,
                private=self._own is not None,
                most_bytes=JSON_BYTES,
            ),
            stop,
        )
        if answer.status != 200:
            words = plain(fields_of(answer.body).get("error"))
            error = refusal("Civitai", answer.status, answer.headers, about=f"this {what}", said=words)
            if answer.status in {401, 403}:
                error.hint = f"See the setting {names('civitai')}."
            raise error
        return json_of(answer, "Civitai")

    def _model(self, site: Link, number: int, stop: Stop) -> Mapping[str, Any]:
        return as_object(self._api(site, f"/api/v1/models/{number}", "model", stop))

    def _model_if_told(self, site: Link, version: Mapping[str, Any], stop: Stop) -> Mapping[str, Any]:
        """Ask for the model's licence; a download does not fail for the want of it."""
        number = version.get("modelId")
        if not isinstance(number, int) or isinstance(number, bool):
            return {}
        try:
            return self._model(site, number, stop)
        except DownloadError:
            return {}

    def _allowed(self, version: Mapping[str, Any], model: Mapping[str, Any], page: str) -> tuple[str, ...]:
        """Give a note where it is not sure that the file may be had. Raises where it may not."""
        if model.get("mode") in ("Archived", "TakenDown"):
            raise DownloadError(
                "DOWNLOAD_GONE", "Civitai has taken the model down, or its maker has.", details={"page": page}
            )
        usage = version.get("usageControl")
        if isinstance(usage, str) and usage not in {"", "Download"}:
            raise DownloadError(
                "DOWNLOAD_UPSTREAM_FORBIDDEN",
                "Its maker lets the model be used on Civitai only, not downloaded.",
                details={"page": page, "usage_control": plain(usage)},
            )
        deadline = civitai_files.deadline_of(version, self._now())
        if deadline is None:
            return ()
        if self._tokens.of("civitai") is None:
            raise early_access(deadline, page, token_sent=False)
        return (
            f"In early access{f' until {deadline}' if deadline else ''}: the account must have bought it.",
        )


def early_access(deadline: str, page: str | None, *, token_sent: bool) -> DownloadError:
    """Make a DOWNLOAD_EARLY_ACCESS."""
    return DownloadError(
        "DOWNLOAD_EARLY_ACCESS",
        f"The model is in early access{f' until {deadline}' if deadline else ''}.",
        hint="The account of the token has not bought it; buy it on its page, or wait."
        if token_sent
        else f"Buy it on its page and set {names('civitai')}, or wait.",
        details={"deadline": deadline or None, "page": page},
    )


def is_delivery(url: str, more: Iterable[str] = ()) -> bool:
    """Say whether a link leads into one of Civitai's own buckets, with a signature.

    The bucket stands before the host (``civitai-x.<account>.r2.cloudflarestorage.com``), or first in the
    path (``s3.<region>.backblazeb2.com/civitai-x/…``, and ``f001.backblazeb2.com/file/civitai-x/…``).
    *more* are patterns of hosts whose links have it in the path.
    """
    split = urlsplit(url)
    host = (split.hostname or "").lower()
    if not any(key.lower() in SIGNATURES and value for key, value in parse_qsl(split.query)):
        return False
    if _BUCKET_IN_HOST.fullmatch(host):
        return True
    parts = split.path.lstrip("/").split("/")
    if _B2_NATIVE.fullmatch(host) and parts[0] == "file":
        del parts[0]
    elif not _BUCKET_IN_PATH.fullmatch(host) and not host_matches(host, more):
        return False
    return len(parts) > 1 and _BUCKET.fullmatch(parts[0]) is not None


def _latest(model: Mapping[str, Any]) -> int:
    """Give the newest version that is published and has files: the API lists the newest first."""
    for each in map(as_object, as_list(model.get("modelVersions"))):
        number = each.get("id")
        published = each.get("status", "Published") == "Published"
        if isinstance(number, int) and published and (as_list(each.get("files")) or "files" not in each):
            return number
    raise DownloadError("DOWNLOAD_NOT_FOUND", "The model on Civitai has no version with files.")


def _page(site: Link, file: CivitaiFile, version: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    number = model.get("id", version.get("modelId", file.model))
    if not isinstance(number, int):
        return f"{site.origin}/model-versions/{file.version}"
    return f"{site.origin}/models/{number}?modelVersionId={file.version}"
