"""Links to files on Hugging Face, in all the forms that people paste."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .folders import MODEL_SUFFIXES
from .links import Link, invalid, parse, scheme_of, segment, whole

Kind = Literal["models", "datasets", "spaces"]

HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
KINDS: dict[str, Kind] = {"models": "models", "datasets": "datasets", "spaces": "spaces"}

_NO_REPOS = frozenset(
    {
        *("api", "blog", "chat", "collections", "docs", "enterprise", "inference", "join", "learn", "login"),
        *("models", "datasets", "spaces", "new", "organizations", "papers", "posts", "pricing", "settings"),
        *("search", "tasks", "buckets"),
    }
)
_VIEWS = ("resolve", "blob", "raw", "tree")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_BARE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*/[A-Za-z0-9_][A-Za-z0-9._-]*(/[^/\\?#:@\s][^/\\?#:@]*)+")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file, a folder or (with an empty *path*) the whole of a repository, at a revision."""

    kind: Kind
    repo: str
    revision: str
    path: str
    is_file: bool

    @property
    def prefix(self) -> str:
        """The repository as links write it: ``datasets/…``, ``spaces/…``, nothing before models."""
        name = whole(self.repo)
        return name if self.kind == "models" else f"{self.kind}/{name}"

    def resolve(self, revision: str | None = None) -> str:
        """Give the path from which the file comes, at *revision* if given."""
        return f"/{self.prefix}/resolve/{segment(revision or self.revision)}/{whole(self.path)}"


def is_short(url: str) -> bool:
    """Say whether it is ``org/repo/path/to/file.safetensors``, which can mean nothing else.

    The organisation has no dot, so that it is no host, and the file is a model's.
    """
    return (
        len(url) <= 1024
        and url.lower().endswith(MODEL_SUFFIXES)
        and _BARE.fullmatch(url) is not None
        and not {".", ".."} & set(url.split("/"))
    )


def read(url: str, own: str | None = None) -> HubFile:
    """Read a link; *own* is the origin of a mirror, whose links look the same.

    Raises DownloadError DOWNLOAD_INVALID_URL.
    """
    if scheme_of(url) == "hf":
        return _of_hf(url)
    if is_short(url):
        org, repo, path = url.split("/", 2)
        return HubFile("models", f"{org}/{repo}", "main", path, is_file=True)
    link = parse(url)
    if link.host not in HUB_HOSTS and link.origin != own:
        raise invalid("That is no link to Hugging Face.")
    return _of_web(link)


def _of_web(link: Link) -> HubFile:
    parts = list(link.parts)
    kind: Kind = "models"
    if parts and parts[0] in KINDS:
        kind = KINDS[parts.pop(0)]
    view = next((place for place in (1, 2) if place < len(parts) and parts[place] in _VIEWS), None)
    if view is None:
        if len(parts) != 2 or parts[0] in _NO_REPOS:
            raise invalid(
                "The link leads to a page of Hugging Face, not to a file or a repository.",
                hint="A file's link has /resolve/ or /blob/ in it.",
            )
        return HubFile(kind, _repo(parts), "main", "", is_file=False)
    repo, seen, rest = _repo(parts[:view]), parts[view], parts[view + 1 :]
    if not rest:
        return HubFile(kind, repo, "main", "", is_file=False)
    if rest[:1] == ["refs"] and len(rest) >= 3 and rest[1] in {"pr", "convert"}:
        rest = ["/".join(rest[:3]), *rest[3:]]  # the Hub takes these revisions with plain slashes too
    path = "/".join(rest[1:])
    return HubFile(kind, repo, rest[0], path, is_file=bool(path) and seen != "tree")


def _of_hf(url: str) -> HubFile:
    """Read ``hf://[datasets/|spaces/]org/repo[@rev]/path`` and ``hf://org/repo/path@rev``."""
    text = url.partition("://")[2]
    if not text or re.search(r"[\x00-\x20\x7f\\?#]", text) or len(text) > 1024:
        raise invalid("That is no hf:// link.", hint="hf://org/repo/path/to/file.safetensors")
    parts = text.strip("/").split("/")
    kind: Kind = "models"
    if parts[0] in KINDS:
        kind = KINDS[parts.pop(0)]
    if len(parts) < 2 or {"", ".", ".."} & set(parts):
        raise invalid("The hf:// link names no repository.", hint="hf://org/repo/path/to/file.safetensors")
    name, _, revision = parts[1].partition("@")
    path = "/".join(parts[2:])
    if not revision and "@" in path:
        path, _, revision = path.rpartition("@")
    if "%" in revision:
        revision = revision.replace("%2F", "/").replace("%2f", "/")
    return HubFile(kind, _repo([parts[0], name]), revision or "main", path, is_file=bool(path))


def _repo(parts: list[str]) -> str:
    if not all(_PART.fullmatch(part) for part in parts) or parts[0] in _NO_REPOS:
        raise invalid("The link names no repository of Hugging Face.")
    return "/".join(parts)
