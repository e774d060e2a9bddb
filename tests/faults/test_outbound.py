"""Servers that hang, lie, flood and redirect inwards; names that change their mind. Loopback only."""

# ruff: noqa: ASYNC240, SIM117 - what is built on what reads better nested

import asyncio
import contextlib
import gzip
import hashlib
import io
import logging
import ssl
from pathlib import Path

import pytest
import trustme
from backplane.access import Limits, Outbound, OutboundError, Rules
from hostile import QUICK, Hostile, Names, answer, drips, floods, hangs, reaching, says

PUBLIC = "93.184.215.14"
BODY = bytes(range(256)) * 4096


@contextlib.asynccontextmanager
async def one(speak, **options):
    """One server and an Outbound that may reach it."""
    async with Hostile(speak) as server, reaching(server, **options) as outbound:
        yield server, outbound


async def refusal(awaitable, code):
    with pytest.raises(OutboundError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def fetched(outbound, url, max_bytes=1 << 21, **options):
    into = io.BytesIO()
    found = await outbound.fetch(url, into, max_bytes=max_bytes, **options)
    assert found.size == len(into.getvalue())
    return found, into.getvalue()


# What is well


async def test_a_body_is_fetched_into_a_file_and_hashed(tmp_path: Path):
    async with one(says(answer(BODY, "Content-Type: Image/PNG; x=y"))) as (server, outbound):
        found = await outbound.fetch(server.url("/a.png?t=1"), tmp_path / "a", max_bytes=len(BODY))
    assert tmp_path.joinpath("a").read_bytes() == BODY
    assert (found.size, found.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (found.media_type, found.url) == ("image/png", server.url("/a.png?t=1"))
    assert "accept-encoding: identity" in server.heads[0].lower()
    assert "cookie" not in server.heads[0].lower()


async def test_an_answer_to_a_post_is_read_and_the_connection_used_again():
    async with one(says(answer(b"ok", "X-A: b"), keep=True)) as (server, outbound):
        for _ in range(2):
            reply = await outbound.post(server.url(), b"body", {"X": "y"})
            assert (reply.status, reply.body, reply.headers["x-a"]) == (200, b"ok", "b")
    assert server.bodies == [b"body", b"body"]
    assert server.connections == 1


async def test_connections_open_again_after_all_were_closed():
    async with one(says(answer(b"ok"))) as (server, outbound):
        await outbound.post(server.url(), b"", {})
        await outbound.close()
        await outbound.post(server.url(), b"", {})


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    async with Hostile(says(answer(b"proxied"))) as proxy, one(says(answer(b"direct"))) as (server, outbound):
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.setenv("ALL_PROXY", proxy.url())
        assert (await outbound.post(server.url(), b"", {})).body == b"direct"
        assert proxy.connections == 0


# Where it may go


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
async def test_the_loopback_is_refused_by_default(host: str):
    async with Hostile(says(answer(b"secret"))) as server:
        outbound = Outbound(Rules(allow_http=True))
        error = await refusal(outbound.post(server.url(host=host), b"", {}), "OUTBOUND_REFUSED")
        await outbound.close()
        assert server.connections == 0
    assert "no public address, or its name cannot be resolved" in error.message


async def test_a_name_with_one_private_address_among_public_ones_is_refused():
    names = Names(both_test=[[PUBLIC, "10.0.0.1"]])
    async with one(says(answer()), resolver=names) as (server, outbound):
        await refusal(outbound.post(server.url(host="both.test"), b"", {}), "OUTBOUND_REFUSED")


async def test_a_blocked_name_and_one_that_does_not_exist_are_told_in_the_same_words(
    caplog: pytest.LogCaptureFixture,
):
    names = Names(inner_test=[["10.1.2.3"]], empty_test=[[]], odd_test=[["not an address"]])
    caplog.set_level(logging.DEBUG, "backplane")
    messages = set()
    async with one(says(answer()), resolver=names) as (server, outbound):
        for host in ("inner.test", "empty.test", "odd.test", "absent.test"):
            error = await refusal(
                outbound.post(server.url("/?token=secret", host=host), b"", {}), "OUTBOUND_REFUSED"
            )
            messages.add(error.message.replace(host, "name"))
    assert len(messages) == 1
    assert "10.1.2.3" not in messages.pop() + caplog.text
    assert "secret" not in caplog.text


async def test_a_name_is_resolved_once_and_the_connection_goes_to_that_very_address():
    names = Names(a_test=[["127.0.0.1"], ["127.0.0.2"]])
    async with one(says(answer(b"ok")), resolver=names) as (server, outbound):
        assert (await outbound.post(server.url(host="a.test"), b"", {})).body == b"ok"
        assert names.asked == ["a.test"]
        assert f"host: a.test:{server.port}" in server.heads[0].lower()


async def test_a_name_that_changes_its_mind_gains_nothing():
    # The first answer is admitted, and nobody is there; what it answers afterwards must never be reached.
    names = Names(rebind_test=[["127.0.0.2"], ["127.0.0.1"]])
    async with Hostile(says(answer(b"secret"))) as inner:
        rules = Rules(allow_http=True, allow=frozenset({("127.0.0.2", inner.port)}))
        outbound = Outbound(rules, QUICK, resolver=names)
        url = inner.url(host="rebind.test")
        await refusal(outbound.post(url, b"", {}), "OUTBOUND_FAILED")
        assert names.asked == ["rebind.test"]  # once, and not again to connect
        await refusal(outbound.post(url, b"", {}), "OUTBOUND_REFUSED")
        await outbound.close()
        assert inner.connections == 0


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # Python 3.10
async def test_a_certificate_is_checked_against_the_name_and_not_the_address():
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("good.test").configure_cert(tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names = Names(good_test=[["127.0.0.1"]], bad_test=[["127.0.0.1"]])
    async with (
        Hostile(says(answer(b"ok")), tls=tls) as server,
        reaching(server, resolver=names, tls=trusting) as outbound,
        reaching(server, resolver=names) as usual,
    ):
        post = outbound.post(server.url(host="good.test", scheme="https"), b"", {})
        assert (await post).body == b"ok"
        wrong = outbound.post(server.url(host="bad.test", scheme="https"), b"", {})
        assert "certificate" in (await refusal(wrong, "OUTBOUND_FAILED")).message
        unknown = usual.post(server.url(host="good.test", scheme="https"), b"", {})
        assert "certificate" in (await refusal(unknown, "OUTBOUND_FAILED")).message


async def test_a_port_that_nobody_listens_on_is_told_without_its_address():
    async with one(says(answer()), resolver=Names(gone_test=[["127.0.0.1"]])) as (server, outbound):
        await server.__aexit__()
        error = await refusal(outbound.post(server.url(host="gone.test"), b"", {}), "OUTBOUND_FAILED")
    assert "127.0.0.1" not in error.message
    assert error.__suppress_context__


# Redirects


def redirects(location, status="302 Found"):
    return says(answer(b"", f"Location: {location}", status=status))


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_redirects_are_followed_where_asked_and_the_last_url_is_told(status: str):
    async with Hostile(says(answer(b"there"))) as last:
        async with (
            Hostile(redirects(last.url("/x?sig=1"), status)) as first,
            reaching(first, last) as outbound,
        ):
            found, body = await fetched(outbound, first.url())
    assert (body, found.url) == (b"there", last.url("/x?sig=1"))


async def test_secrets_do_not_follow_a_redirect_to_another_origin():
    headers = {"Authorization": "Bearer s3cret", "Cookie": "s3cret", "X-Key": "s3cret", "Range": "bytes=0-"}
    async with Hostile(says(answer(b"there"))) as last:
        async with Hostile(redirects(last.url())) as first, reaching(first, last) as outbound:
            await fetched(outbound, first.url(), headers=headers)
            assert "s3cret" in first.heads[0]
            assert "s3cret" not in last.heads[0]
            assert "range: bytes=0-" in last.heads[0].lower()


async def test_a_cookie_that_a_server_sets_is_never_sent():
    turns = iter([answer(b"", "Set-Cookie: a=b", "Location: /2", status="302 Found"), answer(b"ok")])

    async def speak(head, writer):
        return await says(next(turns))(head, writer)

    async with one(speak) as (server, outbound):
        await fetched(outbound, server.url())
    assert "cookie" not in server.heads[1].lower()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "localhost", "inner.test", "169.254.169.254"]
)
async def test_a_redirect_inwards_is_refused_and_nobody_is_called(host: str):
    names = Names(inner_test=[["127.0.0.1"]], localhost=[["127.0.0.1"]])
    async with Hostile(says(answer(b"secret"))) as inner:
        async with one(redirects(inner.url(host=host)), resolver=names) as (server, outbound):
            await refusal(fetched(outbound, server.url()), "OUTBOUND_REFUSED")
        assert inner.connections == 0


async def test_a_post_is_never_redirected():
    async with Hostile(says(answer(b"secret"))) as other:
        async with Hostile(redirects(other.url(), "307 T")) as server, reaching(server, other) as outbound:
            assert (await outbound.post(server.url(), b"", {})).status == 307
        assert other.connections == 0


async def test_a_redirect_loop_ends_after_the_hops_that_were_asked_for():
    async with one(redirects("/again")) as (server, outbound):
        error = await refusal(fetched(outbound, server.url(), hops=3), "OUTBOUND_FAILED")
    assert "redirect to redirect" in error.message
    assert len(server.heads) == 4


@pytest.mark.parametrize("location", ["", "http://[", "file:///etc/passwd", "http://127.0.0.1:22/", "/a b"])
async def test_a_redirect_to_what_is_no_web_address_is_refused(location: str):
    async with one(redirects(location)) as (server, outbound):
        code = "OUTBOUND_REFUSED" if location else "OUTBOUND_FAILED"
        await refusal(fetched(outbound, server.url(), hops=2), code)


# Answers that lie


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nshort\r\n",
        CHUNKED + b"zz\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
    ids=lambda said: repr(said[:60]),
)
async def test_an_answer_that_is_cut_or_malformed_fails_and_leaves_no_file(said: bytes, tmp_path: Path):
    async with one(says(said)) as (server, outbound):
        await refusal(outbound.fetch(server.url(), tmp_path / "a", max_bytes=1 << 20), "OUTBOUND_FAILED")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "status", ["204 No Content", "206 Partial Content", "304 Not Modified", "404 N", "500 E"]
)
async def test_any_status_but_200_fails_and_is_told(status: str):
    async with one(says(answer(b"", status=status))) as (server, outbound):
        error = await refusal(fetched(outbound, server.url()), "OUTBOUND_FAILED")
    assert error.details == {"status": int(status[:3])}


