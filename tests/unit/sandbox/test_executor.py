"""How a run goes: order, cache, lazy inputs, expansion, lists, coroutines, blocks."""

from backplane.host.protocol import (
    NodeFinished,
    NodeOutput,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    RunEnded,
)


def ids(events):
    return [event.node_id for event in events]


async def test_only_what_the_outputs_need_runs_and_sources_run_first(sandbox, node):
    graph = {
        "show": node("PackShow", value=["pass", 0]),
        "pass": node("PackValue", value=["int", 0]),
        "int": node("PrimitiveInt", value=7),
        "idle": node("SandboxFail", message="never asked for"),
    }
    ended = await sandbox.run(graph)
    assert ended.status == "succeeded"
    assert ended.outputs == {"show": {"value": [7]}}
    assert ids(sandbox.of(ended.prompt_id, NodeStarted)) == ["int", "pass", "show"]
    assert ids(sandbox.of(ended.prompt_id, NodeFinished)) == ["int", "pass", "show"]


async def test_outputs_come_as_early_as_they_can(sandbox, node):
    graph = {
        "1": node("PrimitiveInt", value=7),
        "2": node("PackShow", value=["1", 0]),
        "3": node("PackValue", value=["1", 0]),
        "4": node("PackShow", value=["3", 0]),
    }
    ended = await sandbox.run(graph)
    assert ids(sandbox.of(ended.prompt_id, NodeStarted)) == ["1", "2", "3", "4"]


async def test_a_chain_far_deeper_than_the_recursion_limit_runs(sandbox, node):
    graph = {"0": node("PrimitiveInt", value=1)}
    for number in range(1, 1500):
        graph[str(number)] = node("PackValue", value=[str(number - 1), 0])
    graph["end"] = node("PackShow", value=["1499", 0])
    assert (await sandbox.run(graph)).outputs == {"end": {"value": [1]}}


async def test_unchanged_nodes_come_from_the_cache_and_outputs_are_shown_again(sandbox, node, tmp_path):
    counts = tmp_path / "counts"
    graph = {
        "1": node("PackCount", counts=str(counts), value=3),
        "2": node("PackShow", value=["1", 0]),
    }
    first = await sandbox.run(graph)
    second = await sandbox.run(graph)
    assert counts.read_text() == "x"
    assert second.outputs == first.outputs == {"2": {"value": [3]}}
    assert set(sandbox.of(second.prompt_id, NodesCached)[0].node_ids) == {"1", "2"}
    assert sandbox.of(second.prompt_id, NodeStarted) == []
    assert ids(sandbox.of(second.prompt_id, NodeFinished)) == ["2"]
    assert ids(sandbox.of(second.prompt_id, NodeOutput)) == ["2"]
    assert (await sandbox.history(second.prompt_id))["outputs"] == {"2": {"value": [3]}}


async def test_a_change_runs_what_follows_it_and_nothing_else(sandbox, node, tmp_path):
    early, late = tmp_path / "early", tmp_path / "late"
    graph = {
        "1": node("PackCount", counts=str(early), value=3),
        "2": node("PackCount", counts=str(late), value=["1", 0]),
        "3": node("PackShow", value=["2", 0]),
    }
    await sandbox.run(graph)
    graph["3"]["inputs"]["more"] = "an input that the class does not know"
    await sandbox.run(graph)
    graph["2"]["inputs"]["counts"] = str(tmp_path / "elsewhere")
    await sandbox.run(graph)
    assert early.read_text() == "x"
    assert late.read_text() == "x"
    assert (tmp_path / "elsewhere").read_text() == "x"


async def test_is_changed_decides_and_nan_means_always(sandbox, node, tmp_path):
    counts, watched = tmp_path / "counts", tmp_path / "watched"
    graph = {
        "1": node("PackChanging", counts=str(counts), watched=str(watched)),
        "2": node("PackShow", value=["1", 0]),
    }
    for content, runs in (("a", 1), ("a", 1), ("b", 2), ("", 3), ("", 4)):
        watched.write_text(content)
        await sandbox.run(graph)
        assert len(counts.read_text()) == runs


async def test_free_drops_the_cache(sandbox, node, tmp_path):
    counts = tmp_path / "counts"
    graph = {"1": node("PackCount", counts=str(counts), value=3), "2": node("PackShow", value=["1", 0])}
    await sandbox.run(graph)
    assert (await sandbox.client.post("/free", json={"free_memory": True})).status == 200
    await sandbox.run(graph)
    assert counts.read_text() == "xx"


