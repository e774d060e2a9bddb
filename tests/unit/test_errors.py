"""The table of error codes and the code that raises them agree."""

import ast
import re
from pathlib import Path

import pytest
from backplane import errors
from backplane.errors import CODES, ApiError, close_matches

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"tests", "bench", "data", "sandbox", "dev.py", "errors.py"}

TREES = [
    ast.parse(path.read_text(encoding="utf-8"))
    for entry in ROOT.iterdir()
    if entry.name not in OUTSIDE and not entry.name.startswith(".")
    for path in ([entry] if entry.suffix == ".py" else entry.rglob("*.py"))
]
NODES = [node for tree in TREES for node in ast.walk(tree)]


def subclasses(base: type) -> set[type]:
    return {base}.union(*(subclasses(child) for child in base.__subclasses__()))


def test_every_code_is_used_somewhere():
    used = {node.value for node in NODES if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert CODES.keys() - used == set()


def test_every_code_that_is_raised_stands_in_the_table():
    names = {each.__name__ for each in subclasses(ApiError) if each.__module__ == errors.__name__}
    names |= {"Finding", "TaskError"}  # they carry the same codes
    raised = {
        code.value
        for node in NODES
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names
        for code in [*node.args[:1], *(word.value for word in node.keywords if word.arg == "code")]
        if isinstance(code, ast.Constant)
    }
    assert raised
    assert raised - CODES.keys() == set()


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_upper_snake_with_an_error_status_and_a_sentence(code: str):
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)
    assert 400 <= CODES[code].status < 600
    assert CODES[code].meaning.endswith(".")


def test_the_docstring_draws_every_class_of_the_tree():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or "")) | {"ApiError"}
    assert drawn == {each.__name__ for each in subclasses(ApiError) if each.__module__ == errors.__name__}


def test_an_error_carries_its_status_and_its_envelope():
    error = errors.NotFound("TASK_NOT_FOUND", "There is no task x.", hint="List them.", details={"id": "x"})
    assert error.status == 404
    assert str(error) == "There is no task x."
    assert error.body() == {
        "error": {
            "code": "TASK_NOT_FOUND",
            "message": "There is no task x.",
            "hint": "List them.",
            "details": {"id": "x"},
        }
    }


def test_an_error_without_hint_and_details_says_so_in_its_envelope():
    assert ApiError("INTERNAL", "x").body()["error"] == {
        "code": "INTERNAL",
        "message": "x",
        "hint": None,
        "details": {},
    }


def test_close_matches_ignore_case_and_come_best_first():
    known = ["KSampler", "KSamplerAdvanced", "VAEDecode", "ksampler"]
    assert close_matches("ksamplr", known)[0] == "KSampler"
    assert close_matches("vaedecod", known, limit=1) == ["VAEDecode"]
    assert close_matches("nothing like it", known) == []
