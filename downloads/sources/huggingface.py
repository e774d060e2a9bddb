"""Files on Hugging Face, with the sha256, size and commit that its first answer names.

The bytes are not fetched with huggingface_hub, whose download into a folder deletes a good file first and
accepts a damaged one; docs/downloads.md says more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from ...errors import JSON, close_matches
from ...settings import Settings
from ..plan import Address, Found, Stop, Wanted
from ..trouble import DownloadError
from . import folders, hub_errors
from .answers import as_list, as_object, plain, whole_number
from .hub_links import HUB_HOSTS, HubFile, is_short, read
from .links import Link, admitted, forbidden, invalid, parse, scheme_of, segment, whole
from .tokens import YES, Tokens
from .web_api import JSON_BYTES, Answer, Question, Web, json_of

HUB = "https://huggingface.co"
HOP_HOSTS = ("*.hf.co", "cdn-lfs*.huggingface.co")
"""Where its files really lie. Redirects lead there; links do not."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_LISTED = 200
"""How many files of a repository an error names for choice."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HuggingFace:
    """Implements :class:`~..plan.Source`."""

    name = "huggingface"

    def __init__(
        self, settings: Settings, web: Web, tokens: Tokens, environ: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._web = web
        self._tokens = tokens
        self._environ: Mapping[str, str] = os.environ if environ is None else environ

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of its links, for messages."""
        return ("huggingface.co", "hf.co")

    def claims(self, url: str) -> bool:
        """Say whether a link is Hugging Face's, or its mirror's that HF_ENDPOINT names."""
        if scheme_of(url) == "hf" or is_short(url):
            return True
        try:
            link = parse(url)
            return link.host in HUB_HOSTS or link.origin == self._named().origin
        except DownloadError:
            return False

    def resolve(self, wanted: Wanted, stop: Stop) -> Found:
        """Ask for the file's sha256, size and commit; of a repository, choose its only model."""
        endpoint = self._endpoint()
        file = read(wanted.url, endpoint.origin)
        listed: Mapping[str, Any] = {}
        if not file.is_file:
            file, listed = self._only_model(endpoint, file, stop)
        answer, commit = self._head(endpoint, file, stop)
        if answer.status >= 300 and answer.status not in REDIRECTS:
            raise self._refusal(endpoint, file, answer, stop)
        etag = answer.headers.get("x-linked-etag") or answer.headers.get("etag", "")
        etag = etag.removeprefix("W/").strip('"')
        size = whole_number(answer.headers, "x-linked-size")
        if size is None and answer.status == 200:
            size = whole_number(answer.headers, "content-length")
        card = self._card(endpoint, file, stop, listed)
        revision = commit or file.revision
        return Found(
            source=self.name,
            link=endpoint.origin + file.resolve(revision),
            host=endpoint.host,
            filename=file.path.rpartition("/")[2],
            size=size,
            # 40 digits are git's SHA-1 of a small file, over more than its bytes: no use here
            sha256=etag if _SHA256.fullmatch(etag) else None,
            identity=f"hf:{'' if file.kind == 'models' else file.kind + '/'}{file.repo}@{commit}:{file.path}"
            if commit
            else None,
            folder=folders.by_path(file.path, card.tags),
            page=_page(endpoint, file),
            licence=card.licence,
            gated=card.gated,
            base_model=card.base_model,
            trigger_words=card.trigger_words,
            revision=revision,
            notes=() if commit else ("The source names no commit: the file may change while it is fetched.",),
            facts={"kind": file.kind, "repo": file.repo, "path": file.path, "revision": revision},
        )

    def address(self, found: Found, stop: Stop) -> Address:  # noqa: ARG002 - asks nobody
        """Give the pinned link, with the token if it goes to the Hub."""
        endpoint = self._endpoint()
        link = parse(endpoint.origin + _file_of(found).resolve())
        return Address(
            link.url,
            headers=self._headers(link, endpoint),
            hop_hosts=HOP_HOSTS,
            private=endpoint.origin != HUB,
        )

    def explain(
        self,
        found: Found,
        status: int,
        headers: Mapping[str, str],
        body_head: bytes = b"",  # noqa: ARG002
    ) -> DownloadError:
        """Say why the Hub, or where it led, refused the bytes. *headers* have lower-case names."""
        endpoint, file = self._endpoint(), _file_of(found)
        sent = "Authorization" in self._headers(endpoint, endpoint)
        return hub_errors.explain(file, _page(endpoint, file), status, headers, token_sent=sent)

    def _named(self) -> Link:
        return parse(self._environ.get("HF_ENDPOINT", "").strip().rstrip("/") or HUB)

    def _endpoint(self) -> Link:
        """Give the Hub, or the mirror that HF_ENDPOINT names. Raises DownloadError."""
        if self._environ.get("HF_HUB_OFFLINE", "").strip().lower() in YES:
            raise DownloadError(
                "DOWNLOAD_OFFLINE",
                "HF_HUB_OFFLINE is set: nothing is fetched from Hugging Face.",
                hint="Start ComfyUI without that variable.",
            )
        endpoint = self._named()
        if endpoint.path.strip("/"):
            raise invalid("HF_ENDPOINT has a path; a mirror is a scheme and a host.")
        allowed = self._settings.download_hosts.split()
        if endpoint.origin != HUB and not admitted(endpoint, allowed):
            error = forbidden(endpoint.host, ["huggingface.co", *allowed])
            error.hint = "HF_ENDPOINT names this mirror: name its host in the setting download_hosts too."
            raise error
        return endpoint

    def _headers(self, to: Link, endpoint: Link) -> dict[str, str]:
        return self._tokens.header("huggingface", to, {endpoint.host})

    def _ask(self, endpoint: Link, method: str, url: str, stop: Stop, most_bytes: int = 0) -> Answer:
        return self._web.ask(
            Question(
                url,
                method,
                headers=self._headers(parse(url), endpoint),
                hops=0 if method == "HEAD" else 2,  # of a file, each hop's headers are looked at
                private=endpoint.origin != HUB,
                most_bytes=most_bytes,
            ),
            stop,
        )

    def _head(self, endpoint: Link, file: HubFile, stop: Stop) -> tuple[Answer, str | None]:
        """Ask for the file's headers and its commit. A renamed repository is followed, a CDN is not."""
        url, commit = endpoint.origin + file.resolve(), None
        for _ in range(5):
            answer = self._ask(endpoint, "HEAD", url, stop)
            named = answer.headers.get("x-repo-commit", "")
            commit = commit or (named if _COMMIT.fullmatch(named) else None)
            following = urljoin(url, answer.headers.get("location", ""))
            if answer.status not in REDIRECTS or "x-linked-etag" in answer.headers:
                return answer, commit
            if not following.startswith(endpoint.origin + "/"):
                return answer, commit
            url = following
        raise DownloadError("DOWNLOAD_TOO_MANY_REDIRECTS", "Hugging Face led from redirect to redirect.")

    def _refusal(self, endpoint: Link, file: HubFile, answer: Answer, stop: Stop) -> DownloadError:
        sent = "Authorization" in self._headers(endpoint, endpoint)
        page = _page(endpoint, file)
        error = hub_errors.explain(file, page, answer.status, answer.headers, token_sent=sent)
        if answer.headers.get("x-error-code") == "EntryNotFound":
            try:
                near = close_matches(
                    file.path, [each["path"] for each in self._files(endpoint, file, stop)[1]]
                )
            except DownloadError:
                return error
            if near:
                error.hint = f"Did you mean {near[0]}?"
                error.details["close_matches"] = near
        return error

    def _files(self, endpoint: Link, file: HubFile, stop: Stop) -> tuple[Mapping[str, Any], list[JSON]]:
        """Give what the API says of a repository, and its files that may be models."""
        url = f"{endpoint.origin}/api/{file.kind}/{whole(file.repo)}/revision/{segment(file.revision)}"
        answer = self._ask(endpoint, "GET", f"{url}?blobs=true", stop, JSON_BYTES)
        if answer.status != 200:
            sent = "Authorization" in self._headers(endpoint, endpoint)
            page = _page(endpoint, file)
            raise hub_errors.explain(file, page, answer.status, answer.headers, token_sent=sent)
        said = as_object(json_of(answer, "Hugging Face"))
        found: list[JSON] = []
        for each in map(as_object, as_list(said.get("siblings"))):
            path = each.get("rfilename")
            if isinstance(path, str) and path.lower().endswith(folders.MODEL_SUFFIXES):
                lfs = as_object(each.get("lfs"))
                found.append({"path": path, "size": each.get("size"), "sha256": lfs.get("sha256")})
        return said, found

    def _only_model(self, endpoint: Link, file: HubFile, stop: Stop) -> tuple[HubFile, Mapping[str, Any]]:
        said, found = self._files(endpoint, file, stop)
        if file.path:
            found = [each for each in found if str(each["path"]).startswith(file.path + "/")]
        if len(found) == 1:
            only = str(found[0]["path"])
            return HubFile(file.kind, file.repo, file.revision, only, is_file=True), said
        for each in found:
            path = str(each["path"])
            each["url"] = f"{endpoint.origin}/{file.prefix}/resolve/{segment(file.revision)}/{whole(path)}"
        raise invalid(
            f"The link leads to a repository with {len(found)} model files, not to one of them."
            if found
            else "The link leads to a repository, or a folder of one, that has no model files.",
            hint="Choose one of details.files." if found else "Link the file itself.",
            files=found[:MOST_LISTED],
            total=len(found),
            page=_page(endpoint, file),
        )

    def _card(self, endpoint: Link, file: HubFile, stop: Stop, listed: Mapping[str, Any]) -> _Card:
        """Read the model card; nothing of it is needed, so that no failure of it is one."""
        if not listed:
            expand = "&".join(f"expand={name}" for name in ("cardData", "gated", "tags"))
            url = f"{endpoint.origin}/api/{file.kind}/{whole(file.repo)}?{expand}"
            try:
                answer = self._ask(endpoint, "GET", url, stop, JSON_BYTES)
                listed = as_object(json_of(answer, "Hugging Face")) if answer.status == 200 else {}
            except DownloadError:
                listed = {}
        return _Card.of(listed)


