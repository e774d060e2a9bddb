"""Downloads that go on where they were. The numbers are the cases of the table in the research."""

import errno
import os
import threading
from dataclasses import replace

import pytest
from backplane.downloads.part import Part
from backplane.downloads.plan import Address
from backplane.downloads.stopping import Stopper
from backplane.downloads.transfer import Journal, transfer
from backplane.downloads.trouble import DownloadError, Stopped
from hostile_http import (
    Server,
    answer,
    cuts,
    head,
    in_turn,
    nothing_left,
    redirects,
    says,
    serves,
    sha256,
    some_bytes,
)
from transfers import LIMITS, Fetches, Inspecting, served

BODY = some_bytes(3_000_000)
OTHER = some_bytes(3_000_000, 2)
LARGE = some_bytes(24 << 20, 3)
AT = 1_000_000


def part_of(body, start, *fields, end=None, where=None, total=None):
    """Say a 206 with these bytes, and *where* it says that they are."""
    end = len(body) if end is None else end
    where = where or f"bytes {start}-{end - 1}/{total or len(body)}"
    return says(answer(body[start:end], f"Content-Range: {where}", *fields, status="206 Partial Content"))


# What is asked for


@pytest.mark.parametrize(
    ("known", "options", "sent"),
    [
        ({"etag": '"v1"'}, {}, ("bytes=1000000-", '"v1"')),
        ({"etag": '"v1"', "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {}, ("bytes=1000000-", '"v1"')),
        (
            {"etag": 'W/"v1"', "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
            {},
            ("bytes=1000000-", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ),
        ({"etag": 'W/"v1"'}, {}, (None, None)),
        ({}, {}, (None, None)),
        ({"etag": '"v0"', "identity": "commit/path"}, {"identity": "commit/path"}, ("bytes=1000000-", None)),
        ({"etag": 'W/"v0"'}, {"sha256": sha256(BODY)}, ("bytes=1000000-", None)),
    ],
)
def test_41_50_what_a_resumed_download_asks_for(tmp_path, known, options, sent):
    with served(tmp_path, serves(BODY, None)) as (server, fetches):
        journal = fetches.leave(BODY, (0, AT), **known)
        fetches.fetch(journal=journal, **options)
        headers = server.asked[0].headers
        assert (headers.get("range"), headers.get("if-range")) == sent
        assert len(server.asked) == 1


def test_41_only_what_is_missing_is_fetched_and_the_rest_is_hashed_again(tmp_path):
    inspector = Inspecting()
    with served(tmp_path, serves(BODY)) as (server, fetches):
        journal = fetches.leave(BODY, (0, AT), (1_500_000, 2_000_000), (2_900_000, 3_000_000), etag='"v1"')
        fetches.fetch(body=BODY, journal=journal, inspector=lambda: inspector)
        assert [asked.headers["range"] for asked in server.asked] == [
            "bytes=1000000-1499999",
            "bytes=2000000-2899999",
        ]
    assert (bytes(inspector.fed), inspector.size) == (BODY, len(BODY))
    assert fetches.paces[0].received >= AT


def test_41_all_is_there_already(tmp_path):
    with served(tmp_path, serves(BODY)) as (server, fetches):
        journal = fetches.leave(BODY, (0, len(BODY)), etag='"v1"')
        assert fetches.fetch(body=BODY, journal=journal).size == len(BODY)
        assert server.asked == []


@pytest.mark.parametrize(
    "case", ["another identity", "another size", "no file", "shorter file", "a stranger"]
)
def test_41_a_part_of_something_else_is_not_gone_on_with(tmp_path, case):
    with served(tmp_path, serves(BODY)) as (server, fetches):
        journal, options = fetches.leave(BODY, (0, AT), etag='"v1"', identity="a"), {"identity": "a"}
        if case == "another identity":
            options = {"identity": "b"}
        elif case == "another size":
            journal, options = replace(journal, size=5_000_000), {"identity": "a", "size": len(BODY)}
        elif case == "no file":
            fetches.part.unlink()
        elif case == "a stranger":
            options = {"identity": "a"}
            journal = None
        else:
            fetches.part.write_bytes(BODY[:500])
        fetches.fetch(journal=journal, **options)
        ranges = server.asked[0].headers.get("range")
        assert ranges == ("bytes=500-" if case == "shorter file" else None)


def test_the_journal_is_read_as_it_was_written():
    journal = Journal(((0, 5), (9, 12)), 12, '"e"', "Mon", "commit/path")
    assert Journal.from_json(journal.to_json()) == journal
    good = journal.to_json()
    bad = [None, [], {}, {**good, "spans": [[5, 1]]}, {**good, "spans": [[0, 13]]}, {**good, "size": "12"}]
    bad += [
        {**good, "etag": 5},
        {**good, "spans": [[0]]},
        {**good, "spans": [[-1, 5]]},
        {**good, "size": True},
    ]
    assert [Journal.from_json(each) for each in bad] == [None] * len(bad)


# What is answered


def test_42_the_whole_file_in_place_of_a_range(tmp_path):
    with served(tmp_path, serves(BODY, ranges=False)) as (server, fetches):
        journal = fetches.leave(BODY, (0, AT), (2_000_000, 2_500_000), etag='"v1"')
        fetches.fetch(journal=journal)
        assert server.asked[0].headers["range"]
        assert len(server.asked) == 1


@pytest.mark.parametrize("etag", ['"v1"', '"v2"'])
def test_43_49_another_file_in_place_of_a_range(tmp_path, etag):
    with served(tmp_path, serves(OTHER, etag, ranges=False)) as (server, fetches):
        journal = fetches.leave(BODY, (0, AT), etag='"v1"')
        fetches.fetch(journal=journal)
        assert fetches.part.read_bytes() == OTHER
        assert len(server.asked) == 2, "begun anew, once"
        assert "changed" in next(pace.note for pace in fetches.paces if pace.note)


def test_43_a_file_that_changes_each_time(tmp_path):
    def speak(asked):
        number = len(asked.server.asked)
        body = some_bytes(AT, number)
        asked.say(head("200 OK", f"Content-Length: {AT}", f'ETag: "{number}"'), body[: AT - 1])

    with served(tmp_path, speak) as (server, fetches):
        fetches.fails("DOWNLOAD_SOURCE_CHANGED")
        assert [asked.start for asked in server.asked] == [None, AT - 1, None, AT - 1]


@pytest.mark.parametrize(
    "bad",
    [
        part_of(BODY, AT + 1),
        part_of(BODY, AT, where=f"bytes {AT}-{AT + 5}/{len(BODY)}"),
        part_of(BODY, AT, where="bytes nonsense"),
        part_of(BODY, AT, where=f"bytes {len(BODY)}-{AT}/{len(BODY)}"),
        says(answer(BODY[AT:], status="206 Partial Content")),
        says(
            answer(b"--x\r\n", "Content-Type: multipart/byteranges; boundary=x", status="206 Partial Content")
        ),
        says(answer(b"", status="416 Range Not Satisfiable")),
    ],
    ids=["44 start", "44 end", "46 words", "46 order", "46 none", "51 multipart", "48 no size"],
)
@pytest.mark.parametrize("then", [BODY, OTHER])
def test_44_46_51_answers_that_are_not_the_range(tmp_path, bad, then):
    with served(tmp_path, in_turn(bad, serves(then))) as (server, fetches):
        fetches.fetch(journal=fetches.leave(BODY, (0, AT), etag='"v1"'))
        assert fetches.part.read_bytes() == then
        assert "range" not in server.asked[1].headers
        assert fetches.waits == []


def test_45_a_range_of_another_total(tmp_path):
    with served(tmp_path, in_turn(part_of(OTHER[:-1], AT, 'ETag: "v1"'), serves(OTHER))) as (server, fetches):
        fetches.fetch(journal=fetches.leave(BODY, (0, AT), etag='"v1"'))
        assert fetches.part.read_bytes() == OTHER
        assert "range" not in server.asked[1].headers
        assert fetches.journals[0].spans == (), "what was there is forgotten before it is overwritten"


def test_47_past_the_end_because_all_is_there(tmp_path):
    with served(tmp_path, serves(BODY)) as (server, fetches):
        journal = replace(fetches.leave(BODY, (0, len(BODY)), etag='"v1"'), size=None)
        fetches.fetch(journal=journal)
        assert [asked.headers["range"] for asked in server.asked] == ["bytes=3000000-"]


def test_48_past_the_end_because_the_file_is_shorter(tmp_path):
    with served(tmp_path, serves(BODY[:500_000], '"v1"')) as (server, fetches):
        fetches.fetch(journal=replace(fetches.leave(BODY, (0, AT), etag='"v1"'), size=None))
        assert fetches.part.read_bytes() == BODY[:500_000]
        assert len(server.asked) == 2


def test_a_shorter_range_than_asked_for_is_gone_on_from(tmp_path):
    first = part_of(BODY, AT, 'ETag: "v1"', end=AT + 10)
    with served(tmp_path, in_turn(first, serves(BODY))) as (server, fetches):
        fetches.fetch(journal=fetches.leave(BODY, (0, AT), etag='"v1"'))
        assert server.asked[1].headers["range"] == f"bytes={AT + 10}-"


@pytest.mark.parametrize("status", ["403 Forbidden", "410 Gone", "401 Unauthorized", "400 Bad Request"])
def test_52_a_signature_whose_time_is_over(tmp_path, status):
    at = len(BODY) * 98 // 100

    def origin(asked):
        redirects(cdn.url(f"/signed?sig={len(hub.asked)}"))(asked)

    def storage(asked):
        signed = int(asked.path[-1])
        if signed == 1 and asked.start is None:
            cuts(BODY, at)(asked)
        elif signed == 2:
            asked.say(answer(b"<Error/>", status=status))
        else:
            serves(BODY)(asked)

    (tmp_path / "models").mkdir()
    with Server(storage) as cdn, Server(origin) as hub:
        fetches = Fetches(tmp_path / "models", hub, cdn)
        fetches.fetch(address=lambda: Address(hub.url(), hop_hosts=("127.0.0.1",)), body=BODY)
        assert [asked.headers.get("range") for asked in cdn.asked] == [None, f"bytes={at}-", f"bytes={at}-"]
        assert fetches.waits == [1.0], "a new signature is asked for at once"


def test_52_a_storage_server_that_refuses_again_is_believed(tmp_path):
    (tmp_path / "models").mkdir()
    refuses = says(answer(b"", status="403 Forbidden"))
    with Server(in_turn(cuts(BODY, AT), refuses)) as cdn, Server(lambda asked: None) as hub:
        hub.speak = redirects(cdn.url())
        fetches = Fetches(tmp_path / "models", hub, cdn)
        address = Address(hub.url(), hop_hosts=("127.0.0.1",))
        fetches.fails("DOWNLOAD_UPSTREAM_FORBIDDEN", address=address, body=BODY)
        assert len(cdn.asked) == 3


def test_78_a_token_that_changed_between_attempts(tmp_path):
    tokens = iter(["old", "new"])
    with served(tmp_path, in_turn(cuts(BODY, AT), serves(BODY))) as (server, fetches):
        address = lambda: Address(server.url(), {"Authorization": f"Bearer {next(tokens)}"})  # noqa: E731
        fetches.fetch(address=address, body=BODY)
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]


# Several connections

WIDE = replace(LIMITS, spread_size=1 << 20, spread_after_s=0.0, spread_below=1e18, segment_bytes=1 << 20)


def slow_first(body, speak, etag='"v1"'):
    """Speak the whole file up to its first MiB, then wait until others were asked; *speak* to those."""

    def first(asked):
        asked.say(head("200 OK", f"Content-Length: {len(body)}", f"ETag: {etag}"), body[: 2 << 20])
        asked.server.wait_for(lambda: len(asked.server.asked) > 1)
        asked.say(body[2 << 20 :])

    return in_turn(first, speak)


def test_53_several_connections_fetch_one_file(tmp_path):
    with served(tmp_path, slow_first(LARGE, serves(LARGE))) as (server, fetches):
        fetches.fetch(body=LARGE, limits=WIDE)
        assert len(server.asked) > 1
        assert all(asked.start for asked in server.asked[1:])
        assert max(pace.connections for pace in fetches.paces) <= 4
        assert fetches.asked == 1, "one call of the source for all connections"
        fetched = sum(min(asked.end or len(LARGE), len(LARGE)) - asked.start for asked in server.asked[1:])
        assert fetched < 2 * len(LARGE)


def test_53_extra_connections_follow_redirects_only_once_and_carry_no_secret(tmp_path):
    (tmp_path / "models").mkdir()
    with Server(slow_first(LARGE, serves(LARGE))) as cdn, Server(lambda asked: None) as hub:
        hub.speak = redirects(cdn.url("/signed?sig=1"))
        fetches = Fetches(tmp_path / "models", hub, cdn, hosts=("127.0.0.1",))
        address = Address(hub.url(), {"Authorization": "Bearer hidden"}, hop_hosts=("127.0.0.1",))
        fetches.fetch(address=address, body=LARGE, limits=WIDE)
        assert len(hub.asked) == 1
        assert len(cdn.asked) > 1
        assert not any("authorization" in asked.headers for asked in cdn.asked)


@pytest.mark.parametrize(
    "reply",
    [
        serves(LARGE, ranges=False),
        says(answer(b"", status="429 Too Many Requests")),
        says(answer(b"", status="403 Forbidden")),
        part_of(LARGE, 5),
    ],
    ids=["53 whole", "54 429", "403", "wrong range"],
)
def test_53_54_a_source_that_wants_one_connection_gets_one(tmp_path, reply):
    refused = []

    def speak(asked):
        if asked.start is not None and len(refused) < 3:
            refused.append(asked)
            reply(asked)
        else:
            serves(LARGE)(asked)

    with served(tmp_path, slow_first(LARGE, speak)) as (_, fetches):
        fetches.fetch(body=LARGE, limits=WIDE)
        assert refused
        assert fetches.paces[-1].connections == 1


def test_53_an_extra_connection_that_breaks_costs_only_its_own_bytes(tmp_path):
    def breaks(asked):
        where = f"Content-Range: bytes {asked.start}-{asked.end or len(LARGE) - 1}/{len(LARGE)}"
        length = (asked.end or len(LARGE) - 1) + 1 - asked.start
        asked.say(
            head("206 Partial Content", f"Content-Length: {length}", where), LARGE[asked.start :][:500_000]
        )

    with served(tmp_path, lambda asked: None) as (server, fetches):
        server.speak = slow_first(LARGE, in_turn(breaks, serves(LARGE)))
        fetches.fetch(body=LARGE, limits=WIDE)


@pytest.mark.parametrize(
    ("options", "etag"),
    [
        ({}, None),
        ({}, 'W/"v1"'),
        ({"limits": replace(WIDE, connections=1)}, '"v1"'),
        ({"limits": replace(WIDE, spread_size=1 << 30)}, '"v1"'),
        ({"limits": replace(WIDE, spread_below=0.0)}, '"v1"'),
    ],
)
def test_one_connection_is_enough_where_more_would_not_be_safe_or_of_use(tmp_path, options, etag):
    with served(tmp_path, serves(LARGE, etag)) as (server, fetches):
        fetches.fetch(**{"limits": WIDE, **options})
        assert len(server.asked) == 1


# What ends it


def stopped(fetches, when, **options):
    """Fetch in a thread and stop it once *when()*; nothing may be left of it."""
    raised, stop = [], Stopper()

    def run():
        try:
            transfer(
                fetches.job(**options), fetches.streams, stop, fetches.paces.append, fetches.journals.append
            )
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    fetches.server.wait_for(when)
    stop.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [Stopped]


@pytest.mark.parametrize("keeping", [False, True])
def test_70_71_stopped_in_the_body_and_gone_on_with(tmp_path, keeping):
    hangs = cuts(BODY, AT, how=lambda asked: asked.hang())
    with served(tmp_path, in_turn(hangs, serves(BODY))) as (server, fetches), nothing_left():
        landed = lambda: fetches.part.exists() and fetches.part.read_bytes()[:AT] == BODY[:AT]  # noqa: E731
        stopped(fetches, landed, body=BODY, keep_on_stop=lambda: keeping)
        assert fetches.part.exists()
        if keeping:
            assert fetches.journal.spans == ((0, AT),)
            fetches.fetch(body=BODY, journal=fetches.journal)
            assert server.asked[-1].headers["range"] == f"bytes={AT}-"
        else:
            assert fetches.journals == []


def test_70_stopped_while_it_waits_for_an_answer(tmp_path):
    with served(tmp_path, lambda asked: asked.hang()) as (server, fetches), nothing_left():
        stopped(fetches, lambda: server.asked)


def test_70_stopped_while_it_waits_to_try_again(tmp_path):
    busy = says(answer(b"", "Retry-After: 29", status="503 X"))
    with served(tmp_path, busy) as (_, fetches), nothing_left():
        stopped(fetches, lambda: any(pace.phase == "retrying" for pace in fetches.paces))


def test_70_stopped_with_several_connections(tmp_path):
    def hangs(asked):
        where = f"Content-Range: bytes {asked.start}-{asked.end or len(LARGE) - 1}/{len(LARGE)}"
        length = (asked.end or len(LARGE) - 1) + 1 - asked.start
        asked.say(head("206 Partial Content", f"Content-Length: {length}", where), b"x")
        asked.hang()

    with served(tmp_path, lambda asked: None) as (server, fetches), nothing_left():
        server.speak = slow_first(LARGE, hangs)
        stopped(fetches, lambda: len(server.asked) > 1, body=LARGE, limits=WIDE)


def test_an_inspector_that_refuses_ends_it_at_once(tmp_path):
    refuses = DownloadError("DOWNLOAD_INVALID_FORMAT", "That is no model.")
    hangs = cuts(BODY, 2_000_000, how=lambda asked: asked.hang())
    with served(tmp_path, hangs) as (_, fetches):
        error = fetches.fails(
            "DOWNLOAD_INVALID_FORMAT", body=BODY, inspector=lambda: Inspecting(refuses=refuses)
        )
        assert error is refuses


@pytest.mark.parametrize("method", ["_write", "reserve"])
def test_65_a_disk_that_is_full_ends_it(tmp_path, monkeypatch, method):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with served(tmp_path, serves(BODY)) as (_, fetches):
        with monkeypatch.context() as patch:
            patch.setattr(Part, method, full)
            assert str(tmp_path) not in fetches.fails("DOWNLOAD_DISK_FULL", body=BODY).message
        fetches.fetch(body=BODY)


def test_66_a_folder_that_may_not_be_written_ends_it(tmp_path):
    with served(tmp_path, serves(BODY)) as (server, fetches):
        fetches.part = tmp_path / "models" / "missing" / ".task.part"
        with pytest.raises(DownloadError) as caught:
            transfer(
                fetches.job(), fetches.streams, fetches.stop, fetches.paces.append, fetches.journals.append
            )
        assert caught.value.code == "DOWNLOAD_IO_ERROR"
        assert server.connections == 0


def test_67_a_disk_that_fails_behind_ends_it_at_once(tmp_path, monkeypatch):
    def broken(part):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Part, "sync", broken)
    hangs = cuts(BODY, AT, how=lambda asked: asked.hang())
    with served(tmp_path, hangs) as (_, fetches):
        fetches.fails("DOWNLOAD_IO_ERROR", body=BODY, limits=replace(LIMITS, sync_bytes=1000))
        assert fetches.journals == []


def test_what_landed_is_written_down_as_it_goes(tmp_path):
    def speak(asked):
        asked.say(
            head("200 OK", f"Content-Length: {len(BODY)}", 'ETag: "v1"', "Last-Modified: Mon"), BODY[:AT]
        )
        asked.server.wait_for(lambda: fetches.journals)
        asked.say(BODY[AT:])

    with served(tmp_path, speak) as (_, fetches):
        fetches.fetch(identity="a", limits=replace(LIMITS, sync_bytes=AT))
        assert fetches.journals[0] == Journal(((0, AT),), len(BODY), '"v1"', "Mon", "a")
