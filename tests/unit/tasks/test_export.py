"""Lines of the export: prompts, seeds and digests of workflows of real node classes; pairs."""

import copy
import gzip
import json
import threading
from pathlib import Path

import pytest
from backplane.nodespec import parse
from backplane.tasks.engine import NewTask, Query
from backplane.tasks.export import PAGE, Export, described, digest, seeds_of
from backplane.tasks.outputs import Output
from stores import GRAPH, NOW, SUCCEEDED, Rig, got

ROOT = Path(__file__).resolve().parents[3]
TEXT_TO_IMAGE = json.loads((ROOT / "docs/requests/text_to_image.json").read_text(encoding="utf-8"))[
    "workflow"
]
CLASSES = {node["class_type"] for node in TEXT_TO_IMAGE.values()} | {"PrimitiveInt"}
with gzip.open(ROOT / "tests/data/object_info-0.33.0.json.gz") as file:
    SPECS = {name: parse(info, folders={}) for name, info in json.load(file).items() if name in CLASSES}


class Classes:
    async def specs(self, *, fresh):
        assert not fresh
        return SPECS

    def learn(self, graph):
        raise AssertionError(graph)


class Tasks:
    def __init__(self, engine):
        self._engine = engine

    async def engine(self):
        return self._engine


@pytest.fixture
async def engine(tmp_path):
    async with Rig(tmp_path / "tasks.sqlite3").running() as rig:
        yield rig.open("a")


def seeded(seed, text="a boat"):
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    [sampler] = [node for node in graph.values() if node["class_type"] == "KSampler"]
    sampler["inputs"]["seed"] = seed
    positive = sampler["inputs"]["positive"][0]
    graph[positive]["inputs"]["text"] = text
    return graph


def outputs(count=1):
    made = [Output("9", "image", "images", "image/png", f"{n}.png", "", "output") for n in range(count)]
    return [output.to_json() for output in made]


async def ran(engine, task_id, graph, *, made=1, kind="prompt", **fields):
    await engine.submit([NewTask(task_id, NOW, graph, kind=kind, **fields)])
    held = await engine.claim("a", [task_id], now=NOW, lease_s=60)
    ending = type(SUCCEEDED)("succeeded", NOW + 5, {"outputs": outputs(made)})
    await engine.complete(held.lease, ending)


async def told(pieces):
    return [json.loads(line) for line in b"".join([piece async for piece in pieces]).splitlines()]


async def lines(engine, **query):
    query = {"limit": 1, "statuses": ("succeeded",), "kinds": ("prompt",), **query}
    return await told(Export(Tasks(engine), Classes()).lines(Query(**query)))


async def pairs(engine):
    query = Query(limit=1, statuses=("succeeded",), kinds=("prompt",))
    return await told(Export(Tasks(engine), Classes()).pairs(query))


async def test_a_line_says_what_was_asked_and_what_came_of_it(engine):
    request = {"template": {"name": "poster", "version": 2, "digest": "d", "outputs": {"9": "poster"}}}
    request["inputs"] = {"prompt": "a boat", "seed": 7}
    await ran(engine, "one", seeded(7), request=request, metadata={"who": "猫"}, made=2)
    await engine.mark("one", 1, {"rating": "chosen", "favourite": True})
    [line] = await lines(engine)
    assert line["template"] == {"name": "poster", "version": 2, "digest": "d"}
    assert (line["prompt"], line["inputs"]["seed"], line["metadata"]) == ("a boat", 7, {"who": "猫"})
    assert isinstance(line["negative_prompt"], str)
    assert list(line["seeds"].values()) == [7]
    assert [output["rating"] for output in line["outputs"]] == [None, "chosen"]
    assert [output["output"] for output in line["outputs"]] == ["poster", "poster"]
    assert line["outputs"][1]["url"] == "/ext/tasks/one/outputs/1"


async def test_all_pages_come_the_newest_first_and_only_finished_prompts(engine):
    names = [f"t{number}" for number in range(PAGE + 5)]
    for name in names:
        await ran(engine, name, seeded(1))
    await ran(engine, "a-download", {}, kind="download")
    await engine.submit([NewTask("queued", NOW, seeded(1))])
    assert [line["id"] for line in await lines(engine)] == names[::-1]


async def test_what_cannot_be_told_is_null_and_costs_nothing_else(engine):
    await ran(engine, "odd", GRAPH)
    task = await got(engine, "odd", graph=True)
    line = described(task, SPECS)
    assert (line["prompt"], line["negative_prompt"], line["seeds"]) == (None, None, {})
    assert line["workflow_sha256"]
    [sent] = await lines(engine)
    assert sent["id"] == "odd"


def test_a_seed_that_another_node_holds_is_found_there():
    graph = seeded(1)
    [sampler_id] = [key for key, node in graph.items() if node["class_type"] == "KSampler"]
    graph["50"] = {"class_type": "PrimitiveInt", "inputs": {"value": 99}}
    graph[sampler_id]["inputs"]["seed"] = ["50", 0]
    assert seeds_of(graph, SPECS) == {"50.value": 99}


def test_a_digest_is_of_what_runs():
    graph = seeded(1)
    titled = {key: {**node, "_meta": {"title": "x"}} for key, node in reversed(graph.items())}
    assert digest(graph) == digest(titled)
    assert digest(graph) != digest(seeded(2))
    assert digest(graph, seeds_of(graph, SPECS)) == digest(seeded(2), seeds_of(seeded(2), SPECS))
    assert digest(graph, seeds_of(graph, SPECS)) != digest(seeded(1, "a cat"), seeds_of(graph, SPECS))


async def test_pairs_are_of_the_same_workflow_but_for_its_seeds(engine):
    await ran(engine, "a", seeded(1), made=2)
    await ran(engine, "b", seeded(2))
    await ran(engine, "c", seeded(3, "a cat"))
    await ran(engine, "d", seeded(4))
    for name, place, rating in [
        ("a", 0, "chosen"),
        ("a", 1, "rejected"),
        ("b", 0, "rejected"),
        ("c", 0, "chosen"),
        ("d", 0, "chosen"),
    ]:
        await engine.mark(name, place, {"rating": rating})
    await engine.mark("d", 0, {"deleted_at": NOW})
    found = await pairs(engine)
    assert {
        (pair["chosen"]["task_id"], pair["rejected"]["task_id"], pair["rejected"]["n"]) for pair in found
    } == {("a", "a", 1), ("a", "b", 0)}
    assert {pair["prompt"] for pair in found} == {"a boat"}


async def test_lines_are_made_beside_the_event_loop(engine, monkeypatch):
    from backplane.tasks import export

    threads = []
    whole = export.described

    def noted(task, specs):
        threads.append(threading.current_thread())
        return whole(task, specs)

    monkeypatch.setattr(export, "described", noted)
    await ran(engine, "one", seeded(1))
    assert len(await lines(engine)) == 1
    assert threads
    assert threading.main_thread() not in threads
