"""How long sessions are kept, how many, how much of each; restarts, damage, idempotency keys."""

import asyncio
import sqlite3

import pytest
from backplane.sessions import Description
from backplane.sessions.store import open_store
from backplane.sessions.store.schema import MIGRATIONS
from backplane.sessions.values import Bounds
from backplane.tasks import AlreadyRememberedError, Remembered
from holding import made, refused, rigged, state, steps
from patching import exactly
from stores import NOW

DAY_S = 86_400.0


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path) as rig:
        yield rig


def counted(path):
    db = sqlite3.connect(path)
    tables = ("sessions", "versions", "graphs", "ops", "runs")
    found = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    taken = db.execute("SELECT coalesce(sum(bytes), 0) FROM sessions").fetchone()[0]
    kept = db.execute(
        "SELECT (SELECT coalesce(sum(length(body)), 0) FROM graphs)"
        " + (SELECT coalesce(sum(length(body)), 0) FROM ops)"
    ).fetchone()[0]
    assert taken == kept
    near = {}
    rows = "SELECT session, n, base, valid, ran, near_valid, near_ran FROM versions ORDER BY session, n"
    for seq, number, base, valid, ran, *were in db.execute(rows):
        back = near.get((seq, base), (None, None))
        near[seq, number] = (number if valid else back[0], number if ran else back[1])
        assert tuple(were) == near[seq, number]
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    return found


async def test_all_is_there_after_a_restart(rig):
    sessions = rig.sessions()
    session_id = await made(sessions, label="Cat", on_failure="rollback")
    for number in (30, 40):
        await sessions.patch(session_id, steps(number))
    await sessions.step(session_id, 1, back=True)
    await sessions.ran(session_id, 2, "t1")
    rig.tasks.statuses["t1"] = "running"
    before, graph = await state(sessions, session_id)
    await rig.close()
    sessions = rig.sessions()
    after, again = await state(sessions, session_id)
    assert after == before
    assert exactly(again) == exactly(graph)
    assert (await sessions.step(session_id, 1, back=False)).session.version == 3


async def test_sessions_are_listed_with_the_one_changed_last_first(rig):
    sessions = rig.sessions()
    ids = [await made(sessions, label=str(number)) for number in range(5)]
    await sessions.patch(ids[1], steps(3))
    page, following = await sessions.page(3, None)
    assert [each.id for each in page] == [ids[1], ids[4], ids[3]]
    page, following = await sessions.page(3, following)
    assert ([each.id for each in page], following) == ([ids[2], ids[0]], None)


async def test_a_session_expires_so_long_after_it_was_last_used(rig):
    sessions = rig.sessions()
    session_id = await made(sessions)
    rig.clock.at = NOW + DAY_S - 1
    assert (await state(sessions, session_id))[0].used_at == rig.clock.at
    rig.clock.at += DAY_S - 1
    assert [each.id for each in (await sessions.page(9, None))[0]] == [session_id]
    rig.clock.at += 2
    assert (await sessions.page(9, None))[0] == []
    for doing in (
        sessions.get(session_id),
        sessions.patch(session_id, steps(3)),
        sessions.versions(session_id, 9, None),
    ):
        await refused("SESSION_NOT_FOUND", doing)
    kept = await made(sessions)
    assert await sessions.sweep() == 1
    await rig.close()
    assert counted(rig.path) == {"sessions": 1, "versions": 1, "graphs": 1, "ops": 0, "runs": 0}
    assert (await state(rig.sessions(), kept))[0].version == 1


async def test_a_read_is_written_down_as_a_use_now_and_then_only(rig):
    sessions = rig.sessions()
    session_id = await made(sessions)
    rig.clock.at += 3000
    assert (await state(sessions, session_id))[0].used_at == NOW
    rig.clock.at += 3000
    session, _ = await state(sessions, session_id)
    assert (session.used_at, session.seen, session.rev) == (NOW + 6000, 1, 1)


async def test_a_start_sweeps_and_makes_no_file(rig):
    sessions = rig.sessions()
    await made(sessions)
    await rig.close()
    rig.clock.at += 2 * DAY_S
    sessions = rig.sessions()
    sessions.start()
    deadline = asyncio.get_running_loop().time() + 10
    while counted(rig.path)["sessions"]:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    await rig.close()
    rig.path = rig.path.with_name("none.sqlite3")
    sessions = rig.sessions()
    sessions.start()
    await asyncio.to_thread(rig.path.exists)
    await rig.close()
    assert not rig.path.exists()


