"""A stand-in for GitHub, its API and the store of its files, after the public REST reference."""

import hashlib
import json
from urllib.parse import quote

from fake_http import Reply, Site, Sites, file_reply


class FakeGitHub(Sites):
    """*url* is the site's origin, *api_url* the API's. *tokens* are those it knows."""

    def __init__(self):
        self._site = Site(self._answer)
        self._api = Site(self._answer_api)
        self._store = Site(self._deliver)
        super().__init__(self._site, self._api, self._store)
        self.url, self.api_url, self.store_url = self._site.url, self._api.url, self._store.url
        self.requests, self.api_requests = self._site.requests, self._api.requests
        self.store_requests = self._store.requests
        self.tokens = set()
        self.limited = False
        """Whether the API says that it is asked too often."""
        self._assets = {}
        self._files = {}
        self._private = set()
        self._signature = 1

    def add(self, repo, tag, name, data, *, digest=True, private=False):
        """Add a file to a release, the newest one from now on. Gives its id."""
        number = 70_000 + len(self._assets)
        self._assets[number] = (repo, tag, name, data, digest)
        if private:
            self._private.add(repo)
        return number

    def add_file(self, repo, ref, path, data):
        """Add a file to a repository."""
        self._files[repo, ref, path] = data

    def expire(self):
        """Let all links that were signed so far be too old."""
        self._signature += 1

    def _answer(self, request):
        owner, name, *rest = request.parts
        repo = f"{owner}/{name}"
        if repo in self._private:  # whatever token: the site takes cookies only
            return Reply(404, _PAGE, b"<!doctype html>Not Found")
        match rest:
            case ["releases", "latest", "download", file]:
                tag = self._latest(repo)
                if tag:
                    return Reply(
                        302, {"Location": f"{self.url}/{repo}/releases/download/{tag}/{quote(file)}"}
                    )
            case ["releases", "download", tag, file]:
                for number, asset in self._assets.items():
                    if asset[:3] == (repo, tag, file):
                        return self._signed(number)
            case ["raw", ref, *path] if (repo, ref, "/".join(path)) in self._files:
                return Reply(302, {"Location": f"{self.store_url}/raw/{repo}/{ref}/{quote('/'.join(path))}"})
        return Reply(404, _PAGE, b"<!doctype html>Not Found")

    def _answer_api(self, request):  # noqa: PLR0911 - one for each case
        if request.token is not None and request.token not in self.tokens:
            return _json(401, {"message": "Bad credentials"})
        if self.limited and request.token is None:
            return _json(403, {"message": "API rate limit exceeded"}, {"X-RateLimit-Remaining": "0"})
        _, owner, name, _, *rest = request.parts
        repo = f"{owner}/{name}"
        if repo in self._private and request.token is None:
            return _json(404, {"message": "Not Found"})
        match rest:
            case ["assets", number] if int(number) in self._assets:
                return self._signed(int(number))
            case ["tags", tag] if any(asset[:2] == (repo, tag) for asset in self._assets.values()):
                return _json(200, self._release(repo, tag))
            case ["latest"] if self._latest(repo):
                return _json(200, self._release(repo, self._latest(repo)))
        return _json(404, {"message": "Not Found"})

    def _latest(self, repo):
        tags = [asset[1] for asset in self._assets.values() if asset[0] == repo]
        return tags[-1] if tags else None

    def _release(self, repo, tag):
        assets = [
            {
                "id": number,
                "name": name,
                "size": len(data),
                "content_type": "application/octet-stream",
                "digest": f"sha256:{hashlib.sha256(data).hexdigest()}" if digest else None,
                "url": f"{self.api_url}/repos/{repo}/releases/assets/{number}",
                "browser_download_url": f"{self.url}/{repo}/releases/download/{tag}/{quote(name)}",
            }
            for number, (its, at, name, data, digest) in self._assets.items()
            if (its, at) == (repo, tag)
        ]
        return {"tag_name": tag, "assets": assets}

    def _signed(self, number):
        return Reply(302, {"Location": f"{self.store_url}/asset/{number}?sig=gh-{self._signature}&se=2099"})

    def _deliver(self, request):
        if "authorization" in request.headers:
            return Reply(
                400, {"Content-Type": "application/xml"}, b"<Error>InvalidAuthenticationInfo</Error>"
            )
        match request.parts:
            case ["asset", number] if request.query.get("sig") == f"gh-{self._signature}":
                return file_reply(request, self._assets[int(number)][3])
            case ["raw", owner, name, ref, *path]:
                data = self._files[f"{owner}/{name}", ref, "/".join(path)]
                return file_reply(request, data, {"Content-Type": "text/plain; charset=utf-8"})
        return Reply(403)


_PAGE = {"Content-Type": "text/html"}


def _json(status, value, headers=None):
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())
