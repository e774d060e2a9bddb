"""Downloads from servers that break, lie and hang. The numbers are the cases of the table in the research."""

import datetime as dt
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from backplane.access import StreamLimits
from backplane.downloads.trouble import DownloadError
from hostile_http import (
    Certificates,
    Server,
    answer,
    chunked,
    cuts,
    head,
    hears,
    in_turn,
    says,
    serves,
    sha256,
    some_bytes,
)
from transfers import IMPATIENT, LIMITS, Fetches, Inspecting, served

BODY = some_bytes(3_000_000)
OTHER = some_bytes(3_000_000, 2)
PUBLIC = ("93.184.215.14", 443)


def test_a_file_is_fetched_and_verified(tmp_path):
    with served(tmp_path, serves(BODY)) as (server, fetches):
        received = fetches.fetch(body=BODY, size=len(BODY))
        assert (received.size, received.verified_by) == (len(BODY), "huggingface")
        assert fetches.part.read_bytes() == BODY
        assert "range" not in server.asked[0].headers
        assert fetches.waits == []


def test_01_short_body(tmp_path):
    with served(tmp_path, in_turn(cuts(BODY, 1_000_000), serves(BODY))) as (server, fetches):
        fetches.fetch(body=BODY)
        assert server.asked[1].headers["range"] == "bytes=1000000-"
        assert fetches.waits == [1.0]


def test_01_short_body_for_ever(tmp_path):
    with served(tmp_path, lambda asked: asked.say(head("200 OK", "Content-Length: 9"))) as (server, fetches):
        error = fetches.fails("DOWNLOAD_INCOMPLETE", body=BODY[:9])
        assert error.retryable
        assert fetches.waits == [1.0, 4.0, 16.0]
        assert len(server.asked) == 4


def test_02_long_body(tmp_path):
    def speak(asked):
        asked.say(head("200 OK", f"Content-Length: {len(BODY)}") + BODY + b"more")
        asked.hang()

    with served(tmp_path, speak) as (_, fetches):
        fetches.fails("DOWNLOAD_BAD_RESPONSE")


def test_03_no_length_and_close(tmp_path):
    with served(tmp_path, says(head(), BODY)) as (_, fetches):
        fetches.fails("DOWNLOAD_INCOMPLETE_UNVERIFIABLE")
        fetches.fails("DOWNLOAD_INCOMPLETE_UNVERIFIABLE", inspector=Inspecting)
        assert fetches.fetch(body=BODY).size == len(BODY)
        assert fetches.fetch(size=len(BODY)).verified_by is None
        assert fetches.fetch(inspector=lambda: Inspecting(len(BODY))).size == len(BODY)


def test_03_no_length_and_cut(tmp_path):
    with served(tmp_path, in_turn(says(head(), BODY[:99]), serves(BODY))) as (server, fetches):
        fetches.fetch(body=BODY, size=len(BODY))
        assert server.asked[1].headers["range"] == "bytes=99-"


def test_04_cut_chunked(tmp_path):
    cut = says(head("200 OK", "Transfer-Encoding: chunked"), chunked(BODY[:700_000], end=b"fff\r\n"))
    with served(tmp_path, in_turn(cut, serves(BODY))) as (server, fetches):
        fetches.fetch(body=BODY)
        assert 0 < server.asked[1].start <= 700_000


def test_04_chunked_whole(tmp_path):
    whole = says(head("200 OK", "Transfer-Encoding: chunked"), chunked(BODY[:99], BODY[99:]))
    with served(tmp_path, whole) as (_, fetches):
        assert fetches.fetch().size == len(BODY)
        assert fetches.fails("DOWNLOAD_SIZE_MISMATCH", size=len(BODY) + 1).details["actual"] == len(BODY)
        fetches.fails("DOWNLOAD_SIZE_MISMATCH", size=len(BODY) - 1)


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 50"],
        ["Content-Length: -5"],
        ["Content-Length: 5x"],
        ["Content-Length: 5", "Content-Encoding: gzip"],
    ],
)
def test_05_06_07_framing_that_two_read_differently(tmp_path, fields):
    with served(tmp_path, says(head("200 OK", *fields), b"5\r\nhello\r\n0\r\n\r\n")) as (server, fetches):
        fetches.fails("DOWNLOAD_BAD_RESPONSE", body=b"hello")
        assert len(server.asked) == 1
        assert fetches.part.stat().st_size == 0