async def test_a_length_over_the_cap_is_refused_before_any_byte_is_read(tmp_path: Path):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
    async with one(drips(b"", head)) as (server, outbound):
        await refusal(outbound.fetch(server.url(), tmp_path / "a", max_bytes=1000), "OUTBOUND_TOO_LARGE")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", CHUNKED])
async def test_an_endless_body_is_cut_at_the_cap(head: bytes, tmp_path: Path):
    async with one(floods(b"10000\r\n" + b"x" * 65536 + b"\r\n", head)) as (server, outbound):
        await refusal(outbound.fetch(server.url(), tmp_path / "a", max_bytes=1 << 20), "OUTBOUND_TOO_LARGE")
    assert list(tmp_path.iterdir()) == []


async def test_no_more_is_taken_than_the_length_that_was_told():
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    async with one(floods(b"x" * 1000, said)) as (server, outbound):
        body = b"xxxxx"
        with contextlib.suppress(OutboundError):  # aiohttp refuses it if more comes in the same packet
            _, body = await fetched(outbound, server.url(), max_bytes=10)
        assert body == b"xxxxx"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_a_compressed_bomb_is_not_unpacked(encoding: str):
    bomb = gzip.compress(bytes(1 << 24))
    async with one(says(answer(bomb, f"Content-Encoding: {encoding}"), keep=True)) as (server, outbound):
        error = await refusal(fetched(outbound, server.url()), "OUTBOUND_FAILED")
        assert "compressed" in error.message
        assert (await outbound.post(server.url(), b"", {})).body == b""


