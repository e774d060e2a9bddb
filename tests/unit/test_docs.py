"""The documents say what the code does, both ways."""

import ast
import inspect
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from backplane import routes, settings
from backplane.errors import CODES
from backplane.nodespec.encode import FIELDS
from backplane.services import Services
from backplane.settings import Settings, variable_of
from backplane.tasks import STATUSES
from backplane.tasks.outputs import KINDS, Output
from backplane.tasks.progress import NodeState, RunProgress
from backplane.tasks.task import Task, TaskError
from backplane.tasks.views import shown as shown_task

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh.md")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.joinpath("docs").glob("**/*.md")], key=lambda path: path.as_posix()
)

EN, ZH = (ROOT.joinpath(name).read_text(encoding="utf-8") for name in READMES)


def read(name: str) -> str:
    return ROOT.joinpath(name).read_text(encoding="utf-8")


def rows(text: str, header: str) -> list[list[str]]:
    """Cells of every table whose header line begins with *header*, backticks at a cell's ends removed."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith(f"| {header} |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("| ---"):
            cells = re.split(r"(?<!\\) \| ", line.strip("| "))
            found.append([re.sub(r"^`([^`]*)`$", r"\1", cell) for cell in cells])
    return found


def blocks(text: str, *languages: str) -> list[str]:
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def prose(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


# The table only names the handlers, so nothing behind them is needed.
NOTHING: Any = dict.fromkeys((part.name for part in fields(Services)), None)
ROUTES = set(routes.paths(Services(**NOTHING | {"settings": Settings()})))


def test_errors_md_has_every_code_with_its_status_and_meaning_in_order():
    documented = rows(read("docs/errors.md"), "code | status | meaning")
    assert documented == [[code, str(row.status), row.meaning] for code, row in CODES.items()]


def test_settings_md_has_every_setting_with_its_default_and_variable_in_order():
    documented = rows(read("docs/settings.md"), "setting | default | variable | meaning")
    assert [row[:3] for row in documented] == [
        [setting.name, json.dumps(getattr(Settings(), setting.name)), variable_of(setting.name)]
        for setting in fields(Settings)
    ]


def test_settings_md_says_what_the_code_says_about_each_setting():
    body = ast.parse(inspect.getsource(settings.Settings)).body[0]
    assert isinstance(body, ast.ClassDef)
    said = {
        field.target.id: docstring.value.value
        for field, docstring in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
    }
    assert said.keys() == {setting.name for setting in fields(Settings)}
    for name, *_, meaning in rows(read("docs/settings.md"), "setting | default | variable | meaning"):
        sentences = re.sub(r'[`"]', "", str(said[name])).rstrip(".")
        assert sentences in re.sub(r'[`"]', "", meaning)


def test_settings_md_names_the_bound_of_each_setting_that_has_one():
    documented = rows(read("docs/settings.md"), "setting | default | variable | meaning")
    least = {setting.name: setting.metadata.get("least") for setting in fields(Settings)}
    named = {name: re.findall(r"at least ([\d.]*\d)", meaning.lower()) for name, *_, meaning in documented}
    assert named == {name: [] if bound is None else [str(bound)] for name, bound in least.items()}


def test_the_example_in_settings_md_can_be_loaded(tmp_path: Path):
    (example,) = blocks(read("docs/settings.md"), "toml")
    tmp_path.joinpath("backplane.toml").write_text(example, encoding="utf-8")
    assert settings.load(tmp_path, {}) == Settings(learn_pairs=False, max_body_bytes=64 * 1024 * 1024)


def test_api_md_has_every_route_and_no_other():
    documented = [tuple(row[0].split(" ", 1)) for row in rows(read("docs/api.md"), "route | does")]
    assert len(documented) == len(set(documented))
    assert set(documented) == ROUTES


def keys_in(section: str) -> dict[str, str]:
    """The keys that the table under a heading of docs/api.md describes, each with its description."""
    text = read("docs/api.md").partition(f"\n### {section}\n")[2].partition("\n#")[0]
    return {
        key: cell for keys, cell in rows(text, "key | holds") for key in keys.replace("`", "").split(", ")
    }


def test_api_md_has_every_key_of_a_node_spec_and_no_other():
    assert keys_in("NodeSpec").keys() == set(FIELDS)


def test_api_md_has_every_key_of_a_task_its_nodes_outputs_and_error_and_no_other():
    graph = {"1": {"class_type": "Any", "inputs": {}}}
    task = Task("id", 1, "api", 0.0, RunProgress.of(graph, ["1"]))
    task.outputs.append(Output("1", "text", "text", "text/plain", value="x"))
    task.error = TaskError("NODE_FAILED", "x")
    shown = shown_task(task, place=None, eta_s=None)
    documented = keys_in("Task")
    assert documented.keys() == shown.keys()
    parts = {"nodes": shown["nodes"]["1"], "outputs": shown["outputs"][0], "error": shown["error"]}
    for key, part in parts.items():
        named = {name for code in re.findall(r"`([^`]+)`", documented[key]) for name in code.split(", ")}
        assert named == part.keys(), key


def test_api_md_names_every_status_and_kind():
    text = read("docs/api.md")
    for name in (*STATUSES, *get_args(NodeState), *KINDS.values(), "file", "number", "boolean", "json"):
        assert f"`{name}`" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_address_in_an_example_is_a_route(path: Path):
    patterns = [re.escape(pattern) for _, pattern in ROUTES]
    patterns = [pattern.replace(r"\{path\}", ".+") for pattern in patterns]
    patterns = [re.sub(r"\\\{\w+\\\}", "[^/]+", pattern) for pattern in patterns]
    text = path.read_text(encoding="utf-8")
    called = re.findall(r"localhost:8188(/(?:ext|ping)[^\s?'\"`]*)", text)
    assert [address for address in called if not any(re.fullmatch(each, address) for each in patterns)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_every_file_in_an_example_leads_somewhere(path: Path):
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", prose(text)):
        file = path.parent / target if target else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", prose(file.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w-]", "", each.lower().replace(" ", "-")) for each in headings}
    for file_name in re.findall(r"-d @(\S+)", text):
        document = json.loads(read(file_name))
        assert isinstance(document, dict)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_json_example_is_json(path: Path):
    for block in blocks(path.read_text(encoding="utf-8"), "json"):
        json.loads(block)


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/requests/*.json")), ids=lambda path: path.name)
def test_every_request_to_try_has_a_workflow_in_api_format_or_a_link(path: Path):
    document: Any = json.loads(path.read_text(encoding="utf-8"))
    if path.name == "download.json":
        assert document["url"].startswith("https://")
        return
    if path.name == "template.json":
        shipped = json.loads(read(f"data/templates/{document['template']}.json"))
        assert document["inputs"].keys() <= shipped["inputs"].keys()
        return
    assert document["workflow"]
    assert all({"class_type", "inputs"} <= node.keys() for node in document["workflow"].values())


def test_both_readmes_have_the_same_sections_commands_links_and_lists():
    for pattern in (r"^#+(?= )", r"^(?:-|\d+\.|\|)(?= )"):
        assert re.findall(pattern, prose(EN), re.MULTILINE) == re.findall(pattern, prose(ZH), re.MULTILINE)
    assert sorted(re.findall(r"`[^`\n]+`", prose(EN))) == sorted(re.findall(r"`[^`\n]+`", prose(ZH)))
    languages = ("", "console", "json", "sh", "toml")
    assert blocks(EN, *languages) == blocks(ZH, *languages)
    links = [set(re.findall(r"\]\(([^)]+)\)", text)) - set(READMES) for text in (EN, ZH)]
    # The same screens, each in the language of its README.
    assert links[0] == {link.replace("-zh.webp", ".webp") for link in links[1]}


def test_each_readme_shows_every_screen_in_both_themes_and_its_own_language():
    shown = [set(re.findall(r"!\[[^\]]+\]\(docs/images/([^)]+)\)", text)) for text in (EN, ZH)]
    there = {path.name for path in ROOT.joinpath("docs", "images").iterdir()}
    chinese = {name for name in there if name.endswith("-zh.webp")}
    assert shown == [there - chinese, chinese]
    assert {name.replace("-light", "-dark") for name in there} == {name for name in there if "-dark" in name}


def test_both_readmes_lead_to_each_other():
    assert "(README.zh.md)" in EN
    assert "(README.md)" in ZH


def test_the_readme_says_the_two_commands():
    assert {"python dev.py serve", "python dev.py test"} <= {
        line.strip("$ ") for block in blocks(EN, "console") for line in block.splitlines()
    }


def test_the_newest_entry_of_the_changelog_is_this_version_or_the_next():
    versions = re.findall(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), re.MULTILINE)
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.MULTILINE)
    assert version is not None
    assert versions[0] in {"Unreleased", version.group(1)}