def test_08_reset_mid_body(tmp_path):
    def broken(asked):
        asked.say(head("200 OK", f"Content-Length: {len(BODY)}", 'ETag: "v1"'), BODY[:2_000_000])
        asked.server.wait_for(lambda: fetches.part.read_bytes()[:2_000_000] == BODY[:2_000_000])
        asked.reset()

    with served(tmp_path, in_turn(broken, serves(BODY))) as (server, fetches):
        fetches.fetch(size=len(BODY))
        assert server.asked[1].headers["range"] == "bytes=2000000-"
        assert server.asked[1].headers["if-range"] == '"v1"'


@pytest.mark.parametrize("at", [0, 100_000])
def test_09_10_stall(tmp_path, at):
    stalls = cuts(BODY, at, how=lambda asked: asked.hang())
    with served(tmp_path, in_turn(stalls, serves(BODY))) as (server, fetches):
        fetches.fetch(body=BODY, limits=IMPATIENT)
        assert server.asked[1].headers.get("range") == (f"bytes={at}-" if at else None)
    with served(tmp_path, stalls) as (_, fetches):
        fetches.fails("DOWNLOAD_STALLED", body=OTHER, limits=replace(IMPATIENT, waits_s=()))


def test_11_drip(tmp_path):
    drips = cuts(BODY, 0, how=lambda asked: asked.drip(b"x", 0.01))
    limits = StreamLimits(5, 5, 5, 5, floor_bytes_s=10_000, floor_over_s=0.2)
    with served(tmp_path, drips) as (_, fetches):
        fetches.fails("DOWNLOAD_STALLED", limits=replace(LIMITS, stream=limits, waits_s=()))


def test_12_never_answers(tmp_path):
    with served(tmp_path, lambda asked: asked.hang()) as (server, fetches):
        fetches.fails("DOWNLOAD_TIMEOUT", limits=replace(IMPATIENT, waits_s=(1.0,)))
        assert len(server.asked) == 2


@pytest.mark.parametrize("case", ["stranger", "other name", "expired"])
def test_13_bad_certificate(tmp_path, case):
    made, past = Certificates(), dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    options = {"not_before": past, "not_after": past} if case == "expired" else {}
    tls = made.server("other.test" if case == "other name" else "127.0.0.1", **options)
    client = Certificates().client() if case == "stranger" else made.client()
    with served(tmp_path, serves(BODY), tls_server=tls, tls=client) as (server, fetches):
        fetches.fails("DOWNLOAD_TLS_ERROR", body=BODY)
        assert (server.connections, server.asked) == (1, []), "never a second try, never without TLS"


def test_13_good_certificate(tmp_path):
    made = Certificates()
    tls = made.server("127.0.0.1")
    with served(tmp_path, serves(BODY), tls_server=tls, tls=made.client()) as (_, fetches):
        fetches.fetch(body=BODY)


def test_13_slow_tls(tmp_path):
    made, folder = Certificates(), tmp_path / "models"
    folder.mkdir()
    with Server(serves(BODY), tls=made.server("127.0.0.1"), hello=hears) as server:
        fetches = Fetches(folder, server, tls=made.client())
        fetches.fails("DOWNLOAD_TIMEOUT", limits=replace(IMPATIENT, waits_s=()))


def test_14_interim_answers(tmp_path):
    with served(tmp_path, says(head("100 Continue") * 5, answer(BODY))) as (_, fetches):
        fetches.fetch(body=BODY)

    def spams(asked):
        while True:
            asked.say(head("100 Continue", "X: " + "x" * 1000) * 50)

    with served(tmp_path, spams) as (_, fetches):
        fetches.fails("DOWNLOAD_BAD_RESPONSE")


