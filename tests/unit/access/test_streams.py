"""Streams: what comes, what ends it, where they may lead. Framing and TLS are in test_streams_wire."""

import logging
import socket
import threading

import pytest
from backplane.access import Rules, StreamError, StreamLimits, Streams, header
from hostile_http import (
    QUICK,
    SHORT,
    Certificates,
    Names,
    Server,
    answer,
    head,
    hears,
    in_turn,
    nothing_left,
    reaching,
    redirects,
    says,
    serves,
    some_bytes,
)

PUBLIC = ("93.184.215.14", 443)
BODY = some_bytes(3_000_000)


@pytest.fixture(autouse=True)
def _clean():
    with nothing_left():
        yield


def read(stream, step=1 << 20):
    got, piece = bytearray(), memoryview(bytearray(step))
    while count := stream.readinto(piece):
        got += piece[:count]
    return bytes(got)


def refusal(kind, streams, url, **options):
    options.setdefault("limits", QUICK)
    with pytest.raises(StreamError) as caught, streams.open("GET", url, **options) as stream:
        read(stream)
    assert caught.value.kind == kind
    return caught.value


# What is well


def test_a_body_is_read_whole_with_its_headers_as_they_came():
    with Server(says(answer(BODY, "X-A: 1", "x-a: 2", 'ETag: "e"'))) as server:
        with reaching(server).open("GET", server.url("/a%2fb?t=%2F+1"), headers={"X-Own": "y"}) as stream:
            assert (stream.status, stream.length, stream.hops) == (200, len(BODY), ())
            assert [each for each in stream.headers if each[0].lower() == "x-a"] == [
                ("X-A", "1"),
                ("x-a", "2"),
            ]
            assert (stream.header("x-a"), stream.header("etag"), stream.header("none")) == ("2", '"e"', None)
            assert stream.url == server.url("/a%2fb?t=%2F+1")
            assert read(stream, 70_000) == BODY
            assert stream.readinto(memoryview(bytearray(9))) == 0
        asked = server.asked[0]
    assert (asked.method, asked.path) == ("GET", "/a%2fb?t=%2F+1"), "not rewritten: it may be signed"
    assert asked.headers["x-own"] == "y"
    assert asked.headers["user-agent"].startswith("Backplane (+https://")
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["connection"] == "close"
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert not {"cookie", "authorization"} & asked.headers.keys()


def test_a_head_request_has_no_body_and_keeps_its_length_header():
    with Server(says(head("200 OK", "Content-Length: 500", 'X-Linked-Etag: "f"'))) as server:
        with reaching(server).open("HEAD", server.url()) as stream:
            assert (stream.length, header(stream.headers, "content-length")) == (0, "500")
            assert read(stream) == b""
        assert server.asked[0].method == "HEAD"


def test_a_small_body_is_read_in_one_call_up_to_a_limit():
    with Server(says(answer(b"0123456789"))) as server:
        for most, got in [(4, b"0123"), (10, b"0123456789"), (50, b"0123456789")]:
            with reaching(server).open("GET", server.url()) as stream:
                assert stream.read(most) == got


def test_other_methods_are_for_others():
    with pytest.raises(ValueError, match="POST"):
        Streams(Rules()).open("POST", "https://example.com/")


def test_a_header_with_a_line_break_is_not_sent():
    with Server(says(answer(b""))) as server:
        refusal("refused", reaching(server), server.url(), headers={"X": "a\r\nY: b"})
        assert server.asked == []


def test_proxies_cookies_and_netrc_of_the_environment_are_not_used(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password secret")
    with Server(says(answer(b"direct", "Set-Cookie: a=b"))) as server, Server(says(answer(b"x"))) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url("/"))
        monkeypatch.setenv("NETRC", str(netrc))
        streams = reaching(server)
        for _ in range(2):
            with streams.open("GET", server.url()) as stream:
                assert read(stream) == b"direct"
        assert proxy.connections == 0
        assert not {"cookie", "authorization"} & server.asked[1].headers.keys()


def test_no_log_has_more_of_a_url_than_its_host(caplog):
    caplog.set_level(logging.DEBUG)
    odd = head("200 OK", "Content-Length: 0", "Content-Type: multipart/mixed")
    with (
        Server(in_turn(redirects("/b?sig=hidden"), says(odd))) as server,
        reaching(server).open("GET", server.url("/a?token=hidden")) as stream,
    ):
        read(stream)
    assert "hidden" not in caplog.text


# Redirects


