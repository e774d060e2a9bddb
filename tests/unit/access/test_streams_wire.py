"""Streams: framing, slowness, TLS, and bytes that are no HTTP."""

import datetime as dt
import ssl

import pytest
from backplane.access import StreamError, StreamLimits
from backplane.access.framing import Framing, framing
from hostile_http import (
    QUICK,
    SHORT,
    Certificates,
    Server,
    answer,
    chunked,
    head,
    hears,
    nothing_left,
    reaching,
    says,
    some_bytes,
)

BODY = some_bytes(200_000)


@pytest.fixture(autouse=True)
def _clean():
    with nothing_left():
        yield


def fetched(server, limits=QUICK, **options):
    got, piece = bytearray(), memoryview(bytearray(1 << 20))
    with reaching(server, **options).open("GET", server.url("/a?t=hidden"), limits=limits) as stream:
        while count := stream.readinto(piece):
            got += piece[:count]
    return bytes(got)


def refusal(kind, speak, limits=QUICK, **options):
    with Server(speak) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server, limits, **options)
        assert caught.value.kind == kind
        assert "hidden" not in caught.value.message
        assert f"http://127.0.0.1:{server.port}/…" in caught.value.message


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Framing(None)),
        ([("Content-Length", "5")], Framing(5)),
        ([("content-length", " 0 ")], Framing(0)),
        ([("Transfer-Encoding", "Chunked")], Framing(None, chunked=True)),
        ([("Content-Length", "5"), ("Content-Encoding", "identity")], Framing(5)),
    ],
)
def test_where_a_body_ends(headers, expected):
    assert framing("GET", 200, headers) == expected


@pytest.mark.parametrize("length", ["-1", "+5", "5, 5", "0x5", "", "\u0665", "9" * 19, "5.0"])
def test_a_length_is_digits(length):
    with pytest.raises(ValueError, match="Content-Length"):
        framing("GET", 200, [("Content-Length", length)])


def test_nothing_else_is_looked_at_where_there_is_no_body():
    assert framing("HEAD", 200, [("Content-Length", "x")]) == Framing(0)
    assert framing("GET", 304, [("Content-Encoding", "gzip")]) == Framing(0)


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -5"],
        ["Content-Length: five"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Encoding: gzip"],
        ["X-A: 1", "no colon here", "Content-Length: 5"],
        [" Content-Length: 5", "X-A: 1"],
    ],
)
def test_answers_that_can_be_read_in_two_ways_are_refused(fields):
    refusal("bad_response", says(head("200 OK", *fields), b"5\r\nhello\r\n0\r\n\r\n"))


def test_an_error_with_a_compressed_body_is_still_told():
    said = answer(b"\x1f\x8b", "Content-Encoding: gzip", status="401 Unauthorized")
    with Server(says(said)) as server, reaching(server).open("GET", server.url()) as stream:
        assert stream.status == 401
        with pytest.raises(StreamError) as caught:
            stream.read(10)
        assert caught.value.kind == "bad_response"


def test_a_short_body_is_told():
    refusal("incomplete", says(head("200 OK", "Content-Length: 300000"), BODY))


@pytest.mark.parametrize("size", [10, len(BODY)])
def test_a_body_longer_than_its_length_is_told(size):
    def speak(asked):
        asked.say(head("200 OK", f"Content-Length: {size}") + BODY[:size] + b"more")
        asked.hang()

    refusal("bad_response", speak)


def test_a_body_without_a_length_ends_with_the_connection():
    with Server(says(head(), BODY)) as server:
        assert fetched(server) == BODY


def test_a_chunked_body_is_read_whole():
    with Server(says(head("200 OK", "Transfer-Encoding: chunked"), chunked(BODY[:7], BODY[7:]))) as server:
        assert fetched(server) == BODY


@pytest.mark.parametrize("end", [b"", b"ff\r\nabc", b"0"])
def test_a_chunked_body_that_is_cut_is_told(end):
    said = chunked(BODY, end=end)
    with Server(says(head("200 OK", "Transfer-Encoding: chunked"), said)) as server:
        if end == b"0":  # the last chunk's size is there, its line end is not: nothing is missing
            assert fetched(server) == BODY
        else:
            with pytest.raises(StreamError) as caught:
                fetched(server)
            assert caught.value.kind == "incomplete"


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x01garbage without a status\r\n\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 banana OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        head("200 OK", *(f"X-{number}: {number}" for number in range(1000))),
        head("103 Early Hints", "Link: </a>"),
        head("101 Switching Protocols"),
    ],
    ids=range(8),
)
def test_what_is_not_http_is_refused(said):
    refusal("bad_response", says(said))


