"""Downloads that are led astray. The numbers are the cases of the table in the research."""

import pytest
from backplane.access import Rules, Streams
from backplane.downloads.plan import Address
from backplane.downloads.trouble import DownloadError
from hostile_http import Certificates, Names, Server, cuts, in_turn, redirects, serves, some_bytes
from transfers import Fetches, served

BODY = some_bytes(3_000_000)
PUBLIC = ("93.184.215.14", 443)


# Redirects


def test_29_30_redirects_without_end(tmp_path):
    with served(tmp_path, lambda asked: redirects(asked.path + "x")(asked)) as (server, fetches):
        fetches.fails("DOWNLOAD_TOO_MANY_REDIRECTS")
        assert len(server.asked) == 6


@pytest.mark.parametrize(
    "to",
    [
        *(
            "https://foreign.test/x",
            "http://127.0.0.1:9/x",
            "http://[::ffff:127.0.0.1]/x",
            "http://2130706433/",
        ),
        *("http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "gopher://127.0.0.1:70/x"),
        *("https://hub.test.evil.test/", "https://hub.test@evil.test/", "//evil.test/x"),
    ],
)
def test_31_32_34_37_38_redirects_that_lead_astray(tmp_path, to):
    names = Names()
    with served(tmp_path, redirects(to), resolve=names) as (server, fetches):
        address = Address(server.url(), hop_hosts=("hub.test", "*.hub.test"))
        error = fetches.fails("DOWNLOAD_FORBIDDEN_REDIRECT", address=address)
        assert "meta-data" not in error.message
        assert (names.asked, len(server.asked)) == ([], 1)


def test_33_https_to_http(tmp_path):
    made = Certificates()
    with Server(serves(BODY)) as plain:
        tls = made.server("127.0.0.1")
        with served(tmp_path, redirects(plain.url()), tls_server=tls, tls=made.client()) as (_, fetches):
            fetches.fails("DOWNLOAD_FORBIDDEN_REDIRECT")
        assert plain.connections == 0


def test_35_relative_and_protocol_relative_redirects(tmp_path):
    def speak(asked):
        if asked.path == "/a/start":
            redirects("../b/next?x=%2F")(asked)
        elif asked.path == "/b/next?x=%2F":
            redirects(f"//127.0.0.1:{server.port}/end")(asked)
        else:
            serves(BODY)(asked)

    with served(tmp_path, speak) as (server, fetches):
        fetches.fetch(address=Address(server.url("/a/start")), body=BODY)
        assert [asked.path for asked in server.asked] == ["/a/start", "/b/next?x=%2F", "/end"]


def test_36_secrets_stay_with_their_origin(tmp_path):
    with Server(serves(BODY)) as cdn, served(tmp_path, redirects(cdn.url("/signed"))) as (server, fetches):
        fetches.streams = Fetches(tmp_path, server, cdn).streams
        address = Address(server.url(), {"Authorization": "Bearer hidden"}, hop_hosts=("127.0.0.1",))
        fetches.fetch(address=address, body=BODY)
        assert server.asked[0].headers["authorization"] == "Bearer hidden"
        assert "hidden" not in str(cdn.asked[0].headers)


def test_39_a_name_that_changes_its_mind(tmp_path):
    made = Certificates()
    with served(tmp_path, serves(BODY), tls_server=made.server("hub.test"), tls=made.client()) as (
        server,
        fetches,
    ):
        names = Names(hub_test=[[server.pair], [("127.0.0.1", 9)]])
        fetches.streams = Fetches(tmp_path, server, tls=made.client(), resolve=names).streams
        fetches.fetch(address=Address("https://hub.test/x"), body=BODY)
        assert names.asked == [("hub.test", 443)]


@pytest.mark.parametrize("found", [[PUBLIC, ("10.0.0.1", 443)], [("127.0.0.1", 443)], [("::1", 443)], []])
def test_40_names_that_lead_inwards(tmp_path, found):
    names = Names(hub_test=[found])
    with served(tmp_path, serves(BODY), resolve=names) as (server, fetches):
        error = fetches.fails("DOWNLOAD_BLOCKED_ADDRESS", address=Address("https://hub.test/x?token=hidden"))
        assert (len(names.asked), server.connections) == (1, 0)
        assert "hidden" not in error.message


# Addresses


def test_an_owner_s_own_server_is_reached_though_it_is_private(tmp_path):
    (tmp_path / "models").mkdir()
    with Server(serves(BODY)) as server:
        fetches = Fetches(tmp_path / "models")
        fetches.server, fetches.streams = server, Streams(Rules())
        fetches.fails("DOWNLOAD_INVALID_URL", address=Address(server.url()))
        fetches.fetch(address=Address(server.url(), private=True), body=BODY)


def test_a_source_that_fails_in_passing_is_asked_again(tmp_path):
    answers = [
        DownloadError("DOWNLOAD_NETWORK_ERROR", "no"),
        DownloadError("DOWNLOAD_UPSTREAM_RATE_LIMITED", "slow", retry_after_s=3.0),
    ]

    def address():
        if answers:
            raise answers.pop(0)
        return Address(server.url())

    with served(tmp_path, serves(BODY)) as (server, fetches):
        fetches.fetch(address=address, body=BODY)
        assert fetches.waits == [1.0, 3.0]
        answers.append(DownloadError("DOWNLOAD_GATED", "no"))
        fetches.fails("DOWNLOAD_GATED", address=address)
        assert fetches.asked == 4


def test_a_name_that_is_unknown_for_a_moment_does_not_end_a_download_under_way(tmp_path):
    with served(tmp_path, in_turn(cuts(BODY, 1_000_000), serves(BODY))) as (server, fetches):
        names = Names(hub_test=[[server.pair], [], [server.pair]])
        fetches.streams = Fetches(tmp_path, server, resolve=names).streams
        fetches.fetch(address=Address("http://hub.test/x"), body=BODY)
        assert len(names.asked) == 3