@pytest.mark.parametrize(
    "said",
    [
        head("200 OK", "X: " + "x" * 66_000, "Content-Length: 5") + b"hello",
        head("200 OK", *(f"X-{number}: y" for number in range(1000)), "Content-Length: 5") + b"hello",
        b"\x08\x00\x00\x00garbage\r\n\r\n",
        b"hello, this is HTTP/0.9",
    ],
    ids=["line", "headers", "garbage", "0.9"],
)
def test_15_16_heads_that_are_none(tmp_path, said):
    with served(tmp_path, says(said)) as (_, fetches):
        fetches.fails("DOWNLOAD_BAD_RESPONSE")


def test_17_no_connection_is_used_twice(tmp_path):
    error = answer(b"sorry", status="500 Internal Server Error")
    with served(tmp_path, in_turn(says(error), cuts(BODY, 500), serves(BODY))) as (server, fetches):
        fetches.fetch(body=BODY)
        assert server.connections == len(server.asked) == 3


# Statuses


@pytest.mark.parametrize(
    ("status", "code", "tries"),
    [
        ("401 Unauthorized", "DOWNLOAD_AUTH_REQUIRED", 1),
        ("403 Forbidden", "DOWNLOAD_UPSTREAM_FORBIDDEN", 1),
        ("404 Not Found", "DOWNLOAD_NOT_FOUND", 1),
        ("410 Gone", "DOWNLOAD_GONE", 1),
        ("451 Unavailable For Legal Reasons", "DOWNLOAD_GONE", 1),
        ("429 Too Many Requests", "DOWNLOAD_UPSTREAM_RATE_LIMITED", 4),
        ("408 Request Timeout", "DOWNLOAD_UPSTREAM_ERROR", 4),
        ("503 Service Unavailable", "DOWNLOAD_UPSTREAM_ERROR", 4),
        ("522 Origin Timeout", "DOWNLOAD_UPSTREAM_ERROR", 4),
        ("418 Teapot", "DOWNLOAD_BAD_RESPONSE", 1),
        ("204 No Content", "DOWNLOAD_BAD_RESPONSE", 1),
        ("205 Reset Content", "DOWNLOAD_BAD_RESPONSE", 1),
        ("304 Not Modified", "DOWNLOAD_BAD_RESPONSE", 1),
        ("206 Partial Content", "DOWNLOAD_BAD_RESPONSE", 1),
        ("416 Range Not Satisfiable", "DOWNLOAD_BAD_RESPONSE", 1),
    ],
)
def test_18_to_28_statuses(tmp_path, status, code, tries):
    with served(tmp_path, says(answer(b"{}", status=status))) as (server, fetches):
        error = fetches.fails(code, body=BODY)
        assert len(server.asked) == fetches.asked == tries
        assert error.details.get("status", 206) == int(status[:3])
        assert server.url() not in error.message


def test_18_the_source_says_what_a_refusal_means(tmp_path):
    told = []

    def explain(status, headers, body):
        told.append((status, headers["x-error-code"], body))
        return DownloadError("DOWNLOAD_GATED", "Accept the licence first.")

    refusal = answer(b'{"error":"no"}', "X-Error-Code: GatedRepo", status="403 Forbidden")
    with served(tmp_path, says(refusal)) as (_, fetches):
        assert fetches.fails("DOWNLOAD_GATED", explain=explain).message == "Accept the licence first."
    assert told == [(403, "GatedRepo", b'{"error":"no"}')]


