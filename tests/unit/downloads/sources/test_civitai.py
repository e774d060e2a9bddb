"""Civitai: links, files, scans, early access, and where its redirects may lead; against a stand-in."""

from datetime import datetime, timezone

import pytest
from backplane.downloads.sources.civitai import Civitai, is_delivery
from backplane.downloads.sources.civitai_links import read
from backplane.downloads.trouble import DownloadError

BYTES = b"model " * 1000
NOW = datetime(2026, 11, 22, tzinfo=timezone.utc).timestamp()


@pytest.fixture
def at(desk, civitai):
    """Give a desk whose Civitai is the stand-in."""

    def make(**options):
        return desk(
            lambda it: Civitai(
                it.settings,
                it.web,
                it.tokens,
                origin=civitai.url,
                delivery=("127.0.0.1",),
                now=lambda: NOW,
            ),
            **options,
        )

    return make


@pytest.mark.parametrize(
    ("url", "host", "model", "version", "asked"),
    [
        ("https://civitai.com/models/12", "civitai.com", 12, None, {}),
        ("https://civitai.com/models/12/some-name", "civitai.com", 12, None, {}),
        ("https://www.civitai.com/models/12?modelVersionId=34", "civitai.com", 12, 34, {}),
        ("https://civitai.red/models/12/x?modelVersionId=34#top", "civitai.red", 12, 34, {}),
        ("https://civitai.green/api/download/models/34", "civitai.green", None, 34, {}),
        (
            "https://civitai.com/api/download/models/34?type=Model&format=SafeTensor&size=pruned&fp=fp16",
            "civitai.com",
            None,
            34,
            {"type": "Model", "format": "SafeTensor", "size": "pruned", "fp": "fp16"},
        ),
        ("https://civitai.com/api/download/models/34?fileId=5", "civitai.com", None, 34, {"fileId": "5"}),
        ("https://civitai.com/api/v1/model-versions/34", "civitai.com", None, 34, {}),
        ("https://civitai.com/api/v1/models/12", "civitai.com", 12, None, {}),
        ("urn:air:sdxl:lora:civitai:12@34", "civitai.com", 12, 34, {}),
        ("urn:air:flux1:checkpoint:civitai:12", "civitai.com", 12, None, {}),
    ],
)
def test_all_forms_of_links(url, host, model, version, asked):
    file = read(url)
    assert (file.host, file.model, file.version, file.asked) == (host, model, version, asked)


@pytest.mark.parametrize(
    "url",
    [
        "https://civitai.com/",
        "https://civitai.com/images/12",
        "https://civitai.com/models/abc",
        "https://civitai.com/user/x",
        "urn:air:sdxl:lora:huggingface:12@34",
        "urn:air:sdxl:lora:civitai:12@34\n",
        "https://civitai.com.evil.example/models/12",
    ],
)
def test_what_is_no_model(url):
    with pytest.raises(DownloadError) as caught:
        read(url)
    assert caught.value.code == "DOWNLOAD_INVALID_URL"


@pytest.mark.parametrize(
    ("url", "claimed"),
    [
        ("https://civitai.com/images/1", True),
        ("urn:air:sdxl:lora:civitai:1@2", True),
        ("urn:air:sdxl:lora:leonardo:1@2", False),
        ("https://civitai.com.evil.example/models/1", False),
        ("https://civitai.com@evil.example/models/1", False),
        ("https://evilcivitai.com/models/1", False),
        ("https://civitai.com./models/1", False),
    ],
)
def test_which_links_are_its_own(at, url, claimed):
    assert at().source.claims(url) is claimed


