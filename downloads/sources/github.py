"""Files of releases on GitHub, with the size and digest of its API; and single files of repositories.

A private repository's file comes through the API, whose link takes the token; the link in the browser
takes none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import JSON, close_matches
from ...settings import Settings
from ..plan import Address, Found, Stop, Wanted
from ..trouble import DownloadError
from . import folders
from .answers import as_list, as_object, fields_of, plain, refusal
from .links import Link, invalid, parse, segment, whole
from .looks import Look, look
from .tokens import Tokens, names
from .web_api import JSON_BYTES, Answer, Question, Web, json_of

GITHUB = "https://github.com"
API = "https://api.github.com"
RAW_HOST = "raw.githubusercontent.com"
RELEASE_HOPS = ("objects.githubusercontent.com", "release-assets.githubusercontent.com")
"""Where the files of releases really lie."""
RAW_HOPS = (RAW_HOST, "media.githubusercontent.com")
"""Where the files of repositories lie; the second has those that Git LFS keeps."""

_PART = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class GitHubFile:
    """*path* is a release's file (*tag*; None for the latest), or *in_tree* a repository's at *tag*."""

    repo: str
    tag: str | None
    path: str
    in_tree: bool = False


class GitHub:
    """Implements :class:`~..plan.Source`. *origin* and *api* are a stand-in's."""

    name = "github"

    def __init__(
        self,
        settings: Settings,
        web: Web,
        tokens: Tokens,
        *,
        origin: str | None = None,
        api: str | None = None,
    ) -> None:
        self._settings = settings
        self._web = web
        self._tokens = tokens
        self._origin = parse(origin or GITHUB)
        self._api = parse(api or API)
        self._private = origin is not None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of its links, for messages."""
        return ("github.com", RAW_HOST)

    def claims(self, url: str) -> bool:
        """Say whether a link is GitHub's."""
        try:
            return self._ours(parse(url))
        except DownloadError:
            return False

    def resolve(self, wanted: Wanted, stop: Stop) -> Found:
        """Ask the API about a release's file; look at a repository's."""
        link = parse(wanted.url)
        if not self._ours(link):
            raise invalid("That is no link to GitHub.")
        file = _read(link)
        return self._in_tree(file, stop) if file.in_tree else self._released(file, stop)

    def address(self, found: Found, stop: Stop) -> Address:  # noqa: ARG002 - asks nobody
        """Give the link; with a token, the API's link of the same file."""
        asset = found.facts.get("asset_id")
        if asset is not None and self._tokens.of("github") is not None:
            link = parse(
                f"{self._api.origin}/repos/{whole(str(found.facts['repo']))}/releases/assets/{asset}"
            )
            headers = self._tokens.header("github", link, {self._api.host})
            if headers:
                return Address(
                    link.url,
                    headers={"Accept": "application/octet-stream", **headers},
                    hop_hosts=RELEASE_HOPS,
                    private=self._private,
                )
        path = parse(found.link)
        if not self._ours(path):
            raise invalid("The download's link is not GitHub's.")
        hops = RAW_HOPS if found.facts.get("in_tree") else RELEASE_HOPS
        return Address(path.url, hop_hosts=hops, private=self._private)

    def explain(
        self, found: Found, status: int, headers: Mapping[str, str], body_head: bytes = b""
    ) -> DownloadError:
        """Say why GitHub refused. *headers* have lower-case names."""
        return self._refusal(status, headers, body_head, str(found.facts.get("repo", "")))

    def _ours(self, link: Link) -> bool:
        return link.host in {"github.com", "www.github.com", RAW_HOST} or link.origin == self._origin.origin

    def _released(self, file: GitHubFile, stop: Stop) -> Found:
        release, note = self._release(file, stop)
        tag = plain(release.get("tag_name")) or file.tag
        if not file.path:
            raise self._choice(file, release, tag)
        assets = [as_object(each) for each in as_list(release.get("assets"))]
        asset = next((each for each in assets if each.get("name") == file.path), None)
        if release and asset is None:
            near = close_matches(file.path, [plain(each.get("name")) for each in assets])
            raise DownloadError(
                "DOWNLOAD_NOT_FOUND",
                f"The release {tag} of {file.repo} has no file {file.path[:200]}.",
                hint=f"Did you mean {near[0]}?" if near else None,
                details={"close_matches": near},
            )
        asset = asset or {}
        number, size = asset.get("id"), asset.get("size")
        digest = _DIGEST.fullmatch(str(asset.get("digest") or ""))
        facts: dict[str, str | int] = {"repo": file.repo}
        if isinstance(number, int):
            facts["asset_id"] = number
        path = (
            f"/{whole(file.repo)}/releases/download/{segment(tag)}/{segment(file.path)}"
            if tag
            else f"/{whole(file.repo)}/releases/latest/download/{segment(file.path)}"
        )
        return Found(
            source=self.name,
            link=self._origin.origin + path,
            host=self._origin.host,
            filename=file.path,
            size=size if isinstance(size, int) and size >= 0 else None,
            sha256=digest.group(1) if digest else None,
            # a file that is uploaded anew gets a new number
            identity=f"github:{file.repo}:{number}" if isinstance(number, int) else None,
            folder=folders.by_path(file.path),
            page=f"{self._origin.origin}/{whole(file.repo)}/releases"
            + (f"/tag/{segment(tag)}" if tag else ""),
            revision=tag,
            media_type=plain(asset.get("content_type")) or None,
            notes=(note,) if note else (),
            facts=facts,
        )

    def _release(self, file: GitHubFile, stop: Stop) -> tuple[Mapping[str, Any], str | None]:
        """Give what the API says; a note instead where it is asked too often, which costs only the facts."""
        which = f"tags/{segment(file.tag)}" if file.tag else "latest"
        link = parse(f"{self._api.origin}/repos/{whole(file.repo)}/releases/{which}")
        headers = self._tokens.header("github", link, {self._api.host})
        answer = self._web.ask(
            Question(
                link.url,
                headers={
                    "Accept": "application/vnd.github+json",
                    "X-GitHub-Api-Version": "2022-11-28",
                    **headers,
                },
                hops=2,
                private=self._private,
                most_bytes=JSON_BYTES,
            ),
            stop,
        )
        if answer.status == 200:
            return as_object(json_of(answer, "GitHub")), None
        if _limited(answer) and file.path:
            return (
                {},
                f"GitHub's API is asked too often: size and digest are unknown. {names('github')} helps.",
            )
        raise self._refusal(answer.status, answer.headers, answer.body, file.repo)

    def _choice(self, file: GitHubFile, release: Mapping[str, Any], tag: str | None) -> DownloadError:
        base = f"{self._origin.origin}/{whole(file.repo)}/releases/download/{segment(tag or '')}"
        files: list[JSON] = []
        for each in map(as_object, as_list(release.get("assets"))):
            digest = _DIGEST.fullmatch(str(each.get("digest") or ""))
            name = plain(each.get("name"))
            files.append(
                {
                    "path": name,
                    "size": each.get("size"),
                    "sha256": digest.group(1) if digest else None,
                    "url": f"{base}/{segment(name)}",
                }
            )
        return invalid(
            f"The link leads to a release with {len(files)} files, not to one of them.",
            hint="Choose one of details.files." if files else None,
            files=files[:200],
            total=len(files),
        )

    def _in_tree(self, file: GitHubFile, stop: Stop) -> Found:
        link = parse(
            f"{self._origin.origin}/{whole(file.repo)}/raw/{segment(file.tag or 'HEAD')}/{whole(file.path)}"
        )
        name = file.path.rpartition("/")[2]
        address = Address(link.url, hop_hosts=RAW_HOPS, private=self._private)
        answer = look(self._web, address, stop, name=name)
        if not isinstance(answer, Look):
            raise self._refusal(answer.status, answer.headers, answer.body, file.repo)
        return Found(
            source=self.name,
            link=link.url,
            host=self._origin.host,
            filename=name,
            size=answer.size,
            folder=folders.by_path(file.path),
            page=f"{self._origin.origin}/{whole(file.repo)}",
            revision=file.tag,
            media_type=answer.media_type,
            facts={"repo": file.repo, "in_tree": 1},
        )

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes, repo: str) -> DownloadError:
        said = plain(fields_of(body).get("message"))
        sent = bool(self._tokens.header("github", self._api, {self._api.host}))
        if status in {403, 429} and headers.get("x-ratelimit-remaining") == "0":
            status = 429
        error = refusal("GitHub", status, headers, said="" if said == "Not Found" else said)
        if status == 401 and sent:
            error.message = "GitHub does not know the token (any more)."
            error.hint = f"Set {names('github')} to a token that is valid."
        elif status == 404:
            error.hint = (
                f"If {repo} is private, the account of the token cannot see it."
                if sent
                else f"If {repo} is private, set {names('github')}."
            )
        elif status == 429 and not sent:
            error.hint = f"With {names('github')}, GitHub takes more requests."
        return error