async def test_without_an_age_sessions_stay(rig):
    sessions = rig.sessions(bounds={"age_s": None})
    session_id = await made(sessions)
    rig.clock.at += 10_000 * DAY_S
    assert await sessions.sweep() == 0
    assert (await state(sessions, session_id))[0].id == session_id


async def test_one_more_than_allowed_is_refused_and_expired_ones_do_not_count(rig):
    sessions = rig.sessions(bounds={"sessions": 2})
    ids = [await made(sessions), await made(sessions)]
    error = await refused("SESSION_LIMIT", made(sessions))
    assert error.details == {"setting": "max_sessions", "most": 2}
    await sessions.remove(ids[0])
    await made(sessions)
    rig.clock.at += 2 * DAY_S
    await made(sessions)


async def test_the_oldest_versions_go_beyond_the_limit_and_those_that_matter_stay(rig):
    sessions = rig.sessions(bounds={"versions": 4})
    session_id = await made(sessions)
    await sessions.ran(session_id, 1, "t1")
    await sessions.ended("t1", "succeeded")
    await sessions.patch(session_id, steps(21))
    await sessions.ran(session_id, 2, "t2")
    rig.tasks.statuses["t2"] = "running"
    for number in range(22, 27):
        await sessions.patch(session_id, steps(number))
    _, versions, _ = await sessions.versions(session_id, 99, None)
    assert [(each.number, each.base) for each in versions] == [(7, 6), (6, 2), (2, 1), (1, None)]
    error = await refused("VERSION_NOT_FOUND", sessions.get(session_id, 5))
    assert error.details == {"oldest": 1, "latest": 7}
    edited = await sessions.step(session_id, 2, back=True)
    assert (edited.session.version, edited.graph["5"]["inputs"]["steps"]) == (2, 21)
    edited = await sessions.step(session_id, 2, back=False)
    assert (edited.session.version, edited.graph["5"]["inputs"]["steps"]) == (7, 26)
    await rig.close()
    assert counted(rig.path) == {"sessions": 1, "versions": 4, "graphs": 4, "ops": 3, "runs": 2}


async def test_what_is_near_stays_right_through_any_edits_and_thinning(rig):
    import random

    dice = random.Random(3)
    sessions = rig.sessions(bounds={"versions": 6})
    session_id = await made(sessions)
    for number in range(80):
        what = dice.random()
        if what < 0.5:
            cut = dice.random() < 0.5
            link = {"source_node_id": "4", "output": 0, "target_node_id": "5", "input": "latent"}
            session, graph = await state(sessions, session_id)
            linked = "latent" in graph["5"]["inputs"]
            ops = [{"op": "disconnect" if linked else "connect", **link}] if cut == linked else []
            await sessions.patch(session_id, [*ops, *steps(number + 1)])
        elif what < 0.65:
            await sessions.ran(session_id, (await state(sessions, session_id))[0].version, f"t{number}")
            await sessions.ended(f"t{number}", dice.choice(["succeeded", "failed"]))
        elif what < 0.8:
            session, _ = await state(sessions, session_id)
            if session.base is not None:
                await sessions.step(session_id, 1, back=True)
        else:
            _, versions, _ = await sessions.versions(session_id, 99, None)
            await sessions.rollback(session_id, dice.choice(versions).number)
        counted(rig.path)
    assert (await state(sessions, session_id))[0].latest > 40


async def test_redo_passes_over_versions_that_were_forgotten(rig):
    sessions = rig.sessions(bounds={"versions": 5, "age_s": None})
    session_id = await made(sessions)
    for number in (21, 22, 23):
        await sessions.patch(session_id, steps(number))
    await sessions.step(session_id, 3, back=True)
    db = sqlite3.connect(rig.path)
    from backplane.sessions.store.thinning import _forget_version

    _forget_version(db, 1, 2)
    _forget_version(db, 1, 4)
    db.commit()
    db.close()
    assert (await sessions.step(session_id, 1, back=False)).session.version == 3
    await refused("NOTHING_TO_REDO", sessions.step(session_id, 1, back=False))
    assert (await sessions.step(session_id, 1, back=True)).session.version == 1