def test_the_facts_of_a_file(at, civitai):
    number = civitai.add(12, 34, "detail.safetensors", BYTES, trainedWords=["sks, style", "glow"])
    it = at()
    found = it.found("https://civitai.com/models/12?modelVersionId=34")
    assert found.link == f"{civitai.url}/api/download/models/34?fileId={number}"
    assert found.filename == "detail.safetensors"
    assert found.identity == f"civitai:{number}:{found.sha256}"
    assert found.sha256 == found.sha256.lower()
    assert found.size is None  # sizeKB is rounded
    assert abs(found.facts["about_bytes"] - len(BYTES)) <= 1
    assert (found.folder, found.base_model, found.trigger_words) == (
        "loras",
        "SDXL 1.0",
        ("sks, style", "glow"),
    )
    assert (found.scan, found.notes, found.revision) == ("clean", (), "34")
    assert found.page == f"{civitai.url}/models/12?modelVersionId=34"
    assert civitai.downloads == {}  # the API was asked, the download link was not


def test_one_request_to_the_download_link_for_each_attempt(at, civitai):
    civitai.add(12, 34, "detail.safetensors", BYTES)
    civitai.tokens.add("civ_good")
    it = at(civitai_token="civ_good")
    found = it.found("https://civitai.com/models/12?modelVersionId=34")
    assert it.fetch(found) == (200, BYTES)
    assert civitai.downloads == {34: 1}
    assert it.fetch(found, Range="bytes=100-")[0] == 206
    assert civitai.downloads == {34: 2}
    asked = [request for request in civitai.requests if "/api/download/" in request.path]
    assert {request.method for request in civitai.requests + civitai.store_requests} == {"GET"}
    assert all(request.token == "civ_good" for request in asked)
    assert all("token" not in request.query for request in civitai.requests)
    assert all(request.token is None for request in civitai.store_requests)


def test_a_link_that_expired_is_asked_for_anew(at, civitai):
    civitai.add(12, 34, "detail.safetensors", BYTES)
    it = at()
    found = it.found("https://civitai.com/models/12")
    assert it.fetch(found)[0] == 200
    civitai.expire()
    assert it.fetch(found) == (200, BYTES)


def test_the_newest_version_is_meant_without_one(at, civitai):
    civitai.add(12, 34, "old.safetensors", BYTES)
    civitai.add(12, 36, "draft.safetensors", BYTES, status="Draft")
    civitai.add(12, 35, "new.safetensors", BYTES, status="Published")
    assert at().found("https://civitai.com/models/12/name").filename == "new.safetensors"
    assert at().found("urn:air:sdxl:lora:civitai:12@34").filename == "old.safetensors"


def test_which_of_several_files(at, civitai):
    civitai.add(12, 34, "big.safetensors", BYTES, kind="Checkpoint", file={"metadata": {"fp": "fp32"}})
    second = civitai.add(12, 34, "small.safetensors", BYTES[:99], file={"metadata": {"fp": "fp16"}})
    civitai.add(12, 34, "some.vae.pt", BYTES, file={"type": "VAE"})
    it = at()
    base = "https://civitai.com/api/download/models/34"
    assert it.found(base).filename == "big.safetensors"
    assert it.found(base).folder == "checkpoints"
    assert it.found(f"{base}?type=Model&fp=FP16").facts["file_id"] == second
    assert it.found(f"{base}?fileId={second}").filename == "small.safetensors"
    assert it.found(f"{base}?type=VAE").folder == "vae"
    error = it.refused(f"{base}?fileId=1")
    assert error.code == "DOWNLOAD_NOT_FOUND"
    assert error.details["files"][0]["filename"] == "big.safetensors"


@pytest.mark.parametrize(
    ("kind", "folder"),
    [
        ("Checkpoint", "checkpoints"),
        ("LORA", "loras"),
        ("LoCon", "loras"),
        ("DoRA", "loras"),
        ("TextualInversion", "embeddings"),
        ("VAE", "vae"),
        ("Controlnet", "controlnet"),
        ("Upscaler", "upscale_models"),
        ("Workflows", None),
    ],
)
def test_the_folder_by_the_type(at, civitai, kind, folder):
    civitai.add(12, 34, "x.safetensors", BYTES, kind=kind)
    assert at().found("https://civitai.com/models/12").folder == folder


