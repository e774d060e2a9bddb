"""What holds for every workflow, however it is linked."""

import json
from typing import Any

import pytest
from backplane.graph import (
    Link,
    inputs_of,
    is_link,
    links_of,
    looks_like_ui_format,
    on_cycle,
    reachable,
    title_of,
    topological,
)
from hypothesis import given
from hypothesis import strategies as st

IDS = [str(number) for number in range(8)]


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool = False) -> dict[str, Any]:
    """Workflows of up to 8 nodes in any order, with dangling links among the links."""
    order = draw(st.permutations(IDS))[: draw(st.integers(0, len(IDS)))]
    nodes: dict[str, Any] = {}
    for index, node_id in enumerate(order):
        sources = order[:index] if acyclic else order
        linkable = st.tuples(st.sampled_from([*sources, "gone"]), st.integers(-1, 3)).map(list)
        values = st.one_of(linkable, st.text(max_size=3), st.integers(), st.none())
        inputs = draw(st.dictionaries(st.sampled_from("abcd"), values, max_size=4))
        nodes[node_id] = {"class_type": "Any", "inputs": inputs}
    return {node_id: nodes[node_id] for node_id in draw(st.permutations(order))}


def sources_of(graph: dict[str, Any], node_id: str) -> set[str]:
    return {link.source for link in links_of(node_id, graph[node_id]) if link.source in graph}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
)


@pytest.mark.parametrize("value", [["1", 0], ["1", -1], ["", 7], ["a.0.0.1", 10**30]])
def test_a_list_of_a_string_and_a_whole_number_is_a_link(value: Any):
    assert is_link(value)


@pytest.mark.parametrize(
    "value",
    [
        *([], ["1"], ["1", 0, 0], [1, 0], ["1", "0"], ["1", None], ["1", True], [["1", 0], 0]),
        *(["1", 0.0], ["1", 0.5], ["1", float("nan")], ["1", float("inf")], ("1", 0), "1", None),
        *({"__value__": ["1", 0]}, {"0": "1", "1": 0}),
    ],
)
def test_nothing_else_is_a_link(value: Any):
    assert not is_link(value)


@given(JSON_VALUES)
def test_any_value_of_an_input_can_be_looked_at(value: Any):
    found = list(links_of("2", {"class_type": "Any", "inputs": {"x": value}}))
    assert found == ([Link(value[0], value[1], "2", "x")] if is_link(value) else [])


@pytest.mark.parametrize("node", [{}, {"inputs": None}, {"inputs": []}, {"inputs": "text"}])
def test_a_node_without_usable_inputs_has_no_inputs_and_no_links(node: dict[str, Any]):
    assert inputs_of(node) == {}
    assert list(links_of("1", node)) == []


@pytest.mark.parametrize(
    ("node", "title"),
    [({}, None), ({"_meta": None}, None), ({"_meta": {"title": 5}}, None), ({"_meta": {"title": "x"}}, "x")],
)
def test_a_title_is_text_or_nothing(node: dict[str, Any], title: str | None):
    assert title_of(node) == title


def test_what_the_desktop_page_saves_is_told_from_api_format():
    assert looks_like_ui_format({"nodes": [], "links": [], "version": 0.4})
    assert looks_like_ui_format({"last_node_id": 3, "nodes": [{"id": 3, "type": "KSampler"}]})
    assert not looks_like_ui_format({"nodes": {"class_type": "KSampler", "inputs": {}}, "links": {}})


@given(graphs())
def test_no_workflow_looks_like_ui_format(graph: dict[str, Any]):
    assert not looks_like_ui_format(graph)


@given(graphs())
def test_every_node_is_either_ordered_once_or_stuck(graph: dict[str, Any]):
    order, stuck = topological(graph)
    assert sorted([*order, *stuck]) == sorted(graph)


@given(graphs())
def test_each_ordered_node_comes_after_all_it_depends_on(graph: dict[str, Any]):
    order, _ = topological(graph)
    for index, node_id in enumerate(order):
        assert sources_of(graph, node_id) <= set(order[:index])


@given(graphs())
def test_a_node_is_stuck_only_because_of_another_stuck_node(graph: dict[str, Any]):
    _, stuck = topological(graph)
    for node_id in stuck:
        assert sources_of(graph, node_id) & stuck


@given(graphs(acyclic=True))
def test_without_a_cycle_nothing_is_stuck_and_no_cycle_is_found(graph: dict[str, Any]):
    assert topological(graph)[1] == set()
    assert on_cycle(graph) == []


@given(graphs(acyclic=True))
def test_a_workflow_that_is_in_order_stays_as_it_is(graph: dict[str, Any]):
    order, _ = topological(graph)
    assert topological({node_id: graph[node_id] for node_id in order})[0] == order


def test_nodes_keep_their_places_where_links_allow_it():
    graph = {
        "9": {"inputs": {"x": ["1", 0]}},
        "1": {"inputs": {}},
        "5": {"inputs": {"x": ["1", 0], "y": ["1", 1]}},
        "0": {"inputs": {}},
    }
    assert topological(graph) == (["1", "9", "5", "0"], set())


@given(graphs())
def test_a_cycle_is_found_where_nodes_are_stuck_and_each_depends_on_the_next(graph: dict[str, Any]):
    cycle = on_cycle(graph)
    assert bool(cycle) == bool(topological(graph)[1])
    assert len(set(cycle)) == len(cycle)
    for node_id, source in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        assert source in sources_of(graph, node_id)


def test_a_node_that_links_to_itself_is_a_cycle_of_one():
    assert on_cycle({"1": {"inputs": {"x": ["1", 0]}}, "2": {"inputs": {"x": ["1", 0]}}}) == ["1"]


@given(graphs(), st.lists(st.sampled_from([*IDS, "gone"]), max_size=3))
def test_reachable_is_the_smallest_closed_set_around_its_targets(graph: dict[str, Any], targets: list[str]):
    found = reachable(graph, targets)
    assert found == {t for t in targets if t in graph}.union(*(sources_of(graph, n) for n in found))
    for node_id in found - set(targets):
        assert any(node_id in sources_of(graph, user) for user in found)


@given(graphs(), st.sampled_from(IDS))
def test_what_a_target_reaches_runs_without_the_rest(graph: dict[str, Any], target: str):
    found = reachable(graph, [target])
    part = {node_id: graph[node_id] for node_id in graph if node_id in found}
    assert topological(part)[1] == topological(graph)[1] & found


@given(graphs(), st.sampled_from(IDS))
def test_no_workflow_is_changed_by_being_looked_at(graph: dict[str, Any], target: str):
    before = json.dumps(graph)
    topological(graph)
    on_cycle(graph)
    reachable(graph, [target])
    assert json.dumps(graph) == before


def test_a_chain_of_ten_thousand_nodes_is_no_problem():
    graph = {str(n): {"inputs": {"x": [str(n + 1), 0]}} for n in range(10_000)}
    assert topological(graph)[0] == [str(n) for n in reversed(range(10_000))]
    assert len(reachable(graph, ["0"])) == 10_000
    graph["9999"] = {"inputs": {"x": ["0", 0]}}
    assert len(on_cycle(graph)) == 10_000
