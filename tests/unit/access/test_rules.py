"""What a URL alone tells: refused, or brought into one form."""

import pytest
from backplane.access import OutboundError, Rules, redacted
from backplane.access.rules import headers_for
from backplane.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

USUAL = Rules()
OPEN = Rules(allow_http=True, allow_private=True)


def refusal(url: str, rules: Rules = USUAL) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        rules.check(url)
    assert caught.value.code == "OUTBOUND_REFUSED"
    return caught.value


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://Example.COM:8443/a%20b?x=%2F&y=#part", "https://example.com:8443/a%20b?x=%2F&y="),
        ("https://bücher.de/ü", "https://xn--bcher-kva.de/%C3%BC"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://0x01010101/", "https://1.1.1.1/"),
        ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443/"),
        ("https://a_b.example.com./x", "https://a_b.example.com./x"),
    ],
)
def test_a_url_is_brought_into_the_form_in_which_it_is_requested(url: str, form: str):
    assert str(USUAL.check(url)) == form


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/", "https:example.com", "https:///x", "https://", "https://?"),
        *(
            "https://exa mple.com/",
            "https://example.com/\r\nX: y",
            "https://example.com/\x00",
            "https://a\\b/",
        ),
        *(
            "https://good.com\\@evil.com/",
            "https://ex%61mple.com/",
            "https://h..x/",
            "https://-/",
            "https://.a/",
        ),
        *(
            "https://[::1",
            "https://[fe80::1%25eth0]/",
            "https://h:99999/",
            "https://h:x/",
            "https://999.1.1.1/",
        ),
        "https://example.com/" + "x" * 9000,
    ],
)
def test_what_is_no_url_with_a_host_is_refused(url: str):
    refusal(url)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "ws://a.b/"]
)
def test_only_https_and_http_are_schemes(url: str):
    refusal(url, OPEN)


def test_plain_http_is_refused_unless_it_is_allowed():
    refusal("http://example.com/")
    assert Rules(allow_http=True).check("http://example.com/").scheme == "http"


@pytest.mark.parametrize(
    "url", ["https://user@example.com/", "https://u:p@example.com/", "https://@example.com/"]
)
def test_a_user_name_in_a_url_is_refused(url: str):
    assert "user name" in refusal(url, OPEN).message


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "127.0.0.1.",
            "\uff11\uff12\uff17.0.0.1",
        ),
        *("127。0。0。1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[::1]", "[::]"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fd00:ec2::254]"),
    ],
)
def test_an_address_that_is_not_public_is_refused_in_every_notation(host: str):
    assert "no public address" in refusal(f"https://{host}/").message


@pytest.mark.parametrize("host", ["127.1", "10.0.0.1", "[::1]", "[fd12::1]", "100.64.0.1"])
def test_private_addresses_can_be_allowed(host: str):
    assert OPEN.check(f"http://{host}:3000/").port == 3000


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0.0.0.0", "[fd00:ec2::254]", "[fe80::1]", "255.255.255.255"]
)
def test_metadata_services_and_link_local_addresses_cannot_be_allowed(host: str):
    refusal(f"http://{host}/", OPEN)


def test_a_single_address_and_port_can_be_allowed_and_no_other():
    rules = Rules(allow_http=True, allow=frozenset({("127.0.0.1", 8080)}))
    assert rules.check("http://127.1:8080/").host == "127.0.0.1"
    refusal("http://127.0.0.1:8081/", rules)
    refusal("http://127.0.0.2:8080/", rules)


@pytest.mark.parametrize("port", [0, 1, 21, 22, 25, 53, 110, 445, 993, 6379, 11211, 6667, 6000])
def test_ports_of_other_protocols_are_refused(port: int):
    refusal(f"https://example.com:{port}/", OPEN)


@pytest.mark.parametrize("port", [80, 443, 1024, 3000, 8080, 8188, 65535])
def test_ports_that_web_servers_use_are_taken(port: int):
    assert USUAL.check(f"https://example.com:{port}/").port == port