def test_what_the_scanners_found(at, civitai):
    civitai.add(
        1, 1, "a.safetensors", BYTES, file={"pickleScanResult": "Danger", "pickleScanMessage": "os.system"}
    )
    civitai.add(2, 2, "b.safetensors", BYTES, file={"virusScanResult": "Danger"})
    civitai.add(3, 3, "c.safetensors", BYTES, file={"virusScanResult": "Pending"})
    civitai.add(4, 4, "d.safetensors", BYTES, file={"pickleScanResult": "Error"})
    it = at()
    error = it.refused("https://civitai.com/models/1")
    assert (error.code, error.details["said"]) == ("DOWNLOAD_SCAN_FLAGGED", "os.system")
    assert it.refused("https://civitai.com/models/2").code == "DOWNLOAD_SCAN_FLAGGED"
    pending, failed = it.found("https://civitai.com/models/3"), it.found("https://civitai.com/models/4")
    assert (pending.scan, "not finished" in pending.notes[0]) == ("pending", True)
    assert (failed.scan, "failed" in failed.notes[0]) == ("unknown", True)


def test_early_access_without_a_token_and_with_one(at, civitai):
    civitai.add(
        1, 1, "a.safetensors", BYTES, availability="EarlyAccess", earlyAccessEndsAt="2026-12-01T00:00:00Z"
    )
    error = at().refused("https://civitai.com/models/1")
    assert (error.code, error.details["deadline"]) == ("DOWNLOAD_EARLY_ACCESS", "2026-12-01T00:00:00Z")
    civitai.tokens.add("civ_good")
    found = at(civitai_token="civ_good").found("https://civitai.com/models/1")
    assert "early access until 2026-12-01" in found.notes[0]


def test_early_access_that_is_over(at, civitai):
    civitai.add(
        1, 1, "a.safetensors", BYTES, availability="EarlyAccess", earlyAccessEndsAt="2026-11-01T00:00:00Z"
    )
    assert at().found("https://civitai.com/models/1").notes == ()


def test_models_that_may_not_be_downloaded(at, civitai):
    civitai.add(1, 1, "a.safetensors", BYTES, usageControl="Generation")
    civitai.add(2, 2, "b.safetensors", BYTES)
    civitai.describe(2, mode="TakenDown")
    it = at()
    assert it.refused("https://civitai.com/models/1").code == "DOWNLOAD_UPSTREAM_FORBIDDEN"
    assert it.refused("https://civitai.com/models/2").code == "DOWNLOAD_GONE"
    assert it.refused("https://civitai.com/models/3").code == "DOWNLOAD_NOT_FOUND"
    assert it.refused("https://civitai.com/api/download/models/3").code == "DOWNLOAD_NOT_FOUND"


def test_the_licence_is_told(at, civitai):
    civitai.add(1, 1, "a.safetensors", BYTES)
    civitai.describe(1, allowCommercialUse=["RentCivit"], allowNoCredit=False, allowDerivatives=False)
    found = at().found("https://civitai.com/models/1")
    assert found.licence == "Civitai; commercial use: RentCivit"
    assert "The licence forbids selling images made with it." in found.notes
    assert "The licence wants its maker to be named." in found.notes
    assert "The licence forbids merges." in found.notes


def test_a_token_in_a_link_is_neither_used_nor_kept(at, civitai):
    civitai.add(1, 1, "a.safetensors", BYTES)
    it = at(secrets=["pasted-secret"])
    found = it.found("https://civitai.com/api/download/models/1?token=pasted-secret&type=Model")
    assert any("token in the link" in note for note in found.notes)
    it.fetch(found)
    assert "pasted-secret" not in repr([civitai.requests, civitai.store_requests])


def test_a_wrong_hash_of_the_api_is_left_out(at, civitai):
    civitai.add(1, 1, "a.safetensors", BYTES, file={"hashes": {"SHA256": "ABC", "AutoV2": "1234"}})
    found = at().found("https://civitai.com/models/1")
    assert (found.sha256, found.identity) == (None, None)


