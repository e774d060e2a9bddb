"""What is noted of outputs: kept beside finished tasks, and gone with them."""

import sqlite3

import pytest
from backplane.tasks.engine import Mark, Retention
from backplane.tasks.store import schema
from backplane.tasks.store.file import open_file
from stores import NOW, SUCCEEDED, Rig, claimed, got, submitted

STRANGE = 'ComfyUI/00001_ (1)\n"é猫"|.png'


@pytest.fixture
async def rig(tmp_path):
    async with Rig(tmp_path / "tasks.sqlite3").running() as rig:
        yield rig


async def finished(engine):
    held = await claimed(engine)
    await engine.complete(held.lease, SUCCEEDED)
    return held.task.id


async def test_marks_are_changed_part_by_part_and_each_output_has_its_own(rig):
    engine = rig.open("a")
    task_id = await finished(engine)
    before = await got(engine, task_id)
    assert before.marks == {}
    assert await engine.mark(task_id, 0, {"favourite": True}) == Mark(favourite=True)
    changed = {"rating": "rejected", "deleted_at": NOW + 0.25, "trashed": "x.png", "filename": STRANGE}
    await engine.mark(task_id, 12, changed)
    assert await engine.mark(task_id, 0, {"rating": "chosen"}) == Mark(favourite=True, rating="chosen")
    after = await got(engine, task_id)
    assert after.marks == {
        0: Mark(favourite=True, rating="chosen"),
        12: Mark(False, "rejected", NOW + 0.25, "x.png", STRANGE),
    }
    assert after.rev > before.rev
    assert (after.result, after.finished_at) == (before.result, before.finished_at)


async def test_a_mark_that_says_nothing_leaves_no_row(rig):
    engine = rig.open("a")
    task_id = await finished(engine)
    await engine.mark(task_id, 0, {"favourite": True})
    await engine.mark(task_id, 0, {"favourite": False})
    assert (await got(engine, task_id)).marks == {}
    assert rows(rig.path) == 0


def rows(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT count(*) FROM marks").fetchone()[0]
    finally:
        db.close()


async def test_only_finished_tasks_have_marks(rig):
    engine = rig.open("a")
    queued = await submitted(engine)
    assert await engine.mark(queued, 0, {"favourite": True}) is None
    assert await engine.mark("absent", 0, {"favourite": True}) is None
    assert (await got(engine, queued)).marks == {}


async def test_another_process_learns_of_a_mark(rig):
    one, two = rig.open("a"), rig.open("b")
    task_id = await finished(one)
    _, newest = await two.changes(0)
    await one.mark(task_id, 0, {"favourite": True})
    changed, later = await two.changes(newest)
    assert [(task.id, task.marks) for task in changed] == [(task_id, {0: Mark(favourite=True)})]
    assert later > newest


async def test_marks_go_with_their_task(rig):
    engine = rig.open("a")
    for forget in (
        engine.delete,
        lambda _: engine.prune(Retention(age_s=None, count=None, bytes=0), now=NOW + 100),
    ):
        task_id = await finished(engine)
        await engine.mark(task_id, 0, {"favourite": True})
        assert rows(rig.path) == 1
        await forget(task_id)
        assert rows(rig.path) == 0


async def test_a_foreign_prompt_that_is_told_again_keeps_its_marks(rig):
    engine = rig.open("a")
    task_id = await finished(engine)
    task = await got(engine, task_id, graph=True)
    await engine.delete(task_id)
    foreign = {name: getattr(task, name) for name in type(task).__slots__} | {"origin": "comfyui"}
    await engine.record(type(task)(**foreign))
    await engine.mark(task_id, 3, {"rating": "chosen"})
    await engine.record(type(task)(**foreign))
    assert (await got(engine, task_id)).marks == {3: Mark(rating="chosen")}


async def test_a_store_without_marks_gets_their_table_and_keeps_its_tasks(rig, tmp_path):
    engine = rig.open("a")
    task_id = await finished(engine)
    await engine.close()
    rig.engines.clear()
    db = sqlite3.connect(rig.path)
    db.executescript("DROP TABLE marks; PRAGMA user_version = 1;")
    db.close()
    opened = open_file(rig.path, busy_s=1)
    assert schema.version_of(opened.writer) == len(schema.MIGRATIONS) >= 2
    for connection in (opened.writer, *opened.readers):
        connection.close()
    again = rig.open("a")
    await again.mark(task_id, 0, {"favourite": True})
    assert (await got(again, task_id)).marks == {0: Mark(favourite=True)}


async def test_what_is_a_favourite_or_rated_outlives_age_and_number(rig):
    engine = rig.open("a")
    kept = [await finished(engine) for _ in range(3)]
    await engine.mark(kept[0], 0, {"favourite": True})
    await engine.mark(kept[1], 2, {"rating": "rejected"})
    await engine.mark(kept[2], 0, {"deleted_at": NOW, "trashed": "x"})
    for retention in (Retention(age_s=0, count=None, bytes=None), Retention(age_s=None, count=0, bytes=None)):
        await engine.prune(retention, now=NOW + 100)
        assert [await engine.get(task_id) is not None for task_id in kept] == [True, True, False]