def test_redirects_are_followed_and_remembered_and_secrets_stay_with_their_origin():
    with Server(serves(BODY)) as cdn, Server(lambda asked: None) as hub:

        def speak(asked):
            to = "/again" if asked.path == "/a" else cdn.url("/signed?sig=1")
            redirects(to, "302 Found", 'X-Linked-Etag: "e"')(asked)

        hub.speak = speak
        sent = {
            "Authorization": "Bearer hidden",
            "Cookie": "a=hidden",
            "Range": "bytes=5-",
            "X-Token": "hidden",
        }
        with reaching(hub, cdn).open("GET", hub.url("/a"), headers=sent, hops=("127.0.0.1",)) as stream:
            assert stream.status == 206
            assert read(stream) == BODY[5:]
            assert [(each.status, each.header("x-linked-etag")) for each in stream.hops] == [(302, '"e"')] * 2
            assert stream.hops[1].url == hub.url("/again")
            assert stream.url == cdn.url("/signed?sig=1")
        assert [each.headers["authorization"] for each in hub.asked] == ["Bearer hidden"] * 2
        assert "hidden" not in str(cdn.asked[0].headers)
        assert (cdn.asked[0].headers["range"], cdn.asked[0].headers["accept-encoding"]) == (
            "bytes=5-",
            "identity",
        )
        assert cdn.asked[0].headers["user-agent"].startswith("Backplane")


def test_without_hops_a_redirect_is_an_answer():
    with (
        Server(redirects("https://elsewhere.example/")) as server,
        reaching(server).open("HEAD", server.url(), max_hops=0) as stream,
    ):
        assert (stream.status, stream.header("location")) == (302, "https://elsewhere.example/")


@pytest.mark.parametrize("most", [1, 3])
def test_a_loop_of_redirects_ends(most):
    with Server(redirects("/a")) as server:
        refusal("too_many_redirects", reaching(server), server.url("/a"), max_hops=most)
        assert len(server.asked) == most + 1


@pytest.mark.parametrize(
    "to",
    [
        *("https://other.example/", "//other.example/", "http://127.0.0.1:1/", "http://[::ffff:127.0.0.1]/"),
        *("http://2130706433/", "http://169.254.169.254/latest", "file:///etc/passwd", "gopher://a/"),
        *(
            "https://cdn.example.evil.test/",
            "https://cdn.example@evil.test/",
            "http://x y/",
            "http://a:99999/",
        ),
    ],
)
def test_a_redirect_leads_only_where_it_may(to):
    with Server(redirects(to)) as server:
        streams = reaching(server)
        error = refusal("hop_refused", streams, server.url(), hops=("cdn.example", "*.cdn.example"))
        assert "latest" not in error.message
        assert "passwd" not in error.message


def test_a_redirect_without_a_location_is_none():
    with Server(says(head("302 Found", "Content-Length: 0"))) as server:
        refusal("bad_response", reaching(server), server.url())


def test_the_source_has_its_say_about_each_redirect():
    judged = []

    def check(origin, target):
        judged.append((origin, target))
        return target.endswith("?sig=1")

    with Server(in_turn(redirects("/b?sig=1"), redirects("/c"))) as server:
        refusal("hop_refused", reaching(server), server.url("/a?t=1"), check_hop=check)
        assert judged == [
            (server.url("/a?t=1"), server.url("/b?sig=1")),
            (server.url("/b?sig=1"), server.url("/c")),
        ]


def test_https_never_leads_to_http():
    made = Certificates()
    with (
        Server(says(answer(b"x"))) as plain,
        Server(redirects(plain.url()), tls=made.server("127.0.0.1")) as safe,
    ):
        refusal("hop_refused", reaching(plain, safe, tls=made.client()), safe.url())
        assert plain.asked == []


# Addresses


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("ftp://example.com/", "refused"),
        ("http://127.0.0.1/", "refused"),
        ("https://2130706433/", "refused"),
        ("https://hidden@example.com/", "refused"),
        ("https://other.test/", "refused"),
        ("not a url", "refused"),
    ],
)
def test_a_url_is_judged_by_its_looks_first(url, kind):
    names = Names()
    error = refusal(kind, Streams(Rules(hosts=("example.com",)), resolve=names), url)
    assert names.asked == []
    assert "hidden" not in error.message


@pytest.mark.parametrize(
    "found",
    [
        *([("10.0.0.1", 443)], [("169.254.169.254", 443)], [("::1", 443)], [("::ffff:127.0.0.1", 443)]),
        *(
            [("fe80::1%1", 443)],
            [("64:ff9b::7f00:1", 443)],
            [PUBLIC, ("127.0.0.1", 443)],
            [("nonsense", 443)],
        ),
        [],
    ],
)
def test_a_name_that_leads_inwards_is_like_one_that_is_unknown(found):
    streams = Streams(Rules(), resolve=Names(inner_test=[found]))
    blocked = refusal("blocked_address", streams, "https://inner.test/x")
    unknown = refusal("blocked_address", streams, "https://other.test/x")
    assert blocked.message.replace("inner", "other") == unknown.message