def test_20_a_404_in_passing(tmp_path):
    missing = says(answer(b"", status="404 Not Found"))
    with served(tmp_path, in_turn(missing, serves(BODY))) as (_, fetches):
        fetches.fetch(body=BODY, again_on_404=True)
    with served(tmp_path, missing) as (server, fetches):
        fetches.fails("DOWNLOAD_NOT_FOUND", again_on_404=True)
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("value", "waits"),
    [("7", [7.0]), ("0", [0.0]), ("soon", [1.0]), ("-5", [1.0]), ("", [1.0]), ("١٢", [1.0])],
)
def test_22_retry_after(tmp_path, value, waits):
    busy = says(
        answer(b"", f"Retry-After: {value}".encode().decode("latin-1"), status="429 Too Many Requests")
    )
    with served(tmp_path, in_turn(busy, serves(BODY))) as (_, fetches):
        fetches.fetch(body=BODY)
        assert [wait for wait in fetches.waits if wait] == [wait for wait in waits if wait]


def test_22_retry_after_a_date(tmp_path):
    later = formatdate(time.time() + 20, usegmt=True)
    busy = says(answer(b"", f"Retry-After: {later}", status="503 Service Unavailable"))
    with served(tmp_path, in_turn(busy, serves(BODY))) as (_, fetches):
        fetches.fetch(body=BODY)
        assert 10 < fetches.waits[0] <= 20


@pytest.mark.parametrize(("value", "seconds"), [("31", 31.0), ("99999999999999999999", 600.0)])
def test_22_retry_after_too_long_is_for_the_scheduler(tmp_path, value, seconds):
    busy = says(answer(b"", f"Retry-After: {value}", status="429 Too Many Requests"))
    with served(tmp_path, busy) as (server, fetches):
        error = fetches.fails("DOWNLOAD_UPSTREAM_RATE_LIMITED", body=BODY)
        assert (error.retry_after_s, error.retryable, len(server.asked)) == (seconds, True, 1)


def test_23_500_then_200(tmp_path):
    with served(tmp_path, in_turn(says(answer(b"", status="500 X")), serves(BODY))) as (_, fetches):
        fetches.fetch(body=BODY)
        assert "retrying" in {pace.phase for pace in fetches.paces}
        assert max(pace.retries for pace in fetches.paces) == 1


def test_24_503_for_ever(tmp_path):
    with served(tmp_path, says(answer(b"", status="503 X"))) as (server, fetches):
        fetches.fails("DOWNLOAD_UPSTREAM_ERROR", dice=iter([0.0, 1.0, 0.5]).__next__)
        assert fetches.waits == [0.5, 6.0, 16.0]
        assert len(server.asked) == 4


def test_24_retries_are_counted_anew_after_progress(tmp_path):
    def speak(asked):
        start = asked.start or 0
        end = min(start + (1 << 20), len(BODY))
        said = "206 Partial Content" if start else "200 OK"
        where = [f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}"] if start else []
        asked.say(head(said, f"Content-Length: {len(BODY) - start}", *where), BODY[start:end])

    with served(tmp_path, speak) as (_, fetches):
        fetches.fetch(body=BODY, limits=replace(LIMITS, waits_s=(1.0,)))
        assert fetches.waits == [1.0, 1.0]