async def test_equal_nodes_of_one_prompt_run_once(sandbox, node, tmp_path):
    counts = tmp_path / "counts"
    graph = {
        "1": node("PackCount", counts=str(counts), value=3),
        "2": node("PackCount", counts=str(counts), value=3),
        "3": node("PackShow", value=["1", 0]),
        "4": node("PackTogether", value=["2", 0]),
        "5": node("PackShow", value=["4", 0]),
    }
    ended = await sandbox.run(graph)
    assert counts.read_text() == "x"
    assert ended.outputs == {"3": {"value": [3]}, "5": {"value": [[3]]}}


async def test_a_lazy_input_is_only_computed_if_asked_for(sandbox, node):
    graph = {
        "yes": node("PrimitiveInt", value=1),
        "no": node("SandboxFail", message="must not run"),
        "switch": node("SandboxSwitch", switch=True, on_true=["yes", 0], on_false=["no", 0]),
        "show": node("PackShow", value=["switch", 0]),
    }
    ended = await sandbox.run(graph)
    assert ended.outputs == {"show": {"value": [1]}}
    assert ids(sandbox.of(ended.prompt_id, NodeStarted)) == ["switch", "yes", "switch", "show"]
    assert ids(sandbox.of(ended.prompt_id, NodeFinished)) == ["yes", "switch", "show"]


async def test_an_expanding_node_is_replaced_by_what_it_expands_into(sandbox, node):
    graph = {
        "int": node("PrimitiveInt", value=5),
        "2": node("PackExpand", value=["int", 0]),
        "3": node("PackShow", value=["2", 0]),
        "4": node("PackShow", value=["2", 1]),
    }
    ended = await sandbox.run(graph)
    assert ended.status == "succeeded"
    assert ended.outputs == {
        "2.0.0.shown": {"value": [5]},
        "3": {"value": [5]},
        "4": {"value": ["beside"]},
    }
    assert ended.display_ids == {"2.0.0.shown": "2"}
    child = next(e for e in sandbox.of(ended.prompt_id, NodeStarted) if e.node_id == "2.0.0.1")
    assert (child.parent_id, child.display_id, child.class_type) == ("2", "2", "PackValue")
    assert ids(sandbox.of(ended.prompt_id, NodeStarted)).count("2") == 1
    finished = ids(sandbox.of(ended.prompt_id, NodeFinished))
    assert finished.index("2.0.0.1") < finished.index("2")
    again = await sandbox.run(graph)
    assert sandbox.of(again.prompt_id, NodeStarted) == []
    assert again.outputs["3"] == {"value": [5]}


async def test_nodes_that_expand_can_expand_again_and_keep_raw_links(sandbox, node):
    graph = {
        "int": node("PrimitiveInt", value=5),
        "repeat": node("SandboxRepeat", value=["int", 0], times=3, seconds=0),
        "show": node("PackShow", value=["repeat", 0]),
    }
    ended = await sandbox.run(graph)
    assert ended.outputs == {"show": {"value": [5]}}
    started = ids(sandbox.of(ended.prompt_id, NodeStarted))
    assert [n for n in started if n.startswith("repeat.")] == [f"repeat.0.0.{n}" for n in (1, 2, 3)]


async def test_a_list_maps_the_nodes_behind_it(sandbox, node):
    graph = {
        "1": node("PackNumbers", count=3),
        "2": node("PackValue", value=["1", 0]),
        "3": node("PackShow", value=["2", 0]),
        "4": node("PackTogether", value=["2", 0]),
        "5": node("PackShow", value=["4", 0]),
    }
    ended = await sandbox.run(graph)
    assert ended.outputs == {"3": {"value": [0, 1, 2]}, "5": {"value": [[0, 1, 2]]}}


async def test_an_empty_list_maps_to_nothing(sandbox, node):
    graph = {
        "1": node("PackNumbers", count=0),
        "2": node("PackValue", value=["1", 0]),
        "3": node("PackTogether", value=["2", 0]),
        "4": node("PackShow", value=["3", 0]),
    }
    assert (await sandbox.run(graph)).outputs == {"4": {"value": [[]]}}


