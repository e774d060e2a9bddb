"""The table of known models: its shape, how it is read, how it is collected."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from backplane.needs.known import SHIPPED, KnownModels
from backplane.needs.text import base, normal

ROOT = Path(__file__).resolve().parents[3]
SIZE = 200_000


@pytest.fixture(scope="module")
def collect_models():
    """The script, which is not part of the package."""
    spec = importlib.util.spec_from_file_location("collect_models", ROOT / "data" / "collect_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_small_sorted_and_of_plain_facts():
    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert SHIPPED.stat().st_size <= SIZE
    assert document.keys() == {"format", "packages", "workflows", "models"}
    assert document["format"] == 1
    models = document["models"]
    assert list(models) == sorted(models)
    assert len(models) > 300
    for name, rows in models.items():
        assert base(normal(name)) == name
        assert [row[0] for row in rows] == sorted({row[0] for row in rows})
        for folder, url, *digest in rows:
            assert re.fullmatch(r"[a-z_]+", folder)
            assert url.startswith("https://")
            assert all(re.fullmatch("[0-9a-f]{64}", each) for each in digest)
            assert len(digest) <= 1


def test_every_address_is_on_a_known_host_and_holds_no_token():
    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for url in {row[1] for rows in document["models"].values() for row in rows}:
        parts = urlsplit(url)
        assert parts.netloc in {"huggingface.co", "github.com", "civitai.com"}
        assert "token" not in url
        if parts.netloc == "huggingface.co":
            assert re.fullmatch(r"/[^/]+/[^/]+/resolve/[^/]+/.+", parts.path)
            assert not parts.query


def test_the_table_is_read_once_and_when_asked(tmp_path):
    path = tmp_path / "table.json"
    known = KnownModels(path)
    path.write_text('{"models": {"x.pt": [["vae", "https://huggingface.co/a"], ["loras", "u", "ff"]]}}')
    table = known.table()
    assert [(row.folder, row.url, row.sha256) for row in table["x.pt"]] == [
        ("vae", "https://huggingface.co/a", None),
        ("loras", "u", "ff"),
    ]
    path.unlink()
    assert known.table() is table
    assert KnownModels().table()["ae.safetensors"][0].folder == "vae"


@pytest.mark.parametrize("content", [None, "", "[]", '{"models": {"x": [5]}}'])
def test_a_damaged_table_is_logged_and_empty(tmp_path, caplog, content):
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content)
    assert KnownModels(path).table() == {}
    assert "table.json cannot be used" in caplog.text


def test_the_script_collects_what_the_workflows_say(tmp_path, collect_models, monkeypatch):
    folder = tmp_path / "comfyui_workflow_templates_json"
    (folder / "templates").mkdir(parents=True)
    (tmp_path / "comfyui_workflow_templates_json-1.2.3.dist-info").mkdir()

    def listed(name, url, directory="vae", **more):
        return {"name": name, "url": url, "directory": directory, **more}

    hub = "https://huggingface.co/o/r"
    digest = "AB" * 32
    for number, models in enumerate(
        [
            [listed("a.pt", f"{hub}/resolve/main/a.pt?download=true")],
            [listed("a.pt", f"{hub}/blob/main/a.pt", hash=digest, hash_type="SHA256")],
            [listed("a.pt", f"{hub}/resolve/main/other.pt"), listed("b.pt", "http://huggingface.co/b.pt")],
            [
                listed("c.pt", "https://huggingface.co.evil.example/c.pt"),
                listed("d.pt", f"{hub}/resolve/main/d.pt", "clip"),
            ],
        ]
    ):
        inner = {"nodes": [{"id": 1, "properties": {"models": models}}]}
        nested = {"nodes": [], "definitions": {"subgraphs": [inner]}} if number % 2 else inner
        (folder / "templates" / f"{number}.json").write_text(json.dumps(nested))
    (folder / "templates" / "index.json").write_text('[{"title": "no workflow"}]')
    out = tmp_path / "known.json"
    monkeypatch.setattr(sys, "argv", ["collect_models.py", str(folder), "--out", str(out)])
    collect_models.main()
    assert json.loads(out.read_text()) == {
        "format": 1,
        "packages": ["comfyui-workflow-templates-json 1.2.3"],
        "workflows": 4,
        "models": {
            "a.pt": [["vae", f"{hub}/resolve/main/a.pt", digest.lower()]],
            "d.pt": [["text_encoders", f"{hub}/resolve/main/d.pt"]],
        },
    }