async def test_a_path_where_a_file_is_already_is_left_alone(tmp_path: Path):
    tmp_path.joinpath("a").write_text("old")
    async with one(says(answer(b"new"))) as (server, outbound):
        with pytest.raises(FileExistsError):
            await outbound.fetch(server.url(), tmp_path / "a", max_bytes=10)
    assert tmp_path.joinpath("a").read_text() == "old"


async def test_a_full_disk_is_told_as_such():
    class Full(io.BytesIO):
        def write(self, piece):
            raise OSError(28, "No space left on device")

    async with one(says(answer(BODY))) as (server, outbound):
        with pytest.raises(OSError, match="No space left"):
            await outbound.fetch(server.url(), Full(), max_bytes=len(BODY))


# Answers that do not come


@pytest.mark.parametrize(
    "speak",
    [
        hangs,
        drips(b"X: y\r\n", b"HTTP/1.1 200 OK\r\n"),
        drips(b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
    ],
    ids=["silence", "slow headers", "endless 1xx", "stalled body"],
)
async def test_a_server_that_does_not_go_on_is_given_up(speak, tmp_path: Path):
    async with one(speak) as (server, outbound):
        await refusal(outbound.fetch(server.url(), tmp_path / "a", max_bytes=100), "OUTBOUND_TIMEOUT")
    assert list(tmp_path.iterdir()) == []


async def test_a_body_that_drips_for_ever_ends_with_the_time_for_all():
    limits = Limits(answer_s=5, stall_s=5, total_s=0.3)
    async with one(drips(b"x", b"HTTP/1.1 200 OK\r\n\r\n"), limits=limits) as (server, outbound):
        await refusal(fetched(outbound, server.url()), "OUTBOUND_TIMEOUT")


async def test_redirects_share_the_time_for_all():
    async def speak(head, writer):
        await asyncio.sleep(0.02)
        return await redirects("/again")(head, writer)

    limits = Limits(answer_s=5, stall_s=5, total_s=0.2)
    async with one(speak, limits=limits) as (server, outbound):
        await refusal(fetched(outbound, server.url(), hops=10_000), "OUTBOUND_TIMEOUT")


async def test_an_answer_to_a_post_counts_though_its_body_never_ends():
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    for speak in (says(said), drips(b"", said), floods(b"x" * 65536, b"HTTP/1.1 200 OK\r\n\r\n")):
        async with one(speak) as (server, outbound):
            reply = await outbound.post(server.url(), b"", {}, total_s=0.3)
        assert reply.status == 200
        assert len(reply.body) <= 65536


async def test_a_fetch_that_is_cancelled_leaves_no_file_and_no_connection(tmp_path: Path):
    begun = asyncio.Event()

    async def speak(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1 << 20))
        await writer.drain()
        begun.set()
        await asyncio.Event().wait()

    async with one(speak, limits=Limits()) as (server, outbound):
        fetching = asyncio.ensure_future(outbound.fetch(server.url(), tmp_path / "a", max_bytes=1 << 30))
        await begun.wait()
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    assert list(tmp_path.iterdir()) == []
