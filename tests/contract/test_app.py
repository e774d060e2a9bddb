"""The phone app's files, on every host and below ComfyUI's own middlewares."""

import pytest

POLICY = "default-src 'none'"


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_the_bare_address_leads_to_the_page(api, prefix):
    async with api.session.get(f"{prefix}/ext/app") as answer:
        assert answer.url.path == f"{prefix}/ext/app/"
        assert (answer.status, answer.content_type) == (200, "text/html")
        etag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Security-Policy"].startswith(POLICY)
    async with api.session.get(f"{prefix}/ext/app/", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304


async def test_modules_are_sent_as_modules_and_must_be_asked_for_again(api):
    async with api.session.get("/ext/app/vendor/preact.js") as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Encoding"] == "gzip"


async def test_nothing_else_of_the_package_is_served(api):
    for path in ("settings.py", "..%2f..%2fsettings.py", "locales/parts/flow.en.json", "absent.js"):
        error = await api.error(f"/ext/app/{path}", method="GET", status=404)
        assert error["code"] == "NOT_FOUND"