def test_interim_answers_are_passed_over():
    with Server(says(head("100 Continue") * 3, answer(BODY))) as server:
        assert fetched(server) == BODY


def test_interim_answers_without_end_are_not():
    def speak(asked):
        while True:
            asked.say(head("100 Continue", "X: " + "x" * 1000) * 20)

    refusal("bad_response", speak)


def test_a_server_that_hangs_up_is_told():
    refusal("broken", lambda asked: None)
    refusal("broken", lambda asked: asked.reset())
    refusal("broken", lambda asked: (asked.say(head("200 OK", "Content-Length: 9")), asked.reset()))


def test_a_server_that_says_nothing_is_given_up():
    refusal("timeout", lambda asked: asked.hang(), SHORT)


def test_headers_that_drip_do_not_put_off_the_end():
    refusal("timeout", lambda asked: (asked.say(b"HTTP/1.1 200 OK\r\n"), asked.drip(b"X", 0.05)), SHORT)


def test_a_body_that_stalls_is_given_up():
    def speak(asked):
        asked.say(head("200 OK", "Content-Length: 9"), b"x")
        asked.hang()

    refusal("stalled", speak, SHORT)


def test_a_body_that_drips_is_given_up_after_a_while():
    def speak(asked):
        asked.say(head("200 OK", "Content-Length: 99999"))
        asked.drip(b"x", 0.01)

    refusal("stalled", speak, StreamLimits(5, 5, 5, 5, floor_bytes_s=10_000, floor_over_s=0.3))


def test_a_body_that_is_slow_but_not_too_slow_is_read():
    def speak(asked):
        asked.say(head("200 OK", "Content-Length: 2000"))
        for _ in range(20):
            asked.say(b"x" * 100)
            asked.server.over.wait(0.02)

    with Server(speak) as server:
        limits = StreamLimits(5, 5, 5, 5, floor_bytes_s=100, floor_over_s=0.1)
        assert fetched(server, limits) == b"x" * 2000


# TLS


def test_tls_is_spoken_and_verified_by_name():
    made = Certificates()
    with Server(says(answer(BODY)), tls=made.server("127.0.0.1")) as server:
        assert fetched(server, tls=made.client()) == BODY


@pytest.mark.parametrize("case", ["stranger", "other name", "expired"])
def test_a_certificate_that_is_not_trusted_ends_it(case):
    made, past = Certificates(), dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    names = ["other.test"] if case == "other name" else ["127.0.0.1"]
    options = {"not_before": past, "not_after": past} if case == "expired" else {}
    client = Certificates().client() if case == "stranger" else made.client()
    with Server(says(answer(BODY)), tls=made.server(*names, **options)) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server, tls=client)
        assert caught.value.kind == "tls"
        assert server.asked == []


def test_the_system_s_authorities_are_trusted_and_no_others():
    with Server(says(answer(BODY)), tls=Certificates().server("127.0.0.1")) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server)
        assert caught.value.kind == "tls"


def test_old_tls_is_not_spoken():
    made = Certificates()
    old = made.server("127.0.0.1")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(says(answer(BODY)), tls=old) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server, tls=made.client())
        assert caught.value.kind in {"tls", "connect"}


def test_a_handshake_that_drips_or_hangs_is_given_up():
    made = Certificates()
    with Server(says(answer(BODY)), tls=made.server("127.0.0.1"), hello=hears) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server, SHORT, tls=made.client())
        assert caught.value.kind == "timeout"


def test_a_server_that_hangs_up_in_the_handshake_is_not_one_without_a_certificate():
    def hello(sock):
        sock.recv(4096)
        sock.close()

    made = Certificates()
    with Server(says(answer(BODY)), tls=made.server("127.0.0.1"), hello=hello) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server, tls=made.client())
        assert caught.value.kind == "connect"


def test_a_tls_connection_that_is_cut_is_told():
    made = Certificates()
    said = says(head("200 OK", "Content-Length: 300000"), BODY)
    with Server(said, tls=made.server("127.0.0.1")) as server:
        with pytest.raises(StreamError) as caught:
            fetched(server, tls=made.client())
        assert caught.value.kind in {"incomplete", "broken"}
