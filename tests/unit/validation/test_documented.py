"""docs/validation.md has every code that validation gives, and no other."""

import ast
import json
import re
from pathlib import Path

from backplane.errors import CODES
from backplane.operations.table import OPERATIONS
from backplane.validation import Finding

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| `")]

REFUSALS = {"INVALID_REQUEST", "WORKFLOW_MISSING", "WORKFLOW_FORMAT_UI", "WORKFLOW_INVALID"}
"""Codes of errors, not of findings."""


def test_the_table_has_every_code_and_no_other():
    used = {
        node.value
        for path in (ROOT / "validation").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    documented = [row[0].strip("`") for row in ROWS]
    assert len(documented) == len(set(documented))
    assert set(documented) == used & CODES.keys() - REFUSALS


def test_every_fix_that_it_speaks_of_is_an_operation():
    named = {word for row in ROWS for word in re.findall(r"`([a-z_]+)`", row[2])}
    assert named <= {*OPERATIONS, "outputs"}
    assert {"connect", "set_param", "remove_node"} <= named


def test_the_finding_that_it_shows_has_every_key():
    [shown] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
    assert list(shown) == list(Finding("BAD_NODE", "x").to_json())