async def test_text_lines_map_and_join(sandbox, node):
    graph = {
        "1": node("SandboxLines", text="a\nb"),
        "2": node("PackValue", value=["1", 0]),
        "3": node("SandboxJoin", line=["2", 0], separator="+"),
        "4": node("PreviewAny", source=["3", 0]),
    }
    assert (await sandbox.run(graph)).outputs == {"4": {"text": ["a+b"]}}


async def test_an_expanding_node_is_mapped_over_a_list(sandbox, node):
    graph = {
        "1": node("PackNumbers", count=2),
        "2": node("PackExpand", value=["1", 0]),
        "3": node("PackShow", value=["2", 0]),
    }
    ended = await sandbox.run(graph)
    assert ended.outputs["3"] == {"value": [0, 1]}
    assert {"2.0.0.shown", "2.1.0.shown"} <= set(ended.outputs)


async def test_coroutines_of_two_nodes_overlap(sandbox, node):
    graph = {
        "1": node("PackMeet", value="a"),
        "2": node("PackMeet", value="b"),
        "3": node("PackShow", value=["1", 0]),
        "4": node("PackShow", value=["2", 0]),
    }
    ended = await sandbox.run(graph)
    assert ended.outputs == {"3": {"value": ["a"]}, "4": {"value": ["b"]}}
    kinds = [type(e) for e in sandbox.events if getattr(e, "node_id", None) in {"1", "2"}]
    assert kinds == [NodeStarted, NodeStarted, NodeFinished, NodeFinished]


async def test_a_blocked_output_does_not_run_and_the_others_do(sandbox, node):
    graph = {
        "1": node("PackBlock", message=""),
        "2": node("PackShow", value=["1", 0]),
        "3": node("PackShow", value=4),
    }
    ended = await sandbox.run(graph)
    assert ended.status == "succeeded"
    assert ended.outputs == {"3": {"value": [4]}}


async def test_progress_and_previews_come_through_comfy_utils(sandbox, node):
    graph = {"1": node("PackSteps", value=4), "2": node("PackShow", value=["1", 0])}
    ended = await sandbox.run(graph)
    steps = sandbox.of(ended.prompt_id, NodeProgressed)
    assert [(s.node_id, s.value, s.max) for s in steps] == [("1", n, 4) for n in (1, 2, 3, 4, 4)]
    assert steps[-1].preview.image.size == (64, 32)
    assert (steps[-1].preview.format, steps[-1].preview.max_size) == ("PNG", 16)


async def test_hidden_inputs_arrive_and_keys_are_kept_out_of_history(sandbox, node):
    ended = await sandbox.run(
        {"7": node("PackHidden")},
        extra_data={"extra_pnginfo": {"workflow": {"id": "w"}}, "api_key_comfy_org": "secret"},
    )
    assert ended.outputs["7"]["hidden"] == [["7"], "7", {"workflow": {"id": "w"}}, "secret", "PackHidden"]
    answer = await sandbox.client.get(f"/history/{ended.prompt_id}")
    prompt = (await answer.json())[ended.prompt_id]["prompt"]
    assert "secret" not in str(prompt)
    assert prompt[3]["extra_pnginfo"] == {"workflow": {"id": "w"}}


async def test_what_json_does_not_have_does_not_break_the_history(sandbox, node):
    ended = await sandbox.run({"1": node("PackOdd")})
    assert ended.outputs["1"]["odd"] == [None, {"1": [2]}, "<class 'object'>"]
    assert (await sandbox.history(ended.prompt_id))["outputs"]["1"]["odd"][0] is None


async def test_only_the_wanted_outputs_run(sandbox, node):
    graph = {"1": node("PackShow", value=1), "2": node("PackShow", value=2)}
    ended = await sandbox.run(graph, partial_execution_targets=["2"])
    assert ended.outputs == {"2": {"value": [2]}}


async def test_a_thread_that_a_node_left_behind_is_not_heard_after_the_end(sandbox, node):
    first = await sandbox.run({"1": node("PackLinger", value=1), "2": node("PackShow", value=["1", 0])})
    lingering = sandbox.host.registry.get("PackLinger").LEFT
    lingering["go"].set()
    lingering["thread"].join()
    await sandbox.run({"1": node("PackShow", value=1)})
    assert sandbox.of(first.prompt_id, NodeProgressed) == []
    assert (
        type([e for e in sandbox.events if getattr(e, "prompt_id", None) == first.prompt_id][-1]) is RunEnded
    )