@pytest.mark.parametrize(
    ("answer", "code", "hint"),
    [
        ((401, {"error": "Unauthorized"}), "DOWNLOAD_AUTH_REQUIRED", "civitai_token"),
        ((403, {"error": "Early Access", "deadline": "2026-12-01"}), "DOWNLOAD_EARLY_ACCESS", "Buy it"),
        ((403, {"error": "Forbidden"}), "DOWNLOAD_UPSTREAM_FORBIDDEN", "/models/1"),
        ((404, {"error": "File not found"}), "DOWNLOAD_NOT_FOUND", ""),
        ((410, {"error": "Model archived"}), "DOWNLOAD_GONE", ""),
        ((429, {"error": "Unusual amount of downloading"}), "DOWNLOAD_UPSTREAM_RATE_LIMITED", ""),
        ((503, {}), "DOWNLOAD_UPSTREAM_ERROR", ""),
    ],
)
def test_why_a_download_was_refused(at, civitai, answer, code, hint):
    civitai.add(1, 1, "a.safetensors", BYTES)
    it = at()
    found = it.found("https://civitai.com/models/1")
    civitai.refuse_with = answer
    status, body = it.fetch(found)
    assert status == answer[0]
    error = it.explained(found, body)
    assert error.code == code
    assert hint in (error.hint or "")


def test_the_user_agent_is_not_taken_for_a_browser(at, civitai):
    civitai.add(1, 1, "a.safetensors", BYTES)
    civitai.refuse_with = (401, {"error": "Unauthorized"})
    it = at()
    assert it.fetch(it.found("https://civitai.com/models/1"))[0] == 401


def test_redirects_lead_to_its_own_buckets_only(at, civitai):
    civitai.add(1, 1, "a.safetensors", BYTES)
    civitai.bucket = "somebody-elses"
    it = at()
    found = it.found("https://civitai.com/models/1")
    with pytest.raises(Exception, match="may not lead") as caught:
        it.fetch(found)
    assert caught.value.kind == "hop_refused"
    assert civitai.store_requests == []


ACCOUNT = "5ac0637cfd0766c97916cefa3764fbdf"
SIGNED = "?X-Amz-Expires=86400&X-Amz-Signature=abc"


@pytest.mark.parametrize(
    ("url", "yes"),
    [
        (f"https://civitai-delivery-worker-prod.{ACCOUNT}.r2.cloudflarestorage.com/x{SIGNED}", True),
        (f"https://{ACCOUNT}.r2.cloudflarestorage.com/civitai-prod/x{SIGNED}", True),
        (f"https://s3.us-west-004.backblazeb2.com/civitai-modelfiles/x{SIGNED}", True),
        (f"https://civitai-modelfiles.s3.us-west-004.backblazeb2.com/x{SIGNED}", True),
        ("https://civitai-modelfiles.f004.backblazeb2.com/x?Authorization=abc", True),
        ("https://f004.backblazeb2.com/file/civitai-modelfiles/x?Authorization=abc", True),
        (f"https://civitai-x.{ACCOUNT}.r2.cloudflarestorage.com/x", False),
        (f"https://civitai-x.{ACCOUNT}.r2.cloudflarestorage.com/x?X-Amz-Signature=", False),
        (f"https://evil.{ACCOUNT}.r2.cloudflarestorage.com/civitai-prod/x{SIGNED}", False),
        (f"https://{ACCOUNT}.r2.cloudflarestorage.com/evil/civitai-prod/x{SIGNED}", False),
        (f"https://{ACCOUNT}.r2.cloudflarestorage.com/civitai-prod{SIGNED}", False),
        (f"https://civitai-x.{ACCOUNT}.r2.cloudflarestorage.com.evil.example/x{SIGNED}", False),
        (f"https://civitai-x.evil.example/x{SIGNED}", False),
        (f"https://f004.backblazeb2.com/civitai-modelfiles/x{SIGNED}", False),
        (f"https://f004.backblazeb2.com/file/evil/x{SIGNED}", False),
        (f"https://127.0.0.1/civitai-prod/x{SIGNED}", False),
    ],
)
def test_its_buckets(url, yes):
    assert is_delivery(url) is yes
