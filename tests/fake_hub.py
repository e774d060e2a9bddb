"""A stand-in for Hugging Face's Hub and its CDN, after their public documentation.

It has what a download meets: ``resolve`` with its ``X-…`` headers, revisions, gated, private and renamed
repositories, the error codes, ``/api/models``; files kept with LFS come from a second origin by links
that are signed and can expire.
"""

import hashlib
import json
from dataclasses import replace
from urllib.parse import quote

from fake_http import Reply, Site, Sites, file_reply

REFUSED = (
    "Access to model {} is restricted and you are not in the authorized list. Visit /{} to ask for access."
)


class FakeHub(Sites):
    """*url* is its endpoint, for HF_ENDPOINT. *tokens* are those it knows."""

    def __init__(self):
        self._hub = Site(self._answer)
        self._cdn = Site(self._deliver)
        super().__init__(self._hub, self._cdn)
        self.url, self.cdn_url = self._hub.url, self._cdn.url
        self.requests, self.cdn_requests = self._hub.requests, self._cdn.requests
        self.tokens = set()
        self.ranges = True
        self.pause_s = 0.0
        self._repos = {}
        self._renamed = {}
        self._signature = 1

    def add(self, repo, path, data, *, lfs=True, kind="models", branch="main"):
        """Commit a file; give its SHA-256."""
        has = self._repos.setdefault((kind, repo), {"files": {}, "branches": {}, "commits": {}, "card": {}})
        has["files"] = {**has["files"], path: (data, lfs)}
        commit = hashlib.sha1(repr((repo, sorted(has["files"].items()))).encode()).hexdigest()
        has["commits"][commit] = has["files"]
        has["branches"][branch] = commit
        return hashlib.sha256(data).hexdigest()

    def commit(self, repo, kind="models", branch="main"):
        return self._repos[kind, repo]["branches"][branch]

    def describe(self, repo, *, kind="models", tags=(), **card):
        """Write the model card."""
        self._repos[kind, repo]["card"] = {"cardData": card, "tags": list(tags)}

    def gate(self, repo, *, granted=(), said=None):
        """Let only accounts with these tokens have the files; others are told *said*."""
        self._repos["models", repo] |= {"gated": set(granted), "said": said or REFUSED.format(repo, repo)}
        self.tokens |= set(granted)

    def hide(self, repo, *, shown_to=()):
        """Make a repository private."""
        self._repos["models", repo]["private"] = set(shown_to)
        self.tokens |= set(shown_to)

    def rename(self, old, new):
        self._repos["models", new] = self._repos.pop(("models", old))
        self._renamed[old] = new

    def expire(self):
        """Let all links that the CDN was asked with so far be too old."""
        self._signature += 1

    def _answer(self, request):
        if request.token is not None and request.token not in self.tokens:
            return _refused(401, None, "Invalid credentials in Authorization header")
        parts = request.parts
        if parts[0] == "api":
            return self._api(request, parts[1], parts[2:])
        kind = parts.pop(0) if parts[0] in {"datasets", "spaces"} else "models"
        at = parts.index("resolve") if "resolve" in parts else 0
        if at not in {1, 2} or len(parts) < at + 3:
            return Reply(404, {"Content-Type": "text/html"}, b"<!doctype html><title>404</title>")
        repo = "/".join(parts[:at])
        if repo in self._renamed:
            return Reply(307, {"Location": request.target.replace(repo, self._renamed[repo], 1)})
        return self._resolve(request, kind, repo, parts[at + 1], "/".join(parts[at + 2 :]))

    def _resolve(self, request, kind, repo, revision, path):  # noqa: PLR0911 - one for each case
        found = self._seen(request, kind, repo)
        if isinstance(found, Reply):
            return found
        commit = found["branches"].get(revision, revision)
        if commit not in found["commits"]:
            return _refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if "gated" in found and request.token not in found["gated"]:
            if request.token is None:
                return _refused(401, "GatedRepo", f"Access to model {repo} is restricted. Please log in.")
            return _refused(403, "GatedRepo", found["said"])
        if path not in found["commits"][commit]:
            return _refused(404, "EntryNotFound", "Entry not found")
        data, lfs = found["commits"][commit][path]
        if not lfs:
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            return file_reply(request, data, {"X-Repo-Commit": commit}, etag=f'"{git}"')
        sha256 = hashlib.sha256(data).hexdigest()
        where = f"{self.cdn_url}/{quote(kind)}/{quote(repo)}/{commit}/{quote(path)}"
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Size": len(data),
            "X-Linked-Etag": f'"{sha256}"',
            "Location": f"{where}?Expires=99&Signature=cdn-{self._signature}",
        }
        return Reply(302, headers, b"Found. Redirecting")

    def _seen(self, request, kind, repo):
        found = self._repos.get((kind, repo))
        if found is None or ("private" in found and request.token not in found["private"]):
            if request.token is None:
                return _refused(401, "RepoNotFound", "Invalid username or password.")
            return _refused(404, "RepoNotFound", "Repository not found")
        return found

    def _api(self, request, kind, rest):
        at = rest.index("revision") if "revision" in rest else len(rest)
        repo = "/".join(rest[:at])
        found = self._seen(request, kind, repo)
        if isinstance(found, Reply):
            return found
        revision = rest[at + 1] if at < len(rest) else "main"
        commit = found["branches"].get(revision, revision)
        if commit not in found["commits"]:
            return _refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = []
        for path, (data, lfs) in found["commits"][commit].items():
            files.append({"rfilename": path})
            if "blobs" in request.query:
                files[-1]["size"] = len(data)
                if lfs:
                    sha256 = hashlib.sha256(data).hexdigest()
                    files[-1]["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 135}
        said = {
            "id": repo,
            "sha": commit,
            "gated": "manual" if "gated" in found else False,
            "siblings": files,
        }
        return _json(200, said | found["card"])

    def _deliver(self, request):
        """Give a file to whoever has a fresh link, and nothing else that would let them in."""
        if "authorization" in request.headers:
            return Reply(400, {"Content-Type": "application/xml"}, b"<Error>Only one auth mechanism</Error>")
        if request.query.get("Signature") != f"cdn-{self._signature}":
            return Reply(
                403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>"
            )
        kind, *rest = request.parts
        for (its_kind, repo), found in self._repos.items():
            for commit, files in found["commits"].items():
                for path, (data, _) in files.items():
                    if [kind, *rest] == [its_kind, *repo.split("/"), commit, *path.split("/")]:
                        return replace(file_reply(request, data, ranges=self.ranges), pause_s=self.pause_s)
        return Reply(404)


def _refused(status, code, message):
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return _json(status, {"error": message}, headers)


def _json(status, value, headers=None):
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())
