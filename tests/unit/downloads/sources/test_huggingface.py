"""Hugging Face: links, facts, refusals told apart; against a stand-in on the loopback."""

import pytest
from backplane.downloads.plan import Wanted
from backplane.downloads.sources.hub_links import read
from backplane.downloads.sources.huggingface import HuggingFace
from backplane.downloads.stopping import Stopper
from backplane.downloads.trouble import DownloadError, Stopped
from backplane.settings import Settings

BYTES = b"model " * 1000
REPO = "Comfy-Org/flux"
PATH = "split_files/vae/ae.safetensors"


@pytest.fixture
def at(desk, hub):
    """Give a desk whose HF_ENDPOINT is the stand-in."""

    def make(**options):
        environ = {"HF_ENDPOINT": hub.url, "HF_HOME": "/nowhere", **options.pop("environ", {})}
        return desk(
            lambda it: HuggingFace(it.settings, it.web, it.tokens, it.environ), environ=environ, **options
        )

    return make


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://huggingface.co/o/r/resolve/main/a/b.safetensors",
            ("models", "o/r", "main", "a/b.safetensors"),
        ),
        ("https://huggingface.co/o/r/resolve/main/b.gguf?download=true", ("models", "o/r", "main", "b.gguf")),
        ("https://huggingface.co/o/r/blob/v1.0/b.gguf#L1", ("models", "o/r", "v1.0", "b.gguf")),
        ("https://huggingface.co/o/r/raw/main/b.json", ("models", "o/r", "main", "b.json")),
        ("http://hf.co/o/r/resolve/main/b.gguf", ("models", "o/r", "main", "b.gguf")),
        ("https://www.huggingface.co/o/r/resolve/main/b.gguf", ("models", "o/r", "main", "b.gguf")),
        ("https://huggingface.co/gpt2/resolve/main/b.gguf", ("models", "gpt2", "main", "b.gguf")),
        ("https://huggingface.co/datasets/o/r/resolve/main/b.bin", ("datasets", "o/r", "main", "b.bin")),
        ("https://huggingface.co/spaces/o/r/blob/main/b.pt", ("spaces", "o/r", "main", "b.pt")),
        ("https://huggingface.co/o/r/resolve/refs%2Fpr%2F3/b.gguf", ("models", "o/r", "refs/pr/3", "b.gguf")),
        ("https://huggingface.co/o/r/resolve/refs/pr/3/b.gguf", ("models", "o/r", "refs/pr/3", "b.gguf")),
        ("https://huggingface.co/o/r/resolve/main/a%20b.gguf", ("models", "o/r", "main", "a b.gguf")),
        ("hf://o/r/a/b.gguf", ("models", "o/r", "main", "a/b.gguf")),
        ("hf://o/r@v2/a/b.gguf", ("models", "o/r", "v2", "a/b.gguf")),
        ("hf://o/r/a/b.gguf@v2", ("models", "o/r", "v2", "a/b.gguf")),
        ("hf://datasets/o/r@refs%2Fpr%2F1/b.gguf", ("datasets", "o/r", "refs/pr/1", "b.gguf")),
        ("o/r/a/b.safetensors", ("models", "o/r", "main", "a/b.safetensors")),
    ],
)
def test_all_forms_of_links_to_a_file(url, expected):
    file = read(url)
    assert (file.kind, file.repo, file.revision, file.path) == expected
    assert file.is_file


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://huggingface.co/o/r", ""),
        ("https://huggingface.co/o/r/tree/main", ""),
        ("https://huggingface.co/o/r/tree/main/vae", "vae"),
        ("hf://o/r", ""),
    ],
)
def test_links_to_a_repository_or_a_folder(url, path):
    assert (read(url).path, read(url).is_file) == (path, False)


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/",
        "https://huggingface.co/Comfy-Org",
        "https://huggingface.co/docs/hub/index",
        "https://huggingface.co/docs/hub",
        "https://huggingface.co/o/r/discussions/1",
        "https://huggingface.co/o/r%2F..%2Fx/resolve/main/a.gguf",
        "https://huggingface.co/o/r/resolve/main/..%2f..%2fa.gguf",
        "https://huggingface.co.evil.example/o/r/resolve/main/a.gguf",
        "hf://o",
        "hf://o/../r/a.gguf",
        "hf://o/r/a b.gguf?x",
    ],
)
def test_what_is_no_file_of_the_hub(url):
    with pytest.raises(DownloadError) as caught:
        read(url)
    assert caught.value.code == "DOWNLOAD_INVALID_URL"


