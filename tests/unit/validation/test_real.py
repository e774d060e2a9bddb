"""Real workflows: nothing is wrong with them, and what is done to them can be undone by the fixes."""

from random import Random

import pytest
from backplane.patch_engine import apply
from backplane.validation import judge
from converting import specs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutating import MUTATIONS, graphs, mutated, stocked

FILES = {"UNKNOWN_OPTION", "INPUT_FILE_MISSING", "MODEL_FILE_MISSING"}
UNFINISHED = {"NODE_NOT_USED", "MISSING_INPUT"}
"""Some templates hold nodes that lead nowhere."""


def test_nothing_is_wrong_with_any_template_where_its_files_are_here():
    for name, graph in graphs().items():
        report = judge(graph, stocked())
        assert report.valid, name
        assert {found.severity for found in report.findings} <= {"warning"}, name
        assert {found.code for found in report.findings} <= UNFINISHED, name
    unfinished = [name for name, graph in graphs().items() if judge(graph, stocked()).findings]
    assert len(unfinished) < 15


def test_only_files_are_missing_where_there_are_none():
    for name, graph in graphs().items():
        assert {found.code for found in judge(graph, specs()).findings} <= FILES | UNFINISHED, name


NO_FIX = {
    # code: what has to hold for a fix to be missing
    "UNKNOWN_NODE_CLASS": lambda graph, found: not found.details["close_matches"],
    "NO_OUTPUT_NODE": lambda graph, found: not graph,
}
LACKING = {"MISSING_INPUT", "DANGLING_LINK", "BAD_LINK", "TYPE_MISMATCH", "MATCH_TYPE_CONFLICT"}
LACKING |= {"LINK_SLOT_OUT_OF_RANGE"}
"""Where nothing in the workflow fits a required input, there may be no fix."""


def at(report, found):
    return {
        each.code for each in report.findings if (each.node_id, each.input) == (found.node_id, found.input)
    }


def look_at_fixes(graph, classes):
    report = judge(graph, classes)
    for found in report.findings:
        if found.fix is None:
            assert found.code in LACKING or NO_FIX[found.code](graph, found), found
            continue
        after = apply(graph, [found.fix], classes).graph
        left = at(judge(after, classes), found) if after else set()
        assert found.code not in left, found
        assert left <= at(report, found), (found, left)
    return {found.code for found in report.findings}


@given(st.integers(min_value=0, max_value=2**32))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_fix_mends_what_it_is_for_and_breaks_nothing_there(seed):
    chance = Random(seed)
    graph = mutated(chance.choice(list(graphs().values())), chance, stocked())
    look_at_fixes(graph, stocked())


@pytest.mark.parametrize("change", MUTATIONS, ids=lambda change: change.__name__)
def test_each_kind_of_damage_can_be_mended(change):
    found = set()
    for name in list(graphs())[:: len(graphs()) // 6]:
        chance = Random(name)
        graph = dict(mutated(graphs()[name], chance, stocked(), change))
        found |= look_at_fixes(graph, stocked()) - UNFINISHED
        step = 0
        while fixes := [each.fix for each in judge(graph, stocked()).findings if fits(each)]:
            graph = apply(graph, fixes[:1], stocked()).graph
            step += 1
            assert step < 40, fixes[0]
    assert found or change.__name__ in {"_drop", "_drop_link"}


def fits(found):
    return found.severity == "error" and found.fix is not None


def test_most_links_that_are_taken_out_come_back_as_they_were():
    """Required links, taken out one by one: what is looked for first is what was there."""
    same = total = 0
    for name in list(graphs())[::10]:
        graph = graphs()[name]
        for node_id, made in graph.items():
            for entry, value in made["inputs"].items():
                if not isinstance(value, list):
                    continue
                inputs = {key: held for key, held in made["inputs"].items() if key != entry}
                report = judge({**graph, node_id: {**made, "inputs": inputs}}, stocked())
                for found in report.findings:
                    if (found.code, found.node_id, found.input) != ("MISSING_INPUT", node_id, entry):
                        continue
                    if found.fix is not None and found.fix["op"] == "connect":
                        total += 1
                        same += [found.fix["source_node_id"], found.fix["output"]] == value
    assert total > 100
    assert same / total > 0.7