async def test_a_session_takes_no_more_room_than_allowed(rig):
    import random

    dice = random.Random(7)
    sessions = rig.sessions(bounds={"session_bytes": 20_000})
    session_id = await made(sessions)

    def noise(size):
        return f"{dice.getrandbits(8 * size):x}"

    for _ in range(12):
        text = [{"op": "set_param", "node_id": "2", "param": "text", "value": noise(2_000)}]
        await sessions.patch(session_id, text)
    _, versions, _ = await sessions.versions(session_id, 99, None)
    assert 2 < len(versions) < 9
    assert versions[0].number == 13
    text = [{"op": "set_param", "node_id": "2", "param": "text", "value": noise(30_000)}]
    error = await refused("SESSION_TOO_LARGE", sessions.patch(session_id, text))
    assert error.details["most"] == 20_000
    assert (await state(sessions, session_id))[0].version == 13
    await rig.close()
    counted(rig.path)


async def test_a_store_that_is_full_refuses_and_undo_still_works(rig):
    import random

    sessions = rig.sessions(bounds={"store_bytes": 200_000})
    session_id = await made(sessions)
    dice = random.Random(7)
    error = None
    for _ in range(30):
        value = f"{dice.getrandbits(80_000):x}"
        text = [{"op": "set_param", "node_id": "2", "param": "text", "value": value}]
        try:
            await sessions.patch(session_id, text)
        except Exception as refusal:
            error = refusal
            break
    assert (error.code, error.details["setting"]) == ("SESSION_LIMIT", "max_sessions_bytes")
    await sessions.step(session_id, 1, back=True)
    await sessions.rollback(session_id, 1)
    large = {"1": {"class_type": "Number", "inputs": {"value": f"{dice.getrandbits(80_000):x}"}}}
    await refused("SESSION_LIMIT", made(sessions, large))


async def test_a_damaged_file_is_moved_aside_and_an_empty_one_begun(rig, caplog):
    sessions = rig.sessions()
    session_id = await made(sessions)
    await rig.close()
    rig.path.write_bytes(b"no database" * 1000)
    await refused("SESSION_NOT_FOUND", rig.sessions().get(session_id))
    assert "sessions.sqlite3 was damaged" in caplog.text
    assert [each.name for each in rig.path.parent.glob("*damaged*")]


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(rig, tmp_path):
    newer = open_store(rig.path, Bounds(), migrations=(*MIGRATIONS, "CREATE TABLE later (x)"))
    await newer.close()
    before = rig.path.read_bytes()
    await refused("STORE_NEWER", rig.sessions().page(9, None))
    assert rig.path.read_bytes() == before


async def test_a_store_that_could_not_be_opened_is_tried_again(rig):
    rig.path.mkdir()
    sessions = rig.sessions()
    await refused("STORE_UNAVAILABLE", sessions.page(9, None))
    rig.path.rmdir()
    assert await sessions.page(9, None) == ([], None)


def kept(key, made_with):
    def remember(edited):
        made_with.append(edited.session)
        text = f"{edited.session.version} é"
        return Remembered("POST /x", key, "sha", 200, text, NOW)

    return remember


async def test_an_answer_is_kept_with_the_change_or_there_is_no_change(rig):
    sessions, other = rig.sessions(), rig.sessions()
    session_id = await made(sessions)
    seen = []
    edited = await sessions.patch(session_id, steps(30), remember=kept("k", seen))
    assert seen == [edited.session]
    first = await other.recall("POST /x", "k")
    assert first == Remembered("POST /x", "k", "sha", 200, "2 é", NOW)
    with pytest.raises(AlreadyRememberedError) as again:
        await other.patch(session_id, steps(40), remember=kept("k", seen))
    assert again.value.first == first
    assert (await state(sessions, session_id))[0].version == 2
    with pytest.raises(AlreadyRememberedError):
        await other.create(await other.from_workflow({}), Description(), kept("k", seen))
    assert len((await sessions.page(9, None))[0]) == 1
    nothing = await sessions.patch(session_id, steps(30), remember=kept("n", seen))
    assert (nothing.session.version, (await sessions.recall("POST /x", "n")).answer) == (2, "2 é")
    await sessions.patch(session_id, steps(31), dry_run=True, remember=kept("d", seen))
    assert await sessions.recall("POST /x", "d") is None
    rig.clock.at += 2 * DAY_S
    assert await sessions.recall("POST /x", "k") is None
    await sessions.sweep()
    await rig.close()
    db = sqlite3.connect(rig.path)
    assert db.execute("SELECT count(*) FROM answers").fetchone() == (0,)
    db.close()
