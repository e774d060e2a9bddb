"""Sessions and the tasks that run them: what is known of how they ended, and going back from what failed."""

import pytest
from backplane.sessions import Description
from backplane.tasks.store import StoreError
from holding import CUT, made, rigged, state, steps
from patching import text_to_image

ROLLBACK = {"on_failure": "rollback"}


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path) as rig:
        yield rig


@pytest.fixture
def sessions(rig):
    return rig.sessions()


async def run(sessions, rig, session_id, task_id, status=None):
    """Run the head of a session, and end the run."""
    _, version = await sessions.graph_of(session_id)
    await sessions.ran(session_id, version, task_id)
    rig.tasks.statuses[task_id] = status or "running"
    if status is not None:
        await sessions.ended(task_id, status)
    return version


async def test_a_run_is_told_and_how_it_ended(sessions, rig):
    session_id = await made(sessions)
    graph, version = await sessions.graph_of(session_id)
    assert (graph, version) == (text_to_image(), 1)
    await run(sessions, rig, session_id, "t1")
    session, _ = await state(sessions, session_id)
    assert (session.last_run.task_id, session.last_run.version, session.last_run.status) == ("t1", 1, None)
    assert (session.last_ran, session.rev, session.seen) == (None, 1, 1)
    await sessions.ended("t1", "succeeded")
    session, _ = await state(sessions, session_id)
    assert (session.last_run.status, session.last_ran, session.rev, session.seen) == ("succeeded", 1, 1, 2)
    await sessions.ended("t1", "failed")  # the first word counts
    await sessions.ended("another", "failed")
    assert (await state(sessions, session_id))[0].last_run.status == "succeeded"
    _, [version], _ = await sessions.versions(session_id, 1, None)
    assert (version.ran, version.run.task_id) == (True, "t1")
    assert [data["change"] for _, data in rig.told] == ["created", "run", "run"]


async def test_an_older_version_can_be_run(sessions):
    session_id = await made(sessions)
    await sessions.patch(session_id, steps(30))
    graph, version = await sessions.graph_of(session_id, 1)
    assert (graph["5"]["inputs"]["steps"], version) == (20, 1)


async def test_a_version_that_was_taken_as_a_task_has_validated(sessions, rig):
    session_id = await made(sessions)
    await sessions.patch(session_id, CUT)
    await run(sessions, rig, session_id, "t1")
    assert (await state(sessions, session_id))[0].valid is True


async def test_what_was_not_told_is_asked_for_when_the_session_is_read(sessions, rig):
    session_id = await made(sessions)
    await run(sessions, rig, session_id, "t1")
    await run(sessions, rig, session_id, "t2")
    assert (await state(sessions, session_id))[0].last_run.status is None
    rig.tasks.statuses = {"t1": "succeeded"}  # t2 is not known any more
    session, _ = await state(sessions, session_id)
    assert (session.last_run.status, session.last_ran) == ("unknown", 1)
    rig.tasks.asked.clear()
    await state(sessions, session_id)
    assert rig.tasks.asked == []


async def test_a_failed_run_goes_back_to_the_last_version_that_ran(sessions, rig):
    session_id = await made(sessions, **ROLLBACK)
    await run(sessions, rig, session_id, "t1", "succeeded")
    await sessions.patch(session_id, steps(30))
    await sessions.patch(session_id, steps(40))
    await run(sessions, rig, session_id, "t2", "failed")
    session, graph = await state(sessions, session_id)
    assert (session.version, session.base, session.rev) == (4, 3, 4)
    assert graph == text_to_image()
    _, [newest, *_], _ = await sessions.versions(session_id, 10, None)
    assert (newest.kind, newest.same_as, newest.changes) == ("rollback", 1, 1)
    assert newest.because == {"task_id": "t2", "version": 3}
    assert newest.summary == "back to version 1: the run of version 3 failed"
    assert rig.told[-1][1]["change"] == "rollback"
    await sessions.step(session_id, 1, back=True)
    assert (await state(sessions, session_id))[1]["5"]["inputs"]["steps"] == 40


