"""Files from hosts that the owner allows, and which source a link goes to."""

import pytest
from backplane.access import Rules, Streams
from backplane.downloads.sources import claimed, sources
from backplane.downloads.sources.streams_web import StreamsWeb
from backplane.downloads.sources.web import WebFiles
from backplane.downloads.trouble import DownloadError
from backplane.settings import Settings
from fake_http import Reply, Site, Sites, file_reply

BYTES = b"model " * 1000


@pytest.fixture
def host():
    """A web server: what *replies* says by path, else a file."""
    replies = {}

    def answer(request):
        reply = replies.get(request.path)
        if callable(reply):
            return reply(request)
        return reply or file_reply(request, BYTES)

    site = Site(answer)
    site.replies = replies
    with Sites(site):
        yield site


@pytest.fixture
def at(desk):
    def make(**options):
        return desk(lambda it: WebFiles(it.settings, it.web), **options)

    return make


def test_the_facts_of_a_file(at, host):
    it = at()
    found = it.found(f"{host.url}/files/a%20b.safetensors?version=3")
    assert (found.link, found.filename) == (
        f"{host.url}/files/a%20b.safetensors?version=3",
        "a b.safetensors",
    )
    assert (found.size, found.media_type, found.identity) == (len(BYTES), "application/octet-stream", None)
    assert {request.method for request in host.requests} == {"GET"}
    assert it.fetch(found) == (200, BYTES)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="x y.safetensors"', "x y.safetensors"),
        ("attachment; filename=x.gguf", "x.gguf"),
        ("attachment; filename=\"fallback.bin\"; filename*=UTF-8''%e2%82%ac.gguf", "€.gguf"),
        ("attachment; filename*=UTF-8''%e2%82%ac.gguf; filename=\"fallback.bin\"", "€.gguf"),
        ('attachment; filename="../../etc/x.gguf"', "x.gguf"),
        ('attachment; filename="C:\\\\x\\\\y.gguf"', "y.gguf"),
        ("inline", "d"),
        ("attachment; filename=", "d"),
        ("attachment; filename*=nonsense''%ff%fe", None),
    ],
)
def test_the_name_of_content_disposition(at, host, value, name):
    host.replies["/d"] = lambda request: file_reply(request, BYTES, {"Content-Disposition": value})
    found = at().found(f"{host.url}/d")
    if name is not None:
        assert found.filename == name
    assert "/" not in (found.filename or "")


def test_a_web_page_is_no_file(at, host):
    page = b"<!DOCTYPE html><html><title>Sign in</title></html>"
    host.replies["/login"] = Reply(200, {"Content-Type": "text/html; charset=utf-8"}, page)
    host.replies["/hidden"] = Reply(200, {"Content-Type": "application/octet-stream"}, b"\n <HTML><body>")
    host.replies["/error"] = Reply(200, {"Content-Type": "application/json"}, b'{"error": "no"}')
    host.replies["/denied"] = Reply(200, {"Content-Type": "application/xml"}, b"<Error/>")
    it = at()
    for path in host.replies:
        error = it.refused(host.url + path)
        assert (error.code, "web page" in error.message) == ("DOWNLOAD_BAD_RESPONSE", True)
    host.replies["/model.json"] = Reply(200, {"Content-Type": "application/json"}, b"{}")
    assert it.found(f"{host.url}/model.json").size == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "DOWNLOAD_AUTH_REQUIRED"),
        (403, "DOWNLOAD_UPSTREAM_FORBIDDEN"),
        (404, "DOWNLOAD_NOT_FOUND"),
        (410, "DOWNLOAD_GONE"),
        (451, "DOWNLOAD_GONE"),
        (429, "DOWNLOAD_UPSTREAM_RATE_LIMITED"),
        (500, "DOWNLOAD_UPSTREAM_ERROR"),
        (204, "DOWNLOAD_BAD_RESPONSE"),
    ],
)
def test_refusals(at, host, status, code):
    host.replies["/x"] = Reply(status, {"Retry-After": "12"})
    error = at().refused(f"{host.url}/x")
    assert error.code == code
    if error.retryable:
        assert error.retry_after_s == 12.0


