"""A stand-in for Civitai and the bucket it delivers from, after its public REST reference.

As the real one it counts every request to the download link that leads on, answers a HEAD to it with 401,
sends browsers pages instead of errors, and leads to links that are signed for GET and take no token.
"""

import hashlib
import json
from urllib.parse import quote

from fake_http import Reply, Site, Sites, file_reply

BUCKET = "civitai-delivery-worker-prod"
BROWSERS = ("mozilla", "chrome", "safari", "edg", "opera")


class FakeCivitai(Sites):
    """*url* is the site's origin. *tokens* are those it knows; *downloads* counts them by version."""

    def __init__(self):
        self._site = Site(self._answer)
        self._store = Site(self._deliver)
        super().__init__(self._site, self._store)
        self.url, self.store_url = self._site.url, self._store.url
        self.requests, self.store_requests = self._site.requests, self._store.requests
        self.tokens = set()
        self.downloads = {}
        self.ranges = True
        self.bucket = BUCKET
        self.refuse_with = None
        """(status, JSON) that the download link answers instead, e.g. ``(429, {"error": "…"})``."""
        self._models = {}
        self._versions = {}
        self._data = {}
        self._signature = 1

    def add(self, model, version, name, data, *, kind="LORA", file=None, **fields):
        """Publish a file; *file* are fields of it, *fields* of its version. Gives its id."""
        about = self._models.setdefault(
            model,
            {
                "id": model,
                "name": f"Model {model}",
                "type": kind,
                "allowNoCredit": True,
                "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
                "allowDerivatives": True,
                "allowDifferentLicense": True,
            },
        )
        its = self._versions.setdefault(
            version,
            {
                "id": version,
                "modelId": model,
                "name": f"v{version}",
                "baseModel": "SDXL 1.0",
                "trainedWords": [],
                "availability": "Public",
                "usageControl": "Download",
                "model": {"name": about["name"], "type": kind},
                "files": [],
            },
        )
        its.update(fields)
        number = 1000 * version + len(its["files"])
        self._data[number] = data
        its["files"].append(
            {
                "id": number,
                "name": name,
                "type": "Model",
                "sizeKB": round(len(data) / 1024, 3),
                "primary": not its["files"],
                "metadata": {"format": "SafeTensor"},
                "pickleScanResult": "Success",
                "virusScanResult": "Success",
                "hashes": {"SHA256": hashlib.sha256(data).hexdigest().upper()},
                "downloadUrl": f"{self.url}/api/download/models/{version}",
                **(file or {}),
            }
        )
        return number

    def describe(self, model, **fields):
        """Change what is said of a model."""
        self._models[model].update(fields)

    def expire(self):
        """Let all links that were signed so far be too old."""
        self._signature += 1

    def _answer(self, request):
        match request.parts:
            case ["api", "v1", "models", number]:
                return self._model(int(number))
            case ["api", "v1", "model-versions", number] if int(number) in self._versions:
                return _json(200, self._versions[int(number)])
            case ["api", "v1", "model-versions", number]:
                return _json(404, {"error": f"No version with id {number}"})
            case ["api", "download", "models", number]:
                return self._download(request, int(number))
            case _:
                return Reply(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Civitai</title>")

    def _model(self, number):
        if number not in self._models:
            return _json(404, {"error": f"No model with id {number}"})
        versions = [each for each in self._versions.values() if each["modelId"] == number]
        newest = sorted(versions, key=lambda each: -each["id"])
        return _json(200, {**self._models[number], "modelVersions": newest})

    def _download(self, request, number):
        agent = request.headers.get("user-agent", "").lower()
        if request.method == "HEAD":
            return _json(401, {"error": "Unauthorized"})
        version = self._versions.get(number)
        refused = self.refuse_with
        if request.token is not None and request.token not in self.tokens:
            refused = (401, {"error": "Unauthorized", "message": "The creator requires you to be logged in"})
        if version is None:
            refused = (404, {"error": "Not found"})
        if refused and any(name in agent for name in BROWSERS):
            return Reply(307, {"Location": f"{self.url}/login?returnUrl=/"})
        if refused:
            return _json(*refused)
        asked = request.query.get("fileId")
        files = [
            each for each in version["files"] if str(each["id"]) == asked or (not asked and each["primary"])
        ]
        if not files:
            return _json(404, {"error": "File not found"})
        self.downloads[number] = self.downloads.get(number, 0) + 1
        query = f"X-Amz-Expires=86400&X-Amz-Signature=r2-{self._signature}"
        where = f"{self.store_url}/{self.bucket}/{files[0]['id']}/{quote(files[0]['name'])}"
        return Reply(307, {"Location": f"{where}?{query}", "Cache-Control": "no-store"})

    def _deliver(self, request):
        if "authorization" in request.headers:
            return Reply(400, _XML, b"<Error><Message>Missing x-amz-content-sha256</Message></Error>")
        signed = request.query.get("X-Amz-Signature") == f"r2-{self._signature}"
        if request.method != "GET" or not signed:
            return Reply(403, _XML, b"<Error><Code>AccessDenied</Code></Error>")
        data = self._data[int(request.parts[1])]
        named = {"Content-Disposition": f'attachment; filename="{request.parts[-1]}"'}
        return file_reply(request, data, named, ranges=self.ranges)


_XML = {"Content-Type": "application/xml"}


def _json(status, value):
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())
