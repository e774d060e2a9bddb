"""Sessions: patches, undo, redo, rollback, and two clients on one."""

import asyncio
import json

import pytest
from backplane.patch_engine import apply
from backplane.sessions import Description, Expected
from holding import CUT, made, refused, rigged, state, steps
from patching import SPECS, exactly, replayed, text_to_image
from stores import NOW


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path) as rig:
        yield rig


@pytest.fixture
def sessions(rig):
    return rig.sessions()


async def value(sessions, session_id):
    return (await state(sessions, session_id))[1]["5"]["inputs"]["steps"]


async def test_a_new_session_holds_the_workflow_to_the_letter(sessions, rig):
    session_id = await made(sessions, label="Cat", metadata={"a": 1})
    session, graph = await state(sessions, session_id)
    assert exactly(graph) == exactly(text_to_image())
    assert session_id.startswith("ws-")
    assert (session.version, session.latest, session.rev) == (1, 1, 1)
    assert (session.label, session.metadata, session.on_failure) == ("Cat", {"a": 1}, "keep")
    assert (session.base, session.following, session.valid, session.last_valid) == (None, None, True, 1)
    assert (session.last_ran, session.last_run, session.parent) == (None, None, None)
    assert session.source == {"kind": "workflow", "format": "api"}
    [(name, data)] = rig.told
    assert name == "session.changed"
    assert data == {"id": session_id, "version": 1, "rev": 1, "etag": '"1.1.0"', "change": "created"}


async def test_a_patch_makes_a_version_and_says_what_it_did(sessions, rig):
    session_id = await made(sessions)
    edited = await sessions.patch(session_id, steps(30))
    assert (edited.session.version, edited.session.rev, edited.session.base) == (2, 2, 1)
    [change] = edited.changes
    assert (change["kind"], change["old"], change["new"]) == ("input_set", 20, 30)
    assert exactly(apply(edited.graph, list(edited.inverse), SPECS).graph) == exactly(text_to_image())
    assert await value(sessions, session_id) == 30
    _, versions, more = await sessions.versions(session_id, 10, None)
    assert more is None
    assert [(each.number, each.base, each.kind, each.changes) for each in versions] == [
        (2, 1, "patch", 1),
        (1, None, "created", 0),
    ]
    assert versions[0].summary == "Sampler 5: steps = 30"
    assert rig.told[-1][1]["change"] == "patch"


async def test_a_patch_that_leaves_the_workflow_invalid_is_kept_and_told(sessions):
    session_id = await made(sessions)
    edited = await sessions.patch(session_id, CUT)
    assert edited.valid is False
    assert [finding["code"] for finding in edited.findings] == ["MISSING_INPUT"]
    session, _ = await state(sessions, session_id)
    assert (session.version, session.valid, session.last_valid) == (2, False, 1)
    edited = await sessions.patch(session_id, steps(3), validate=False)
    assert (edited.findings, edited.valid) == ((), False)


async def test_a_patch_that_is_refused_or_without_effect_makes_no_version(sessions):
    session_id = await made(sessions)
    await refused(
        "NODE_NOT_FOUND", sessions.patch(session_id, [*steps(3), {"op": "remove_node", "node_id": "99"}])
    )
    edited = await sessions.patch(session_id, steps(20))
    assert (edited.changes, edited.session.rev) == ((), 1)
    there_and_back = await sessions.patch(session_id, [*steps(3), *steps(20)])
    assert there_and_back.session.version == 1
    assert (await state(sessions, session_id))[0].rev == 1


async def test_a_dry_run_says_what_would_be_and_keeps_nothing(sessions, rig):
    session_id = await made(sessions)
    told = list(rig.told)
    edited = await sessions.patch(session_id, CUT, dry_run=True)
    assert edited.valid is False
    assert "latent" not in edited.graph["5"]["inputs"]
    assert edited.session.version == 1
    replaced = await sessions.replace(session_id, {}, expected=(), dry_run=True)
    assert replaced.graph == {}
    session, graph = await state(sessions, session_id)
    assert (session.rev, graph, rig.told) == (1, text_to_image(), told)


async def test_another_workflow_in_its_place_is_a_version_with_all_that_differs(sessions):
    session_id = await made(sessions)
    new = text_to_image()
    del new["7"]
    new["5"]["inputs"]["seed"] = 3
    edited = await sessions.replace(session_id, new, expected=(Expected(1, 1),))
    assert replayed(text_to_image(), [Told(change) for change in edited.changes]) == new
    assert exactly(apply(new, list(edited.inverse), SPECS).graph) == exactly(text_to_image())
    assert "NO_OUTPUT_NODE" in {finding["code"] for finding in edited.findings}
    session, graph = await state(sessions, session_id)
    assert (session.version, session.valid, exactly(graph)) == (2, False, exactly(new))


