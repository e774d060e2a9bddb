"""GitHub: releases, single files, private repositories; against a stand-in."""

import hashlib

import pytest
from backplane.downloads.sources.github import GitHub

BYTES = b"model " * 1000
RELEASES = "https://github.com/o/r/releases"


@pytest.fixture
def at(desk, github):
    """Give a desk whose GitHub is the stand-in."""

    def make(**options):
        return desk(
            lambda it: GitHub(it.settings, it.web, it.tokens, origin=github.url, api=github.api_url),
            **options,
        )

    return make


def test_a_file_of_a_release(at, github):
    number = github.add("o/r", "v0.1.0", "RealESRGAN_x4.safetensors", BYTES)
    it = at()
    found = it.found(f"{RELEASES}/download/v0.1.0/RealESRGAN_x4.safetensors")
    assert found.link == f"{github.url}/o/r/releases/download/v0.1.0/RealESRGAN_x4.safetensors"
    assert (found.size, found.sha256) == (len(BYTES), hashlib.sha256(BYTES).hexdigest())
    assert (found.identity, found.revision) == (f"github:o/r:{number}", "v0.1.0")
    assert found.page == f"{github.url}/o/r/releases/tag/v0.1.0"
    assert it.fetch(found) == (200, BYTES)
    assert it.fetch(found, Range="bytes=5999-")[1] == BYTES[5999:]


def test_the_latest_release_is_pinned(at, github):
    github.add("o/r", "v1", "a b.safetensors", b"old")
    github.add("o/r", "v2", "a b.safetensors", BYTES)
    it = at()
    found = it.found(f"{RELEASES}/latest/download/a%20b.safetensors")
    github.add("o/r", "v3", "a b.safetensors", b"newer")
    assert (found.revision, found.filename) == ("v2", "a b.safetensors")
    assert it.fetch(found) == (200, BYTES)


def test_an_older_release_has_no_digest(at, github):
    github.add("o/r", "v1", "a.pth", BYTES, digest=False)
    found = at().found(f"{RELEASES}/download/v1/a.pth")
    assert (found.sha256, found.size) == (None, len(BYTES))


def test_a_release_is_a_choice(at, github):
    github.add("o/r", "v1", "a.pth", BYTES)
    github.add("o/r", "v1", "b.pth", BYTES)
    it = at()
    error = it.refused(f"{RELEASES}/tag/v1")
    assert (error.code, error.details["total"]) == ("DOWNLOAD_INVALID_URL", 2)
    assert it.found(error.details["files"][1]["url"]).filename == "b.pth"


def test_what_is_not_there(at, github):
    github.add("o/r", "v1", "model.pth", BYTES)
    it = at()
    error = it.refused(f"{RELEASES}/download/v1/modell.pth")
    assert (error.code, error.details["close_matches"]) == ("DOWNLOAD_NOT_FOUND", ["model.pth"])
    error = it.refused(f"{RELEASES}/download/v9/model.pth")
    assert (error.code, "github_token" in error.hint) == ("DOWNLOAD_NOT_FOUND", True)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/",
        "https://github.com/o/r",
        "https://github.com/o/r/archive/refs/tags/v1.zip",
        "https://github.com/o/r/issues/1",
        "https://github.com/o/r%20x/releases/download/v1/a.pth",
        "https://raw.githubusercontent.com/o/r",
    ],
)
def test_what_is_no_file(at, url):
    assert at().refused(url).code == "DOWNLOAD_INVALID_URL"


@pytest.mark.parametrize(
    ("url", "claimed"),
    [
        ("https://github.com/o/r", True),
        ("https://raw.githubusercontent.com/o/r/main/a", True),
        ("https://objects.githubusercontent.com/x", False),
        ("https://github.com.evil.example/o/r", False),
        ("https://github.com@evil.example/o/r", False),
        ("https://gist.github.com/o/1", False),
    ],
)
def test_which_links_are_its_own(at, url, claimed):
    assert at().source.claims(url) is claimed


def test_a_private_repository_comes_through_the_api(at, github):
    github.add("o/r", "v1", "a.safetensors", BYTES, private=True)
    github.tokens.add("gh_good")
    assert at().refused(f"{RELEASES}/download/v1/a.safetensors").code == "DOWNLOAD_NOT_FOUND"
    it = at(github_token="gh_good")
    found = it.found(f"{RELEASES}/download/v1/a.safetensors")
    assert it.fetch(found) == (200, BYTES)
    assert {request.token for request in github.api_requests} == {None, "gh_good"}
    assert github.api_requests[-1].headers["accept"] == "application/octet-stream"
    assert all(request.token is None for request in github.requests + github.store_requests)


def test_a_token_that_is_not_valid(at, github):
    github.add("o/r", "v1", "a.safetensors", BYTES)
    error = at(github_token="gh_gone").refused(f"{RELEASES}/download/v1/a.safetensors")
    assert (error.code, "does not know the token" in error.message) == ("DOWNLOAD_AUTH_REQUIRED", True)


def test_an_api_that_is_asked_too_often_costs_only_the_facts(at, github):
    github.add("o/r", "v1", "a.safetensors", BYTES)
    github.limited = True
    it = at()
    found = it.found(f"{RELEASES}/download/v1/a.safetensors")
    assert (found.size, found.sha256, found.identity) == (None, None, None)
    assert "asked too often" in found.notes[0]
    assert it.fetch(found) == (200, BYTES)
    error = it.refused(f"{RELEASES}/tag/v1")
    assert (error.code, error.retryable) == ("DOWNLOAD_UPSTREAM_RATE_LIMITED", True)


@pytest.mark.parametrize(
    "url",
    [
        "https://raw.githubusercontent.com/o/r/main/vae/a%20b.safetensors",
        "https://raw.githubusercontent.com/o/r/refs/heads/main/vae/a%20b.safetensors",
        "https://github.com/o/r/blob/main/vae/a%20b.safetensors",
        "https://github.com/o/r/raw/refs/heads/main/vae/a%20b.safetensors",
    ],
)
def test_a_file_of_a_repository(at, github, url):
    github.add_file("o/r", "main", "vae/a b.safetensors", BYTES)
    it = at()
    found = it.found(url)
    assert (found.filename, found.size, found.folder) == ("a b.safetensors", len(BYTES), "vae")
    assert (found.identity, found.revision) == (None, "main")
    assert it.fetch(found) == (200, BYTES)


def test_a_file_that_a_repository_has_not(at, github):
    github.add_file("o/r", "main", "a.safetensors", BYTES)
    assert at().refused("https://github.com/o/r/blob/main/b.safetensors").code == "DOWNLOAD_NOT_FOUND"


def test_why_the_bytes_were_refused(at, github):
    github.add("o/r", "v1", "a.safetensors", BYTES)
    it = at()
    found = it.found(f"{RELEASES}/download/v1/a.safetensors")
    assert it.source.explain(found, 404, {}).code == "DOWNLOAD_NOT_FOUND"
    assert it.source.explain(found, 403, {"x-ratelimit-remaining": "0"}).retryable