@pytest.mark.parametrize(
    ("url", "claimed"),
    [
        ("https://huggingface.co/o/r", True),
        ("https://hf.co/o/r", True),
        ("hf://o/r/x.gguf", True),
        ("org/repo/file.safetensors", True),
        ("example.com/repo/file.safetensors", False),
        ("models/file.safetensors", False),
        ("org/repo/file.txt", False),
        ("../repo/file.safetensors", False),
        ("org/../x/file.safetensors", False),
        ("https://huggingface.co.evil.example/o/r/resolve/main/x.gguf", False),
        ("https://huggingface.co@evil.example/o/r/resolve/main/x.gguf", False),
        ("https://huggingface.co./o/r/resolve/main/x.gguf", False),
        ("https://huggingface%2eco/o/r/resolve/main/x.gguf", False),
    ],
)
def test_which_links_are_its_own(at, url, claimed):
    assert at().source.claims(url) is claimed


def test_the_facts_of_a_file(at, hub):
    sha256 = hub.add(REPO, PATH, BYTES)
    hub.describe(
        REPO, license="other", license_name="flux-dev", base_model=["a/b", "c/d"], instance_prompt="sks"
    )
    it = at(hf_token="hf_good")
    hub.tokens.add("hf_good")
    found = it.found(f"https://huggingface.co/{REPO}/blob/main/{PATH}")
    commit = hub.commit(REPO)
    assert found.link == f"{hub.url}/{REPO}/resolve/{commit}/{PATH}"
    assert (found.sha256, found.size, found.filename) == (sha256, len(BYTES), "ae.safetensors")
    assert found.identity == f"hf:{REPO}@{commit}:{PATH}"
    assert (found.revision, found.folder, found.host) == (commit, "vae", "127.0.0.1")
    assert (found.licence, found.base_model, found.trigger_words) == ("flux-dev", "a/b, c/d", ("sks",))
    assert (found.page, found.gated, found.notes) == (f"{hub.url}/{REPO}", False, ())
    assert hub.cdn_requests == []  # its redirect was looked at, not followed


def test_the_bytes_come_without_the_token_reaching_the_cdn(at, hub):
    hub.add(REPO, PATH, BYTES)
    hub.gate(REPO, granted=["hf_good"])
    it = at(hf_token="hf_good")
    found = it.found(f"hf://{REPO}/{PATH}")
    assert found.gated
    assert it.fetch(found) == (200, BYTES)
    assert it.fetch(found, Range="bytes=5990-")[1] == BYTES[5990:]
    assert hub.requests[-1].token == "hf_good"
    assert all(request.token is None for request in hub.cdn_requests)