class Told:
    """A change as it was told, where one is expected as a value."""

    def __init__(self, document):
        self._document = document

    def to_json(self):
        return self._document


async def test_undo_and_redo_go_along_the_versions(sessions, rig):
    session_id = await made(sessions)
    for number in (21, 22, 23):
        await sessions.patch(session_id, steps(number))
    edited = await sessions.step(session_id, 2, back=True)
    assert (edited.session.version, edited.session.latest, edited.session.rev) == (2, 4, 5)
    [change] = edited.changes
    assert (change["old"], change["new"], await value(sessions, session_id)) == (23, 21, 21)
    error = await refused("NOTHING_TO_UNDO", sessions.step(session_id, 2, back=True))
    assert error.details == {"available": 1}
    error = await refused("NOTHING_TO_REDO", sessions.step(session_id, 3, back=False))
    assert error.details == {"available": 2}
    assert (await sessions.step(session_id, 2, back=False)).session.version == 4
    assert await value(sessions, session_id) == 23
    await refused("NOTHING_TO_REDO", sessions.step(session_id, 1, back=False))
    assert [data["change"] for _, data in rig.told[-2:]] == ["undo", "redo"]


async def test_an_edit_after_an_undo_leaves_the_other_branch_where_it_is(sessions):
    session_id = await made(sessions)
    await sessions.patch(session_id, steps(21))
    await sessions.step(session_id, 1, back=True)
    edited = await sessions.patch(session_id, steps(33))
    assert (edited.session.version, edited.session.base, edited.session.following) == (3, 1, None)
    await refused("NOTHING_TO_REDO", sessions.step(session_id, 1, back=False))
    assert (await state(sessions, session_id, 2))[1]["5"]["inputs"]["steps"] == 21
    edited = await sessions.rollback(session_id, 2)
    assert (edited.session.version, edited.session.base, await value(sessions, session_id)) == (4, 3, 21)
    _, [newest, *_], _ = await sessions.versions(session_id, 10, None)
    assert (newest.kind, newest.same_as, newest.summary) == ("rollback", 2, "back to version 2")
    await sessions.step(session_id, 1, back=True)
    assert await value(sessions, session_id) == 33
    await sessions.step(session_id, 1, back=False)
    assert await value(sessions, session_id) == 21


async def test_a_rollback_to_a_rollback_names_the_version_it_was_at_first(sessions):
    session_id = await made(sessions)
    await sessions.patch(session_id, steps(21))
    await sessions.rollback(session_id, 1)
    await sessions.patch(session_id, steps(22))
    await sessions.rollback(session_id, 3)
    _, [newest, *_], _ = await sessions.versions(session_id, 1, None)
    assert (newest.number, newest.same_as) == (5, 1)
    again = await sessions.rollback(session_id, 1)  # it is that already
    assert (again.session.version, again.changes) == (5, ())
    await refused("VERSION_NOT_FOUND", sessions.rollback(session_id, 6))


async def test_it_goes_back_to_the_nearest_version_that_validated(sessions):
    session_id = await made(sessions)
    await sessions.patch(session_id, CUT)
    await sessions.patch(session_id, steps(30))
    edited = await sessions.rollback(session_id, "valid")
    assert (edited.session.version, edited.session.valid) == (4, True)
    assert (await state(sessions, session_id))[1] == text_to_image()
    await refused("VERSION_NOT_FOUND", sessions.rollback(session_id, "ran"))


async def test_versions_of_another_branch_count_only_where_there_is_none_on_this_one(sessions):
    session_id = await made(sessions, {})
    await sessions.replace(session_id, text_to_image(), expected=())
    await sessions.step(session_id, 1, back=True)
    session, _ = await state(sessions, session_id)
    assert (session.version, session.valid, session.last_valid) == (1, False, 2)
    assert (await sessions.rollback(session_id, "valid")).session.version == 3


async def test_who_knows_another_state_is_refused_with_what_changed(sessions):
    session_id = await made(sessions)
    first = Expected(1, 1)
    await sessions.patch(session_id, steps(30), expected=[first])
    doings = [
        sessions.patch(session_id, steps(40), expected=[first]),
        sessions.replace(session_id, {}, expected=[first]),
        sessions.step(session_id, 1, back=True, expected=[first]),
        sessions.rollback(session_id, 1, expected=[first]),
        sessions.describe(session_id, Description("x"), expected=[first]),
        sessions.remove(session_id, expected=[first]),
    ]
    for doing in doings:
        error = await refused("SESSION_CHANGED", doing)
        assert error.status == 412
        [change] = error.details["changes"]
        assert (change["node_id"], change["input"], change["old"], change["new"]) == ("5", "steps", 20, 30)
        about = {
            name: error.details[name] for name in ("version", "rev", "etag", "yours", "changes_left_out")
        }
        assert about == {
            "version": 2,
            "rev": 2,
            "etag": '"2.2.0"',
            "yours": {"version": 1, "rev": 1},
            "changes_left_out": 0,
        }
    assert await value(sessions, session_id) == 30
    edited = await sessions.patch(session_id, steps(40), expected=[first, Expected(2, 2)])
    assert edited.session.version == 3