def test_a_name_is_asked_once_and_its_answer_is_what_is_connected_to():
    made = Certificates()
    with Server(says(answer(b"right")), tls=made.server("hub.test")) as server:
        names = Names(hub_test=[[server.pair], [("127.0.0.1", 1)]])
        with reaching(server, resolve=names, tls=made.client()).open("GET", "https://hub.test/x") as stream:
            assert read(stream) == b"right"
        assert names.asked == [("hub.test", 443)]
        assert server.asked[0].headers["host"] == "hub.test"


def test_the_next_address_is_tried_if_one_takes_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()
    with Server(says(answer(b"x"))) as server:
        names = Names(two_test=[[closed, server.pair]])
        streams = Streams(Rules(allow_http=True, allow={closed, server.pair}), resolve=names)
        with streams.open("GET", "http://two.test/") as stream:
            assert read(stream) == b"x"
        names = Names(one_test=[[closed]])
        streams = Streams(Rules(allow_http=True, allow={closed}), resolve=names)
        refusal("connect", streams, "http://one.test/")


def test_a_private_server_is_reached_where_that_is_allowed():
    with Server(says(answer(b"x"))) as server:
        streams = Streams(Rules())
        refusal("refused", streams, server.url())
        entry = Rules(allow_http=True, allow_private=True)
        with streams.open("GET", server.url(), entry=entry) as stream:
            assert read(stream) == b"x"


# What ends it


class Stops:
    """What a Stop's on_stop does."""

    def __init__(self):
        self.calls = []

    def on_stop(self, call):
        self.calls.append(call)
        return lambda: self.calls.remove(call)


def ended(act, abort, when):
    """Run *act* in a thread; *abort* once *when*; give what it raised."""
    raised = []

    def run():
        try:
            act()
        except StreamError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    when()
    abort()
    thread.join(10)
    assert not thread.is_alive()
    return raised[0].kind


LONG = StreamLimits(60, 60, 60, 60)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("stage", ["hello", "head", "body"])
def test_another_thread_ends_it_at_any_stage(tls, stage):
    made, stops, reached = Certificates(), Stops(), threading.Event()

    def hello(sock):
        if stage == "hello":
            reached.set()
            hears(sock)

    def speak(asked):
        if stage == "body":
            asked.say(head("200 OK", "Content-Length: 100"), b"x" * 10)
        reached.set()
        asked.hang()

    with Server(speak, tls=made.server("127.0.0.1") if tls else None, hello=hello) as server:

        def act():
            streams = reaching(server, tls=made.client())
            with streams.open("GET", server.url(), limits=LONG, on_stop=stops.on_stop) as stream:
                read(stream)

        def abort():
            server.wait_for(lambda: stops.calls)
            stops.calls[0]()

        assert ended(act, abort, lambda: reached.wait(10)) == "aborted"
        assert stops.calls == []


def test_it_is_ended_while_a_name_is_looked_up():
    stops, asked, over = Stops(), threading.Event(), threading.Event()

    def resolve(host, port):
        asked.set()
        over.wait(20)
        return []

    def act():
        Streams(Rules(), resolve=resolve).open("GET", "https://slow.test/", on_stop=stops.on_stop)

    try:
        assert ended(act, lambda: [call() for call in stops.calls], lambda: asked.wait(10)) == "aborted"
    finally:
        over.set()


def test_what_was_ended_before_it_began_does_not_begin():
    def at_once(call):
        call()
        return lambda: None

    with Server(says(answer(b"x"))) as server:
        refusal("aborted", reaching(server), server.url(), on_stop=at_once)
        assert server.asked == []


def test_a_resolver_that_hangs_is_not_waited_for():
    over = threading.Event()

    def resolve(host, port):
        over.wait(20)
        return []

    try:
        refusal("timeout", Streams(Rules(), resolve=resolve), "https://slow.test/", limits=SHORT)
    finally:
        over.set()


def test_bytes_that_came_before_a_break_are_not_lost():
    pieces = []

    def keep(stream):
        piece = memoryview(bytearray(100))
        while count := stream.readinto(piece):
            pieces.append(bytes(piece[:count]))

    with (
        Server(says(head("200 OK", "Content-Length: 100"), b"x" * 60)) as server,
        reaching(server).open("GET", server.url(), limits=QUICK) as stream,
    ):
        with pytest.raises(StreamError) as caught:
            keep(stream)
        assert (b"".join(pieces), caught.value.kind) == (b"x" * 60, "incomplete")