def test_a_branch_that_moves_on_does_not_change_what_is_fetched(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at()
    found = it.found(f"hf://{REPO}/{PATH}")
    hub.add(REPO, PATH, b"other")
    assert it.fetch(found) == (200, BYTES)
    assert it.found(f"hf://{REPO}/{PATH}").identity != found.identity


def test_the_token_is_read_anew_for_each_address(at, hub, tmp_path):
    hub.add(REPO, PATH, BYTES)
    hub.gate(REPO, granted=["hf_new"])
    hub.tokens.add("hf_old")
    (tmp_path / "token").write_text("hf_new")
    it = at(environ={"HF_HOME": str(tmp_path)}, secrets=["hf_new", "hf_old"])
    found = it.found(f"hf://{REPO}/{PATH}")
    (tmp_path / "token").write_text("hf_old")
    assert it.fetch(found)[0] == 403
    (tmp_path / "token").write_text("hf_new")
    assert it.fetch(found) == (200, BYTES)


def test_an_expired_link_is_followed_by_a_fresh_one(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at()
    found = it.found(f"hf://{REPO}/{PATH}")
    assert it.fetch(found)[0] == 200
    hub.expire()
    assert it.fetch(found) == (200, BYTES)


def test_gits_hash_of_a_small_file_is_no_sha256(at, hub):
    hub.add(REPO, "config.json", b"{}", lfs=False)
    it = at()
    found = it.found(f"hf://{REPO}/config.json")
    assert (found.sha256, found.size) == (None, 2)
    assert found.identity is not None
    assert it.fetch(found) == (200, b"{}")


def test_a_renamed_repository_is_followed(at, hub):
    sha256 = hub.add("Old/name", PATH, BYTES)
    hub.rename("Old/name", "New/name")
    it = at()
    found = it.found(f"hf://Old/name/{PATH}")
    assert (found.sha256, found.revision) == (sha256, hub.commit("New/name"))
    assert it.fetch(found) == (200, BYTES)


def test_the_card_is_not_needed(at, hub, monkeypatch):
    sha256 = hub.add(REPO, PATH, BYTES)
    monkeypatch.setattr(hub, "_api", lambda *_: __import__("fake_http").Reply(500))
    found = at().found(f"hf://{REPO}/{PATH}")
    assert (found.sha256, found.licence) == (sha256, None)


def test_a_repository_with_several_models_is_a_choice(at, hub):
    sha256 = hub.add(REPO, "vae/a b.safetensors", BYTES)
    hub.add(REPO, "unet/b.safetensors", BYTES)
    hub.add(REPO, "README.md", b"x", lfs=False)
    it = at()
    error = it.refused(f"https://huggingface.co/{REPO}")
    assert error.code == "DOWNLOAD_INVALID_URL"
    assert error.details["total"] == 2
    first = error.details["files"][0]
    assert (first["path"], first["size"], first["sha256"]) == ("vae/a b.safetensors", len(BYTES), sha256)
    assert it.found(first["url"]).filename == "a b.safetensors"
    assert it.found(f"https://huggingface.co/{REPO}/tree/main/unet").filename == "b.safetensors"


def test_the_only_model_of_a_repository_is_meant(at, hub):
    hub.add(REPO, "lora.safetensors", BYTES)
    hub.add(REPO, "README.md", b"x", lfs=False)
    found = at().found(f"https://huggingface.co/{REPO}")
    assert (found.filename, found.folder) == ("lora.safetensors", "loras")


def test_a_repository_without_models(at, hub):
    hub.add(REPO, "README.md", b"x", lfs=False)
    error = at().refused(f"https://huggingface.co/{REPO}")
    assert (error.code, error.details["files"]) == ("DOWNLOAD_INVALID_URL", [])


def test_gated_without_a_token(at, hub):
    hub.add(REPO, PATH, BYTES)
    hub.gate(REPO)
    error = at().refused(f"hf://{REPO}/{PATH}")
    assert error.code == "DOWNLOAD_AUTH_REQUIRED"
    assert "hf_token" in error.hint
    assert "HF_TOKEN" in error.hint
    assert error.details["page"] == f"{hub.url}/{REPO}"


@pytest.mark.parametrize(
    ("said", "code", "access"),
    [
        (None, "DOWNLOAD_GATED", "not_granted"),
        (
            "Your request to access model x is awaiting a review from the repo authors.",
            "DOWNLOAD_GATED",
            "pending",
        ),
        (
            "Your request to access model x has been rejected by the repo's authors.",
            "DOWNLOAD_GATED",
            "rejected",
        ),
        (
            "Please enable access to public gated repositories in your fine-grained token settings.",
            "DOWNLOAD_AUTH_REQUIRED",
            None,
        ),
    ],
)
def test_gated_with_a_token(at, hub, said, code, access):
    hub.add(REPO, PATH, BYTES)
    hub.gate(REPO, said=said)
    hub.tokens.add("hf_stranger")
    error = at(hf_token="hf_stranger").refused(f"hf://{REPO}/{PATH}")
    assert (error.code, error.details.get("access")) == (code, access)
    assert error.details["page"] == f"{hub.url}/{REPO}"


def test_a_token_that_is_not_valid(at, hub):
    hub.add(REPO, PATH, BYTES)
    error = at(hf_token="hf_gone").refused(f"hf://{REPO}/{PATH}")
    assert error.code == "DOWNLOAD_AUTH_REQUIRED"
    assert "does not know the token" in error.message


def test_a_repository_that_cannot_be_seen(at, hub):
    hub.add(REPO, PATH, BYTES)
    hub.hide(REPO, shown_to=["hf_owner"])
    hub.tokens.add("hf_other")
    without = at().refused(f"hf://{REPO}/{PATH}")
    other = at(hf_token="hf_other").refused(f"hf://{REPO}/{PATH}")
    assert without.code == other.code == "DOWNLOAD_NOT_FOUND"
    assert "HF_TOKEN" in without.hint
    assert "account" in other.hint
    assert at(hf_token="hf_owner").found(f"hf://{REPO}/{PATH}").size == len(BYTES)


def test_no_such_revision_or_file(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at()
    error = it.refused(f"hf://{REPO}@v9/{PATH}")
    assert (error.code, "revision v9" in error.message) == ("DOWNLOAD_NOT_FOUND", True)
    error = it.refused(f"hf://{REPO}/split_files/vae/aa.safetensors")
    assert error.code == "DOWNLOAD_NOT_FOUND"
    assert error.details["close_matches"] == [PATH]


def test_offline(at, hub):
    hub.add(REPO, PATH, BYTES)
    found = at().found(f"hf://{REPO}/{PATH}")
    seen = len(hub.requests)
    it = at(environ={"HF_HUB_OFFLINE": "1"})
    assert it.refused(f"hf://{REPO}/{PATH}").code == "DOWNLOAD_OFFLINE"
    with pytest.raises(DownloadError) as caught:
        it.source.address(found, it.stop)
    assert caught.value.code == "DOWNLOAD_OFFLINE"
    assert len(hub.requests) == seen


def test_a_mirror_must_be_among_the_hosts(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at(download_hosts="elsewhere.example", hf_token="hf_x")
    error = it.refused(f"hf://{REPO}/{PATH}")
    assert error.code == "DOWNLOAD_FORBIDDEN_DOMAIN"
    assert "HF_ENDPOINT" in error.hint
    assert hub.requests == []


def test_a_mirror_on_plain_http_gets_no_token_unless_private_networks_are_allowed(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at(hf_token="hf_x", outbound_allow_private=False)
    found = it.found(f"hf://{REPO}/{PATH}")  # reached, because the owner named it
    assert it.fetch(found) == (200, BYTES)
    assert hub.requests
    assert all(request.token is None for request in hub.requests)


def test_a_stopped_download_asks_nothing(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at()
    it.stop.stop()
    with pytest.raises(Stopped):
        it.source.resolve(Wanted(f"hf://{REPO}/{PATH}"), it.stop)
    assert hub.requests == []


def test_the_real_hub_is_meant_without_a_variable(desk):
    it = desk(lambda it: HuggingFace(it.settings, it.web, it.tokens, {}))
    asked = []

    class Watching:
        def ask(self, question, stop):
            asked.append(question)
            raise DownloadError("DOWNLOAD_NETWORK_ERROR", "no network here")

    source = HuggingFace(Settings(hf_token="hf_x"), Watching(), it.tokens, {})
    with pytest.raises(DownloadError):
        source.resolve(Wanted("hf://o/r/x.gguf"), Stopper())
    assert asked[0].url == "https://huggingface.co/o/r/resolve/main/x.gguf"
    assert (asked[0].method, asked[0].hops, asked[0].private) == ("HEAD", 0, False)


def test_why_the_cdn_refused(at, hub):
    hub.add(REPO, PATH, BYTES)
    it = at()
    found = it.found(f"hf://{REPO}/{PATH}")
    error = it.source.explain(found, 403, {"content-type": "application/xml"})
    assert error.code == "DOWNLOAD_UPSTREAM_FORBIDDEN"
    error = it.source.explain(found, 429, {"retry-after": "7"})
    assert (error.code, error.retry_after_s, error.retryable) == ("DOWNLOAD_UPSTREAM_RATE_LIMITED", 7.0, True)
    assert it.source.explain(found, 503, {}).code == "DOWNLOAD_UPSTREAM_ERROR"