@dataclass(frozen=True, slots=True)
class _Card:
    """What the API says about a repository that is worth telling."""

    licence: str | None
    base_model: str | None
    trigger_words: tuple[str, ...]
    gated: bool
    tags: tuple[str, ...]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> _Card:
        data = as_object(said.get("cardData"))
        licence = plain(_text(data.get("license")))
        if licence in {"", "other"}:
            licence = plain(_text(data.get("license_name"))) or licence
        prompt = plain(data.get("instance_prompt"))
        return cls(
            licence or None,
            plain(_text(data.get("base_model"))) or None,
            (prompt,) if prompt else (),
            said.get("gated") in ("auto", "manual", True),
            tuple(tag for tag in as_list(said.get("tags")) if isinstance(tag, str)),
        )


def _file_of(found: Found) -> HubFile:
    fact = found.facts
    kind = fact["kind"]
    return HubFile(
        "datasets" if kind == "datasets" else "spaces" if kind == "spaces" else "models",
        str(fact["repo"]),
        str(fact["revision"]),
        str(fact["path"]),
        is_file=True,
    )


def _page(endpoint: Link, file: HubFile) -> str:
    return f"{endpoint.origin}/{file.prefix}"


def _text(value: object) -> str:
    """Give a text; of several, the first three as one."""
    several: list[object] = as_list(value)
    return (
        value if isinstance(value, str) else ", ".join(each for each in several[:3] if isinstance(each, str))
    )