def test_where_hosts_are_listed_only_these_are_taken():
    rules = Rules(hosts=("*.Example.com", "one.org"))
    for host in ("a.example.com", "A.B.EXAMPLE.com", "one.org", "one.org."):
        rules.check(f"https://{host}/")
    for host in ("example.com", "evilexample.com", "a.example.com.evil.org", "two.one.org", "1.1.1.1"):
        refusal(f"https://{host}/", rules)


def test_the_setting_for_private_networks_allows_plain_http_with_them():
    assert Rules.of(Settings()) == Rules()
    assert Rules.of(Settings(outbound_allow_private=True)) == OPEN


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b?t=1", "https://example.com/b?t=1"),
        ("c", "https://example.com/a/c"),
        ("//other.org/x", "https://other.org/x"),
        ("https://other.org/x#y", "https://other.org/x"),
        ("/%2e%2e/ä", "https://example.com/%2e%2e/%C3%A4"),
    ],
)
def test_a_redirect_leads_where_a_browser_would_go(location: str, leads_to: str):
    hop = USUAL.check_hop(URL("https://example.com/a/b"), location)
    assert hop.host == URL(leads_to).host
    assert str(hop).replace("/%2e%2e", "") == leads_to.replace("/%2e%2e", "")


@pytest.mark.parametrize(
    "location",
    [
        *(
            "https://127.0.0.1/",
            "//[::1]/",
            "https://user@example.com/",
            "file:///etc/passwd",
            "javascript:1",
        ),
        *("gopher://example.com/", "https://2130706433/", "http://[", "https://example.com:22/", "/a b"),
    ],
)
def test_a_redirect_is_judged_like_the_first_url(location: str):
    with pytest.raises(OutboundError):
        Rules(allow_http=True).check_hop(URL("https://example.com/"), location)


@pytest.mark.parametrize("location", ["http://a:99999/", "https://a:x/", "//b:70000/"])
def test_a_redirect_to_a_port_that_is_none_is_refused_like_any_other(location):
    with pytest.raises(OutboundError) as caught:
        Rules(allow_http=True).check_hop(URL("http://example.com/"), location)
    assert caught.value.code == "OUTBOUND_REFUSED"


def test_a_redirect_from_https_to_http_is_refused_even_where_http_is_allowed():
    with pytest.raises(OutboundError, match=r"leads from https to http://example\.com"):
        OPEN.check_hop(URL("https://example.com/"), "http://example.com/")


def test_secrets_stay_with_the_origin_they_were_meant_for():
    headers = {
        "Authorization": "Bearer x",
        "Cookie": "c",
        "X-Api-Key": "k",
        "Range": "bytes=1-",
        "accept": "*/*",
    }
    first = URL("https://example.com/a")
    assert headers_for(headers, first, USUAL.check("https://example.com:443/b")) == headers
    for other in (
        "https://evil.com/",
        "https://example.com:8443/",
        "http://example.com/",
        "https://a.example.com/",
    ):
        assert headers_for(headers, first, URL(other)) == {"Range": "bytes=1-", "accept": "*/*"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/T0/secret?token=x#y", "https://hooks.example.com/…"),
        ("https://user:secret@example.com:8443/?secret", "https://example.com:8443/…"),
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("HTTPS://example.com?secret", "https://example.com/…"),
        ("secret", "(not a URL)"),
        ("https://a\nb/", "https://a?b"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str):
    assert redacted(url) == shown


@given(st.text(max_size=60) | st.text("https:/@%[].:0x17\\?#a", max_size=40).map("https://".__add__))
def test_any_text_is_taken_or_refused_and_what_is_taken_stays_as_it_is(text: str):
    redacted(text)
    try:
        form = str(USUAL.check(text))
    except OutboundError:
        return
    assert str(USUAL.check(form)) == form
