"""Counts of connected nodes: shipped, learned, kept."""

import asyncio
import json
import threading

import pytest
from backplane.nodespec import LEARNED_WEIGHT, Pair, PairCounts, pair_key
from backplane.nodespec.pairs import SHIPPED

GRAPH = {
    "1": {"class_type": "Load", "inputs": {"ckpt": "a"}},
    "2": {"class_type": "Sample", "inputs": {"model": ["1", 0], "seed": 3, "extra": ["9", 0]}},
    "3": {"class_type": "Batch", "inputs": {"images.image0": ["2", 0], "images.image1": ["2", 0]}},
    "4": "no node",
}
MODEL = Pair("Load", 0, "Sample", "model")


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "state" / "node_pairs.json"


def test_the_shipped_table_knows_common_pairs():
    counts = PairCounts()
    assert counts.count(Pair("CheckpointLoaderSimple", 0, "KSampler", "model")) > 10
    assert counts.count(Pair("LoadImage", 0, "BatchImagesNode", "images.image")) > 10
    assert counts.count(Pair("Nobody", 0, "Nothing", "x")) == 0


def test_the_shipped_table_is_small_and_says_where_it_is_from():
    table = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert SHIPPED.stat().st_size < 60_000
    assert table["package"] == "comfyui-workflow-templates-json"
    assert table["version"]


def test_numbers_of_growing_inputs_are_cut_off():
    assert pair_key("images.image12") == "images.image"
    assert pair_key("image2") == "image2"


async def test_what_ran_is_counted_and_weighs_more_than_what_shipped(kept, tmp_path):
    shipped = tmp_path / "shipped.json"
    shipped.write_text('{"pairs": {"Load": {"0": {"Sample": {"model": 7}}}}}', encoding="utf-8")
    counts = PairCounts(kept, shipped=shipped)
    counts.learn(GRAPH)
    counts.learn(GRAPH)
    assert counts.count(MODEL) == 9
    assert counts.weight(MODEL) == 7 + 2 * LEARNED_WEIGHT
    assert counts.count(Pair("Sample", 0, "Batch", "images.image")) == 4
    await counts.close()


async def test_counts_outlive_the_process(kept):
    counts = PairCounts(kept, shipped=None)
    counts.learn(GRAPH)
    await counts.close()
    again = PairCounts(kept, shipped=None)
    again.learn(GRAPH)
    await again.close()
    assert PairCounts(kept, shipped=None).count(MODEL) == 2
    assert [path.name for path in kept.parent.iterdir()] == ["node_pairs.json"]


async def test_counts_are_saved_a_while_after_something_was_learned(kept, monkeypatch):
    counts = PairCounts(kept, shipped=None, save_after_s=0)
    save, saved = counts.save, threading.Event()
    monkeypatch.setattr(counts, "save", lambda: (save(), saved.set()))
    counts.learn(GRAPH)
    assert await asyncio.to_thread(saved.wait, 10)
    assert kept.exists()
    await counts.close()


async def test_nothing_learned_writes_nothing(kept):
    counts = PairCounts(kept, shipped=None)
    counts.learn({"1": {"class_type": "Load", "inputs": {}}})
    await counts.close()
    assert not kept.exists()


def test_without_a_file_nothing_is_learned():
    counts = PairCounts(None, shipped=None)
    counts.learn(GRAPH)
    assert counts.count(MODEL) == 0


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"pairs": {"a": 1}}', '{"pairs": {"a": {"x": {"b": {"c": 1}}}}}']
)
async def test_a_damaged_file_is_moved_aside_with_a_warning(kept, text, caplog):
    kept.parent.mkdir()
    kept.write_text(text, encoding="utf-8")
    counts = PairCounts(kept, shipped=None)
    counts.learn(GRAPH)
    assert counts.count(MODEL) == 1
    await counts.close()
    assert kept.with_name("node_pairs.json.damaged").read_text(encoding="utf-8") == text
    assert json.loads(kept.read_text(encoding="utf-8"))["pairs"]["Load"] == {"0": {"Sample": {"model": 1}}}
    assert "damaged" in caplog.text


async def test_a_file_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    (tmp_path / "state").write_text("a file where the folder should be", encoding="utf-8")
    counts = PairCounts(tmp_path / "state" / "node_pairs.json", shipped=None)
    counts.learn(GRAPH)
    await counts.close()
    assert "cannot be saved" in caplog.text


async def test_the_file_keeps_the_commonest_pairs_when_there_are_too_many(kept):
    counts = PairCounts(kept, shipped=None)
    common = {"a": {"class_type": "A", "inputs": {}}, "b": {"class_type": "B", "inputs": {"x": ["a", 0]}}}
    inputs = {f"in{number}": ["a", 0] for number in range(6000)}
    counts.learn({"a": common["a"], "c": {"class_type": "C", "inputs": inputs}})
    counts.learn(common)
    counts.learn(common)
    await counts.close()
    saved = json.loads(kept.read_text(encoding="utf-8"))["pairs"]["A"]["0"]
    assert len(saved["C"]) == 4999
    assert saved["B"] == {"x": 2}