async def test_the_version_alone_may_be_expected_too(sessions):
    session_id = await made(sessions)
    await sessions.describe(session_id, Description("x", given=frozenset({"label"})))
    error = await refused("SESSION_CHANGED", sessions.patch(session_id, steps(3), expected=[Expected(1, 1)]))
    assert error.details["changes"] == []
    await sessions.patch(session_id, steps(3), expected=[Expected(1)])
    for unknown in (Expected(rev=-1), Expected(77, 1)):
        error = await refused("SESSION_CHANGED", sessions.patch(session_id, steps(4), expected=[unknown]))
        assert error.details["changes"] is None


async def test_a_diff_that_is_too_long_is_told_in_part(sessions):
    session_id = await made(sessions)
    new = text_to_image()
    for number in range(100, 110):
        new[str(number)] = {"class_type": "Show", "inputs": {"text": "x" * 100_000}}
    await sessions.replace(session_id, new, expected=())
    error = await refused("SESSION_CHANGED", sessions.patch(session_id, steps(3), expected=[Expected(1)]))
    assert (len(error.details["changes"]), error.details["changes_left_out"]) == (2, 8)


async def test_without_a_word_on_the_state_edits_by_name_all_apply(sessions):
    session_id = await made(sessions)
    other = [{"op": "set_param", "node_id": "5", "param": "seed", "value": 9}]
    await asyncio.gather(sessions.patch(session_id, steps(30)), sessions.patch(session_id, other))
    session, graph = await state(sessions, session_id)
    assert (session.version, graph["5"]["inputs"]["steps"], graph["5"]["inputs"]["seed"]) == (3, 30, 9)


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_many_who_know_the_same_state_one_wins_and_no_edit_is_lost_silently(rig, processes):
    clients = [rig.sessions() for _ in range(processes)]
    session_id = await made(clients[0])
    first = [Expected(1, 1)]
    answers = await asyncio.gather(
        *(
            clients[number % processes].patch(session_id, steps(number), expected=first)
            for number in range(30, 40)
        ),
        return_exceptions=True,
    )
    [won] = [answer for answer in answers if not isinstance(answer, Exception)]
    lost = [answer for answer in answers if isinstance(answer, Exception)]
    assert {error.code for error in lost} == {"SESSION_CHANGED"}
    for error in lost:
        assert error.details["changes"][0]["new"] == won.changes[0]["new"]
    session, graph = await state(clients[-1], session_id)
    assert (session.version, graph["5"]["inputs"]["steps"]) == (2, won.changes[0]["new"])


async def test_edits_by_several_processes_at_once_all_arrive(rig):
    clients = [rig.sessions() for _ in range(3)]
    session_id = await made(clients[0])
    ops = [[{"op": "add_node", "class_type": "Number", "params": {"value": number}}] for number in range(18)]
    answers = await asyncio.gather(
        *(clients[number % 3].patch(session_id, each) for number, each in enumerate(ops))
    )
    assert sorted(answer.session.version for answer in answers) == list(range(2, 20))
    session, graph = await state(clients[0], session_id)
    assert (session.version, session.latest) == (19, 19)
    added = [each["inputs"]["value"] for each in graph.values() if each["class_type"] == "Number"]
    assert sorted(added) == list(range(18))


async def test_a_label_a_policy_and_metadata_are_changed_alone(sessions):
    session_id = await made(sessions, label="a", metadata={"k": 1})
    about = Description(label=None, on_failure="rollback", given=frozenset({"on_failure"}))
    edited = await sessions.describe(session_id, about)
    session = edited.session
    assert (session.label, session.on_failure, session.metadata) == ("a", "rollback", {"k": 1})
    assert (session.version, session.rev, edited.graph) == (1, 2, text_to_image())
    await sessions.describe(session_id, Description(given=frozenset({"label", "metadata"})))
    session, _ = await state(sessions, session_id)
    assert (session.label, session.on_failure, session.metadata) == (None, "rollback", {})


async def test_a_removed_session_is_gone(sessions, rig):
    session_id = await made(sessions)
    await sessions.remove(session_id)
    assert rig.told[-1] == ("session.removed", {"id": session_id})
    for doing in (sessions.get(session_id), sessions.patch(session_id, []), sessions.remove(session_id)):
        await refused("SESSION_NOT_FOUND", doing)