def test_a_signature_is_kept_in_memory_only(at, host):
    host.replies["/s"] = lambda request: (
        file_reply(request, BYTES) if request.query.get("X-Amz-Signature") == "s3cret" else Reply(403)
    )
    it = at(secrets=["s3cret"])
    found = it.found(f"{host.url}/s?X-Amz-Signature=s3cret")
    assert found.link == f"{host.url}/s"
    assert it.fetch(found) == (200, BYTES)
    later = at(secrets=["s3cret"])  # the server began anew
    with pytest.raises(DownloadError) as caught:
        later.source.address(found, later.stop)
    assert caught.value.code == "DOWNLOAD_AUTH_REQUIRED"
    assert "fresh link" in it.source.explain(found, 403, {}).hint


def test_redirects_lead_only_where_links_may(at, host):
    with Sites(other := Site(lambda request: file_reply(request, BYTES))):
        host.replies["/near"] = Reply(302, {"Location": f"{other.url}/x.gguf"})
        host.replies["/far"] = Reply(302, {"Location": f"http://localhost:{other.port}/x.gguf"})
        it = at()
        assert it.found(f"{host.url}/near").size == len(BYTES)
        assert it.refused(f"{host.url}/far").code == "DOWNLOAD_FORBIDDEN_REDIRECT"
        assert len(other.requests) == 1


def test_a_star_does_not_let_a_redirect_lead_to_an_address(at, host):
    host.replies["/x"] = Reply(302, {"Location": f"http://127.0.0.2:{host.port}/x.gguf"})
    host.replies["/y"] = Reply(302, {"Location": f"{host.url}/y.gguf"})
    it = at(download_hosts="127.0.0.1 *")
    assert it.refused(f"{host.url}/x").code == "DOWNLOAD_FORBIDDEN_REDIRECT"
    assert it.found(f"{host.url}/y").size == len(BYTES)


def test_plain_http_and_private_addresses_want_their_setting(at, host):
    it = at(outbound_allow_private=False)
    assert it.refused(f"{host.url}/x").code == "DOWNLOAD_INVALID_URL"
    error = it.refused(f"https://127.0.0.1:{host.port}/x")
    assert error.code in {"DOWNLOAD_INVALID_URL", "DOWNLOAD_BLOCKED_ADDRESS"}
    assert host.requests == []


@pytest.fixture
def everything():
    settings = Settings(download_hosts="files.example *.more.example", object_stores="s3://cold")
    return sources(settings, StreamsWeb(Streams(Rules.of(settings))), {}, hub_token=None)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://huggingface.co/o/r", "huggingface"),
        ("o/r/x.safetensors", "huggingface"),
        ("https://civitai.com/models/1", "civitai"),
        ("urn:air:sdxl:lora:civitai:1@2", "civitai"),
        ("https://github.com/o/r/releases/download/v/x", "github"),
        ("s3://cold/x", "objects"),
        ("s3://other/x", "objects"),
        ("https://files.example/x", "web"),
        ("https://a.more.example/x", "web"),
    ],
)
def test_whose_link_it_is(everything, url, name):
    assert claimed(url, everything).name == name


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://other.example/x", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("https://huggingface.co.evil.example/o/r/resolve/main/x.gguf", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("https://hugg\u0456ngface.co/o/r/resolve/main/x.gguf", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("https://huggingface.co@evil.example/o/r", "DOWNLOAD_INVALID_URL"),
        ("https://files.example./x", "DOWNLOAD_INVALID_URL"),
        ("https://files%2eexample/x", "DOWNLOAD_INVALID_URL"),
        ("https://169.254.169.254/x", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("file:///etc/passwd", "DOWNLOAD_INVALID_URL"),
        ("urn:air:sdxl:lora:elsewhere:1", "DOWNLOAD_INVALID_URL"),
        ("model", "DOWNLOAD_INVALID_URL"),
    ],
)
def test_links_that_are_nobodys(everything, url, code):
    with pytest.raises(DownloadError) as caught:
        claimed(url, everything)
    assert caught.value.code == code
    if code == "DOWNLOAD_FORBIDDEN_DOMAIN":
        assert "files.example" in caught.value.message
        assert "huggingface.co" in caught.value.details["allowed"]
        assert "download_hosts" in caught.value.hint


def test_nothing_is_asked_of_hosts_that_a_star_does_not_mean():
    settings = Settings(download_hosts="*")
    web = StreamsWeb(Streams(Rules.of(settings)))
    with pytest.raises(DownloadError) as caught:
        claimed("https://10.0.0.1/x", sources(settings, web, {}, hub_token=None))
    assert caught.value.code == "DOWNLOAD_FORBIDDEN_DOMAIN"
    source = claimed("https://any.example/x", sources(settings, web, {}, hub_token=None))
    assert source.name == "web"
