"""What comes in, looked at while it comes in: the integrity cases 55 to 61 as far as the bytes tell."""

import pytest
from backplane.downloads.content import EXCERPT_MAX, excerpt, inspector_for
from backplane.downloads.trouble import DownloadError
from backplane.errors import CODES
from backplane.modelfiles.safetensors import HEADER_MAX
from hypothesis import given, settings
from hypothesis import strategies as st
from model_bytes import HTML, framed, gguf, pickled, safetensors, text, zipped

S3 = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Request has expired</Message>
<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId><RequestId>4442587FB7D0A2F9</RequestId></Error>"""
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 123\n"


def inspect(data, suffix=".safetensors", *, piece=1 << 20, **options):
    """Feed all of *data*; give the inspector, and how many bytes it took to settle."""
    inspector = inspector_for(suffix, **options)
    settled_at = None
    for at in range(0, len(data), piece):
        inspector.feed(memoryview(data)[at : at + piece])
        if inspector.settled and settled_at is None:
            settled_at = at + len(data[at : at + piece])
    inspector.finish(len(data))
    return inspector, settled_at


def refused(data, suffix=".safetensors", **options):
    with pytest.raises(DownloadError) as caught:
        inspect(data, suffix, **options)
    assert caught.value.code in CODES
    return caught.value


@given(st.integers(1, 700))
@settings(max_examples=30, deadline=None)
def test_a_whole_safetensors_tells_its_size_in_the_header(piece):
    data = safetensors(6)
    header = 8 + int.from_bytes(data[:8], "little")
    inspector, settled_at = inspect(data, piece=piece)
    assert inspector.total == len(data)
    assert settled_at - piece < max(header, 512) <= settled_at


def test_a_flipped_byte_is_not_seen_here_but_by_its_hash():
    data = bytearray(safetensors())
    data[-1] ^= 1
    inspect(bytes(data))


ONE = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(safetensors()[:-1], "DOWNLOAD_INVALID_FORMAT", id="one byte short"),
        pytest.param(safetensors()[:100], "DOWNLOAD_INVALID_FORMAT", id="cut in its header"),
        pytest.param(safetensors()[:6], "DOWNLOAD_INVALID_FORMAT", id="cut in its length"),
        pytest.param(safetensors() + b"\0", "DOWNLOAD_INVALID_FORMAT", id="junk behind it"),
        pytest.param(b"", "DOWNLOAD_INVALID_FORMAT", id="empty"),
        pytest.param(bytes(5000), "DOWNLOAD_INVALID_FORMAT", id="zeros"),
        pytest.param(
            framed(b'{"a":' + ONE + b',"a":' + ONE + b"}", b"0000"), "DOWNLOAD_INVALID_FORMAT", id="twice"
        ),
        pytest.param(b"\xff" * 8 + b"{" + bytes(999), "DOWNLOAD_INVALID_FORMAT", id="huge header"),
        pytest.param(gguf(), "DOWNLOAD_INVALID_FORMAT", id="gguf"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(99), "DOWNLOAD_INVALID_FORMAT", id="png"),
        pytest.param(HTML, "DOWNLOAD_BAD_RESPONSE", id="web page"),
        pytest.param(HTML * 30, "DOWNLOAD_BAD_RESPONSE", id="long web page"),
        pytest.param(b'{"error":"Unauthorized"}', "DOWNLOAD_BAD_RESPONSE", id="json"),
        pytest.param(S3, "DOWNLOAD_BAD_RESPONSE", id="xml"),
        pytest.param(b"Not Found", "DOWNLOAD_BAD_RESPONSE", id="text"),
        pytest.param(LFS, "DOWNLOAD_BAD_RESPONSE", id="lfs pointer"),
        pytest.param(pickled(), "DOWNLOAD_UNSAFE_FORMAT", id="pickle"),
        pytest.param(zipped({"archive/data.pkl": pickled()}), "DOWNLOAD_UNSAFE_FORMAT", id="torch zip"),
    ],
)
def test_what_is_no_safetensors_is_refused(data, code):
    for piece in (7, 1 << 20):
        assert refused(data, piece=piece).code == code
    if code == "DOWNLOAD_UNSAFE_FORMAT":
        assert refused(data, allow_pickle=True).code == code


def test_a_web_page_is_refused_before_the_rest_is_fetched():
    inspector = inspector_for(".safetensors")
    with pytest.raises(DownloadError) as caught:
        inspector.feed(HTML * 9)
    assert "Sign in to go on" in caught.value.message


def test_a_huge_header_is_refused_at_once():
    inspector = inspector_for(".safetensors")
    with pytest.raises(DownloadError, match="claims"):
        inspector.feed((HEADER_MAX + 1).to_bytes(8, "little") + b'{"a"' + bytes(600))


@pytest.mark.parametrize("piece", [1, 100, 1 << 20])
def test_a_whole_gguf_is_taken(piece):
    inspector, settled_at = inspect(gguf(), ".gguf", piece=piece)
    assert inspector.settled
    assert settled_at is not None
    assert inspector.total is None
    inspect(gguf() + bytes(32), ".gguf")  # padding


def test_a_gguf_with_a_vocabulary_is_read_as_it_comes():
    tokens = b"".join(text(f"token{n}") for n in range(9000))
    pairs = [("tokens", 9, (8).to_bytes(4, "little") + (9000).to_bytes(8, "little") + tokens)]
    data = gguf(pairs=pairs, body=bytes(1 << 20))
    _, settled_at = inspect(data, ".gguf", piece=1000)
    assert settled_at < 5 * len(tokens)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (gguf()[:-1], "DOWNLOAD_INVALID_FORMAT"),
        (gguf()[:90], "DOWNLOAD_INVALID_FORMAT"),
        (gguf(counts=(2**60, 2**60)), "DOWNLOAD_INVALID_FORMAT"),
        (gguf(version=9), "DOWNLOAD_INVALID_FORMAT"),
        (safetensors(), "DOWNLOAD_INVALID_FORMAT"),
        (HTML, "DOWNLOAD_BAD_RESPONSE"),
        (pickled(), "DOWNLOAD_UNSAFE_FORMAT"),
        (b"", "DOWNLOAD_INVALID_FORMAT"),
    ],
    ids=["one byte short", "cut", "huge counts", "version", "safetensors", "web page", "pickle", "empty"],
)
def test_what_is_no_gguf_is_refused(data, code):
    assert refused(data, ".gguf").code == code


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".pt2", ".pkl", ".bin"])
def test_pickles_are_let_in_only_where_they_are_allowed_and_only_pickles(suffix):
    with pytest.raises(DownloadError) as caught:
        inspector_for(suffix)
    assert caught.value.code == "DOWNLOAD_UNSAFE_FORMAT"
    assert "allow_pickle" in caught.value.hint
    for data in (pickled(), zipped({"archive/data.pkl": b""})):
        inspect(data, suffix, allow_pickle=True)
    assert refused(HTML, suffix, allow_pickle=True).code == "DOWNLOAD_BAD_RESPONSE"
    assert refused(safetensors(), suffix, allow_pickle=True).code == "DOWNLOAD_INVALID_FORMAT"
    assert refused(b"", suffix, allow_pickle=True).code == "DOWNLOAD_INVALID_FORMAT"


def test_a_bin_may_hold_anything_binary():
    inspect(bytes(range(256)) * 3, ".bin", allow_pickle=True)


ONNX = b"\x08\x07\x12\x07pytorch\x1a\x052.1.0" + bytes(99)


@pytest.mark.parametrize(
    ("data", "suffix", "code"),
    [
        (ONNX, ".onnx", None),
        (HTML, ".onnx", "DOWNLOAD_BAD_RESPONSE"),
        (b'{"error":1}', ".onnx", "DOWNLOAD_BAD_RESPONSE"),
        (pickled(), ".onnx", "DOWNLOAD_UNSAFE_FORMAT"),
        (b"\x7fELF" + bytes(99), ".onnx", "DOWNLOAD_UNSAFE_FORMAT"),
        (b'{"model_type": "clip"}', ".json", None),
        (b'{"a": 1}' + b" " * 600, ".json", None),
        (b"a: 1\n", ".yaml", None),
        ("你好".encode("gb18030"), ".txt", None),
        (HTML, ".json", "DOWNLOAD_BAD_RESPONSE"),
        (S3, ".txt", "DOWNLOAD_BAD_RESPONSE"),
        (pickled(), ".txt", "DOWNLOAD_UNSAFE_FORMAT"),
        (bytes(99), ".txt", "DOWNLOAD_INVALID_FORMAT"),
        (b"\n\x0e\n\x05<unk>\x15\x00\x00", ".model", None),
        (HTML, ".model", "DOWNLOAD_BAD_RESPONSE"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), ".png", None),
        (b"\xff\xd8\xff\xe0" + bytes(99), ".png", "DOWNLOAD_INVALID_FORMAT"),
        (b"", ".txt", "DOWNLOAD_INVALID_FORMAT"),
    ],
)
def test_other_formats(data, suffix, code):
    if code is None:
        inspect(data, suffix)
        inspect(data, suffix, piece=1)
    else:
        assert refused(data, suffix).code == code


def test_a_zip_is_let_in_only_to_be_unpacked():
    inspect(zipped({"a.safetensors": safetensors()}), ".zip", unzip=True)
    assert refused(HTML, ".zip", unzip=True).code == "DOWNLOAD_BAD_RESPONSE"
    assert refused(safetensors(), ".zip", unzip=True).code == "DOWNLOAD_INVALID_FORMAT"
    for suffix in (".zip", ".exe", "", ".html", ".npz"):
        with pytest.raises(DownloadError) as caught:
            inspector_for(suffix)
        assert caught.value.code == "DOWNLOAD_UNSAFE_FORMAT"


SECRETS = [
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "AKIAIOSFODNN7EXAMPLE",
    "s3cr3t",
    "eyJhbGciOiJIUzI1NiJ9.e30.abcDEF123",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "body",
    [
        '{{"error": "bad token", "token": "{}"}}',
        "<html><body>Your token={} has expired</body></html>",
        "<Error><AWSAccessKeyId>{}</AWSAccessKeyId></Error>",
        "<p>See <a href='https://x.com/a?sig={}'>https://me:{}@x.com/a?X-Amz-Signature={}&b=c</a></p>",
        "Authorization: Bearer {} is not valid",
        '{{"message": "api_key is {}"}}',
        "<script>var t = '{}'</script><p>hello</p>",
        "password: {}",
    ],
)
def test_an_excerpt_holds_no_secret(body, secret):
    assert secret not in excerpt(body.format(*[secret] * 3).encode())


def test_an_excerpt_says_what_the_body_says():
    assert excerpt(S3).startswith("AccessDenied Request has expired")
    assert excerpt(HTML) == "Sign in to go on"
    assert "early access" in excerpt(b'{"error":"This asset is in early access","deadline":"2026-01-01"}')
    assert excerpt(b"Go to https://civitai.com/login?next=/x now") == "Go to https://civitai.com/… now"


@given(st.binary(max_size=2000))
def test_an_excerpt_is_one_short_line(body):
    found = excerpt(body)
    assert len(found) <= EXCERPT_MAX
    assert found.isprintable()
    assert "<" not in found