async def test_it_does_so_when_nobody_told_of_the_failure_before_the_next_run(sessions, rig):
    session_id = await made(sessions, **ROLLBACK)
    await run(sessions, rig, session_id, "t1", "succeeded")
    await sessions.patch(session_id, steps(30))
    await run(sessions, rig, session_id, "t2")
    rig.tasks.statuses["t2"] = "failed"
    graph, version = await sessions.graph_of(session_id)
    assert (graph, version) == (text_to_image(), 3)


async def test_where_none_ran_it_goes_back_to_the_last_that_validated(sessions, rig):
    session_id = await made(sessions, **ROLLBACK)
    await sessions.patch(session_id, CUT)
    await sessions.patch(session_id, steps(30))
    await run(sessions, rig, session_id, "t1", "failed")
    assert (await state(sessions, session_id))[1] == text_to_image()


@pytest.mark.parametrize(
    ("about", "status"), [({}, "failed"), (ROLLBACK, "cancelled"), (ROLLBACK, "unknown")]
)
async def test_else_it_stays(sessions, rig, about, status):
    session_id = await made(sessions, **about)
    await run(sessions, rig, session_id, "t1", "succeeded")
    await sessions.patch(session_id, steps(30))
    await run(sessions, rig, session_id, "t2", status)
    assert (await state(sessions, session_id))[0].version == 2


async def test_it_stays_where_somebody_edited_since(sessions, rig):
    session_id = await made(sessions, **ROLLBACK)
    await run(sessions, rig, session_id, "t1", "succeeded")
    await sessions.patch(session_id, steps(30))
    await run(sessions, rig, session_id, "t2")
    await sessions.patch(session_id, steps(31))
    await sessions.ended("t2", "failed")
    assert (await state(sessions, session_id))[0].version == 3


async def test_it_stays_where_there_is_nothing_else_to_go_back_to(sessions, rig):
    session_id = await made(sessions, **ROLLBACK)
    await run(sessions, rig, session_id, "t1", "failed")
    await sessions.patch(session_id, steps(30))
    await sessions.rollback(session_id, 1)
    await sessions.step(session_id, 1, back=True)
    assert (await state(sessions, session_id))[0].version == 2
    only = await made(sessions, CUT and {}, **ROLLBACK)
    await sessions.patch(only, [{"op": "add_node", "class_type": "Number"}])
    await run(sessions, rig, only, "t2", "failed")
    assert (await state(sessions, only))[0].version == 2


async def test_a_workflow_that_failed_is_not_what_it_goes_back_to(sessions, rig):
    session_id = await made(sessions, **ROLLBACK)
    await sessions.patch(session_id, steps(30))
    await sessions.rollback(session_id, 1)
    await run(sessions, rig, session_id, "t1", "failed")  # what versions 1 and 3 have
    session, graph = await state(sessions, session_id)
    assert (session.version, graph["5"]["inputs"]["steps"]) == (4, 30)


async def test_a_rollback_to_what_ran_has_run(sessions, rig):
    session_id = await made(sessions)
    await run(sessions, rig, session_id, "t1", "succeeded")
    await sessions.patch(session_id, steps(30))
    edited = await sessions.rollback(session_id, "ran")
    assert (edited.session.version, edited.session.last_ran) == (3, 3)


async def test_of_a_session_many_runs_are_kept_and_not_all(sessions, rig):
    session_id = await made(sessions)
    for number in range(105):
        await run(sessions, rig, session_id, f"t{number}", "succeeded")
    await run(sessions, rig, session_id, "last")
    await sessions.stop()
    import sqlite3

    db = sqlite3.connect(rig.path)
    assert db.execute("SELECT count(*) FROM runs").fetchone() == (101,)
    db.close()


async def test_a_store_that_fails_does_not_fail_who_tells_of_runs(rig, caplog):
    def broken(path, bounds):
        raise StoreError("STORE_FULL", "The disk of the store is full")

    sessions = rig.sessions(open_store=broken)
    await sessions.ran("ws-1", 1, "t1")
    await sessions.ended("t1", "failed")
    assert caplog.text.count("The disk of the store is full") == 2


async def test_a_run_of_a_session_that_is_gone_is_no_ones(sessions, rig):
    session_id = await made(sessions)
    await run(sessions, rig, session_id, "t1")
    await sessions.remove(session_id)
    await sessions.ended("t1", "failed")
    await sessions.ran(session_id, 1, "t2")
    await sessions.describe(await made(sessions), Description("x"))
