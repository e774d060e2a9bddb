"""Links: taken apart, judged by their host, cleaned."""

import pytest
from backplane.downloads.sources.links import admitted, parse, public
from backplane.downloads.trouble import DownloadError


def test_a_link_is_taken_apart():
    link = parse("https://Hub.Example:8443/a%20b/c%2Fd.safetensors?x=1&token=t#part")
    assert (link.scheme, link.host, link.port) == ("https", "hub.example", 8443)
    assert link.parts == ("a b", "c/d.safetensors")
    assert link.last == "c/d.safetensors"
    assert link.asks("x") == "1"
    assert link.url == "https://hub.example:8443/a%20b/c%2Fd.safetensors?x=1&token=t"


def test_the_usual_port_is_none():
    assert parse("https://a.example:443/x").origin == "https://a.example"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "model.safetensors",
        "file:///etc/passwd",
        "ftp://a.example/x",
        "gopher://a.example/x",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://user@a.example/x",
        "https://huggingface.co@evil.example/x",
        "https://user:pass@a.example/x",
        "https://a%2eexample/x",
        "https://huggingface.co%2f.evil.example/x",
        "https://huggingface.co./x",
        "https://a.example/a b",
        "https://a.example\\@b.example/x",
        "https://a.example/x\r\nHost: b",
        "https://a.example:99999/x",
        "https://a.example:port/x",
        "https://a..example/x",
        "https://-/../x",
        "https://a.example/../x",
        "https://a.example/a/%2e%2e/x",
        "https://a.example/..%5cx",
        "https://[::1/x",
        "https://1.2.3.4.5/x",
        "https://a.example/" + "x" * 9000,
    ],
)
def test_what_is_no_link_is_refused(url):
    with pytest.raises(DownloadError) as caught:
        parse(url)
    assert caught.value.code == "DOWNLOAD_INVALID_URL"


def test_a_password_is_not_repeated():
    with pytest.raises(DownloadError) as caught:
        parse("https://me:hunter2@a.example/x")
    assert "hunter2" not in repr(caught.value.body())


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("huggingface.co", True),
        ("HUGGINGFACE.CO", True),
        ("\uff48uggingface.co", True),  # a wide h, which IDNA makes an h: the request goes to the same host
        ("huggingface.co.evil.example", False),
        ("evil-huggingface.co", False),
        ("huggingface.com", False),
        ("hugg\u0456ngface.co", False),  # a Cyrillic letter
        ("cdn.huggingface.co", False),
    ],
)
def test_a_host_is_compared_whole(host, yes):
    assert admitted(parse(f"https://{host}/x"), ["huggingface.co"]) is yes


def test_patterns_of_hosts():
    assert admitted(parse("https://a.b.example/x"), ["*.b.example"])
    assert not admitted(parse("https://b.example/x"), ["*.b.example"])
    assert not admitted(parse("https://ab.example/x"), ["*.b.example"])
    assert admitted(parse("https://anything.example/x"), ["*"])
    assert not admitted(parse("https://a.example/x"), [])


@pytest.mark.parametrize("address", ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "8.8.8.8"])
def test_an_address_is_admitted_only_by_its_own_name(address):
    link = parse(f"https://{address}/x")
    assert link.is_address
    assert not admitted(link, ["*", "1*", "*.1"])
    assert admitted(link, ["other", link.host])


def test_what_may_be_shown():
    assert public("https://u:p@a.example/x?a=1&token=T&b=2#f") == "https://a.example/x?a=1&b=2"
    signed = "https://b.s3.amazonaws.com/k?X-Amz-Signature=S&X-Amz-Credential=C&x-amz-date=D&versionId=3"
    assert public(signed) == "https://b.s3.amazonaws.com/k?versionId=3"
    assert public("https://c.example/k?Expires=1&Signature=S&Key-Pair-Id=K") == "https://c.example/k"
    assert public("https://c.example/k?%74oken=S") == "https://c.example/k"
    assert public("https://c.example/k?sv=1&sig=S") == "https://c.example/k?sv=1"
    assert public("https://c.example/k?hf_token=S&my_api_key=S") == "https://c.example/k"
    assert public("urn:air:sdxl:lora:civitai:1@2") == "urn:air:sdxl:lora:civitai:1@2"
    assert public("https://[bad") == "(not a link)"