async def test_a_fork_has_a_parent_and_a_life_of_its_own(sessions):
    session_id = await made(sessions)
    await sessions.patch(session_id, steps(30))
    origin = await sessions.from_session(session_id, 1)
    fork = await sessions.create(origin, Description())
    parent = {"session_id": session_id, "version": 1}
    assert (fork.session.parent, fork.session.source) == (parent, {"kind": "session", **parent})
    await sessions.patch(fork.session.id, steps(5))
    assert await value(sessions, session_id) == 30
    assert await value(sessions, fork.session.id) == 5
    newest = await sessions.from_session(session_id, None)
    assert newest.parent == {"session_id": session_id, "version": 2}
    await refused("VERSION_NOT_FOUND", sessions.from_session(session_id, 9))
    await refused("SESSION_NOT_FOUND", sessions.from_session("ws-none", None))


async def test_a_session_is_made_of_what_a_task_ran(sessions, rig):
    rig.tasks.workflows["t1"] = text_to_image()
    made_of = await sessions.create(await sessions.from_task("t1"), Description())
    assert made_of.session.source == {"kind": "task", "task_id": "t1"}
    assert made_of.graph == text_to_image()
    await refused("TASK_NOT_FOUND", sessions.from_task("t2"))


async def test_a_session_is_made_of_a_template(rig):
    async def from_template(name, inputs):
        return text_to_image(), {"template_version": 2, "inputs": inputs}

    sessions = rig.sessions(from_template=from_template)
    edited = await sessions.create(await sessions.from_template("poster", {"seed": 1}), Description())
    assert edited.session.source == {
        "kind": "template",
        "template": "poster",
        "template_version": 2,
        "inputs": {"seed": 1},
    }
    await refused("TEMPLATE_NOT_FOUND", rig.sessions().from_template("poster", {}))


async def test_what_the_page_saves_is_converted(sessions):
    from backplane.conversion import to_ui

    drawn = to_ui(text_to_image(), SPECS).document
    edited = await sessions.create(await sessions.from_workflow(drawn), Description())
    assert edited.session.source == {"kind": "workflow", "format": "ui"}
    assert edited.extras["node_ids"]["5"] == ["5"]
    assert edited.graph["5"]["inputs"]["steps"] == 20
    replaced = await sessions.replace(edited.session.id, drawn, expected=())
    assert (replaced.session.version, replaced.extras.keys()) == (1, {"node_ids", "notes"})


async def test_what_is_no_workflow_is_refused_and_an_empty_one_is_not(sessions):
    await refused("WORKFLOW_MISSING", sessions.from_workflow(None))
    await refused("BAD_NODE", sessions.from_workflow({"1": {}}))
    session_id = await made(sessions, {})
    edited = await sessions.patch(session_id, [{"op": "add_node", "class_type": "Number"}])
    assert edited.graph == {"1": {"class_type": "Number", "inputs": {"value": 7}}}


async def test_versions_and_differences_are_looked_up(sessions):
    session_id = await made(sessions)
    await sessions.patch(session_id, steps(30))
    await sessions.patch(session_id, steps(40))
    _, version, _, more = await sessions.version(session_id, 2)
    assert (version.number, version.base, version.made_at) == (2, 1, NOW)
    assert [(change["old"], change["new"]) for change in more["changes"]] == [(20, 30)]
    assert more["ops"] == steps(30)
    assert (await sessions.version(session_id, 1))[3] == {"changes": [], "ops": None}
    older, later, [change] = await sessions.diff(session_id, 3, 1)
    assert (older, later, change["old"], change["new"]) == (3, 1, 40, 20)
    assert [
        each if isinstance(each, int) else each[0]["new"]
        for each in await sessions.diff(session_id, None, None)
    ] == [2, 3, 40]
    assert await sessions.diff(session_id, None, 1) == (None, 1, [])
    page = await sessions.versions(session_id, 2, None)
    assert ([each.number for each in page[1]], page[2]) == ([3, 2], 2)
    page = await sessions.versions(session_id, 2, 2)
    assert ([each.number for each in page[1]], page[2]) == ([1], None)


async def test_text_that_utf_8_cannot_hold_and_numbers_that_json_lacks_are_kept(sessions):
    odd = json.loads('{"1": {"class_type": "Number", "inputs": {"value": "\\ud800", "x": NaN, "y": 1e999}}}')
    session_id = await made(sessions, odd, label="\ud800", metadata={"\ud800": "\udfff"})
    session, graph = await state(sessions, session_id)
    assert exactly(graph) == exactly(odd)
    assert (session.label, session.metadata) == ("\ud800", {"\ud800": "\udfff"})
    edited = await sessions.patch(session_id, [{"op": "set_title", "node_id": "1", "title": "\ud800"}])
    assert edited.session.version == 2
