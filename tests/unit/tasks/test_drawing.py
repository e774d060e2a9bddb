"""Seeds that a request leaves to the server: written down, kept by a retry, or drawn anew."""

import itertools
import json
from pathlib import Path

from backplane.tasks.drawing import Drawn, drawn_json, redrawn

ROOT = Path(__file__).resolve().parents[3]


def text_to_image():
    return json.loads((ROOT / "docs/requests/text_to_image.json").read_text())["workflow"]


def seeds():
    return itertools.count(1000).__next__


def test_seeds_are_drawn_anew_where_they_were_drawn_and_nowhere_else():
    graph = text_to_image()
    carried = {
        "drawn": drawn_json([Drawn("seed", (("3", "seed"), ("gone", "seed")))]),
        "inputs": {"seed": 1, "prompt": "a cat"},
        "changes": [{"node_id": "3", "input": "seed", "value": 1}, {"node_id": "6", "input": "text"}],
    }
    again, after = redrawn(graph, carried, seeds())
    assert again["3"]["inputs"]["seed"] == 1000
    assert {name: node for name, node in again.items() if name != "3"} == {
        name: node for name, node in graph.items() if name != "3"
    }
    assert after["inputs"] == {"seed": 1000, "prompt": "a cat"}
    assert after["changes"] == [
        {"node_id": "3", "input": "seed", "value": 1000},
        {"node_id": "6", "input": "text"},
    ]
    assert graph == text_to_image()
    assert carried["inputs"] == {"seed": 1, "prompt": "a cat"}


def test_what_was_never_drawn_is_the_same_again():
    assert redrawn(text_to_image(), {"node_ids": {}}, seeds()) == (text_to_image(), {"node_ids": {}})


def test_a_seed_stays_within_the_limits_of_its_input():
    carried = {"drawn": drawn_json([Drawn("colour", (("5", "width"),), 16, 99)])}
    again, _ = redrawn(text_to_image(), carried, lambda: 2**40 + 1)
    assert 16 <= again["5"]["inputs"]["width"] <= 99
    assert redrawn(text_to_image(), carried, lambda: 50)[0]["5"]["inputs"]["width"] == 50