def _limited(answer: Answer) -> bool:
    return answer.status == 429 or (
        answer.status == 403
        and (answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers)
    )


def _read(link: Link) -> GitHubFile:
    """Read a link. Raises DownloadError DOWNLOAD_INVALID_URL."""
    parts = link.parts
    if len(parts) >= 2 and not all(_PART.fullmatch(part) for part in parts[:2]):
        raise invalid("The link names no repository of GitHub.")
    repo, rest = "/".join(parts[:2]), parts[2:]
    if link.host == RAW_HOST:
        rest = ("raw", *rest)
    match rest:
        case ("releases", "download", tag, name):
            return GitHubFile(repo, tag, name)
        case ("releases", "latest", "download", name):
            return GitHubFile(repo, None, name)
        case ("releases", "tag", tag):
            return GitHubFile(repo, tag, "")
        case ("releases",) | ("releases", "latest"):
            return GitHubFile(repo, None, "")
        case ("raw" | "blob", "refs", "heads" | "tags", ref, *path) | ("raw" | "blob", ref, *path) if path:
            return GitHubFile(repo, ref, "/".join(path), in_tree=True)
        case _:
            raise invalid(
                "The link leads to a page of GitHub, not to a file.",
                hint="Link a release's file: https://github.com/…/releases/download/…",
            )