@pytest.mark.parametrize(
    ("media_type", "body", "words"),
    [
        ("text/html; charset=utf-8", b"<html><script>x</script><h1>Please&nbsp;log in</h1>", "Please"),
        (
            "application/json",
            b'{"error": "early access", "url": "https://a.test/?token=hidden"}',
            "early access",
        ),
        ("application/xml", b"<?xml?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        ("application/problem+json", b'{"title": "no"}', "no"),
    ],
)
def test_25_26_27_pages_in_place_of_a_file(tmp_path, media_type, body, words):
    with served(tmp_path, says(answer(body, f"Content-Type: {media_type}"))) as (server, fetches):
        error = fetches.fails("DOWNLOAD_BAD_RESPONSE")
        assert words in error.details["excerpt"]
        assert "hidden" not in str(error.details)
        assert "<" not in error.details["excerpt"]
        assert len(server.asked) == 1
        assert fetches.part.stat().st_size == 0
        assert fetches.fetch(text=True).size == len(body)


# Integrity


def test_55_one_flipped_byte(tmp_path):
    bad = BODY[:2_000_000] + bytes([BODY[2_000_000] ^ 1]) + BODY[2_000_001:]
    with served(tmp_path, serves(bad)) as (server, fetches):
        error = fetches.fails("DOWNLOAD_HASH_MISMATCH", body=BODY, size=len(BODY))
        assert (error.details["expected"], error.details["actual"]) == (sha256(BODY), sha256(bad))
        assert len(server.asked) == 2, "once more from the first byte"
        assert "range" not in server.asked[1].headers
    with served(tmp_path, in_turn(serves(bad), serves(BODY))) as (_, fetches):
        assert fetches.fetch(body=BODY).verified_by == "huggingface"


def test_56_a_wrong_hash_of_the_user_s_costs_one_download(tmp_path):
    with served(tmp_path, serves(BODY)) as (server, fetches):
        error = fetches.fails("DOWNLOAD_HASH_MISMATCH", sha256="0" * 64, declared_by="user")
        assert error.details == {"expected": "0" * 64, "actual": sha256(BODY), "declared_by": "user"}
        assert len(server.asked) == 1
        assert fetches.fetch(sha256=sha256(BODY).upper(), declared_by="user").verified_by == "user"


def test_56_pieces_that_do_not_fit_together_are_not_the_user_s_fault(tmp_path):
    mixed = in_turn(cuts(OTHER, 1_000_000), serves(BODY))
    with served(tmp_path, mixed) as (_, fetches):
        assert fetches.fetch(sha256=sha256(BODY), declared_by="user").verified_by == "user"


def test_58_an_etag_is_not_a_hash(tmp_path):
    with served(tmp_path, serves(BODY, f'"{"a" * 64}"')) as (_, fetches):
        assert fetches.fetch().verified_by is None


# Sizes


def test_62_a_length_over_the_limit_is_not_read(tmp_path):
    with served(tmp_path, says(head("200 OK", "Content-Length: 99999999999"))) as (server, fetches):
        error = fetches.fails("DOWNLOAD_SIZE_EXCEEDED", max_bytes=1000)
        assert error.details == {"size": 99999999999, "max_bytes": 1000}
        assert fetches.part.stat().st_size == 0
        fetches.part.unlink()
        fetches.fails("DOWNLOAD_SIZE_EXCEEDED", max_bytes=1000, size=1001)
        assert len(server.asked) == 1
        assert not fetches.part.exists()


def test_63_a_length_that_lies(tmp_path):
    def speak(asked):
        asked.say(head("200 OK", "Content-Length: 1000") + BODY[:5000])
        asked.hang()

    with served(tmp_path, speak) as (_, fetches):
        fetches.fails("DOWNLOAD_BAD_RESPONSE", max_bytes=2000)
        assert fetches.part.stat().st_size == 1000


@pytest.mark.parametrize("coding", ["chunked", "none"])
def test_64_a_body_over_the_limit_is_cut(tmp_path, coding):
    def speak(asked):
        asked.say(head("200 OK", *(["Transfer-Encoding: chunked"] if coding == "chunked" else [])))
        while True:
            asked.say(chunked(BODY[:65536], end=b"") if coding == "chunked" else BODY[:65536])

    with served(tmp_path, speak) as (_, fetches):
        fetches.fails("DOWNLOAD_SIZE_EXCEEDED", max_bytes=1_000_000, sha256="0" * 64)
        assert fetches.part.stat().st_size <= 1_000_000


def test_64_a_size_other_than_declared_is_not_fetched(tmp_path):
    with served(tmp_path, serves(BODY)) as (_, fetches):
        error = fetches.fails("DOWNLOAD_SIZE_MISMATCH", size=5)
        assert error.details == {"expected": 5, "actual": len(BODY)}
        assert fetches.part.stat().st_size == 0


def test_a_file_without_a_byte_is_a_file(tmp_path):
    with served(tmp_path, serves(b"")) as (_, fetches):
        for options in ({}, {"size": 0}, {"body": b""}):
            assert fetches.fetch(**options).size == 0
