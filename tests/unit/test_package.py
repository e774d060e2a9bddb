"""What other programs see of the package: ComfyUI that loads it, the registry that ships it."""

import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from backplane import NODE_CLASS_MAPPINGS
from backplane.services import VERSION

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))

SHIPPED_FOLDERS = {
    "access",
    *("catalog", "conversion", "data", "docs", "host", "nodespec", "patch_engine", "routes", "tasks"),
    *("downloads", "example_workflows", "modelfiles", "models", "needs", "operations", "validation", "web"),
    *("sessions", "templates"),
}
SHIPPED_FILES = {
    *("__init__.py", "breath.py", "catalog.py", "downloader.py", "errors.py", "graph.py", "orders.py"),
    "patch_engine.py",
    *("services.py", "settings.py"),
    *("wire.py", "pyproject.toml", "requirements.txt"),
    *("CHANGELOG.md", "LICENSE", "README.md", "README.zh.md"),
}
"""What may be in the registry's archive; all the rest must be named by .comfyignore."""

LOAD = """
import importlib.util, json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
name = str(folder).replace(".", "_x_")  # as ComfyUI's load_custom_node does
spec = importlib.util.spec_from_file_location(
    name, folder / "__init__.py", submodule_search_locations=[str(folder)]
)
before = set(sys.modules)
package = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
for module in sys.argv[2:]:
    importlib.import_module(f"{name}.{module}")
added = {found.partition(".")[0] for found in set(sys.modules) - before if not found.startswith(name)}
print(json.dumps({"nodes": package.NODE_CLASS_MAPPINGS, "added": sorted(added - sys.stdlib_module_names)}))
"""


def load(folder: Path, *modules: str) -> dict[str, Any]:
    """Load *folder* as ComfyUI loads a custom node, in a fresh interpreter."""
    command = [sys.executable, "-I", "-W", "error", "-c", LOAD, str(folder), *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tracked() -> list[str]:
    """Files that are in git or would be with the next ``git add``."""
    git = shutil.which("git")
    if git is None or not ROOT.joinpath(".git").exists():
        pytest.skip("this is no git checkout")
    command = [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    return [name for name in listed.split("\0") if name and ROOT.joinpath(name).is_file()]


def ignored(name: str, patterns: list[str]) -> bool:
    """Read the few forms that .comfyignore uses: ``/folder/``, and ``/name`` with ``*`` within a part."""
    for pattern in patterns:
        parts = pattern.strip("/").split("/")
        own = name.split("/")
        deep_enough = len(own) > len(parts) if pattern.endswith("/") else len(own) >= len(parts)
        if deep_enough and all(map(fnmatchcase, own, parts)):
            return True
    return False


def comfyignore() -> list[str]:
    lines = ROOT.joinpath(".comfyignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def shipped() -> list[str]:
    patterns = comfyignore()
    return [name for name in tracked() if not ignored(name, patterns)]


def test_the_package_has_the_name_that_comfyui_asks_for():
    assert isinstance(NODE_CLASS_MAPPINGS, dict)


def test_loading_the_package_without_a_server_imports_nothing_heavy():
    assert load(ROOT) == {"nodes": {}, "added": []}


def test_the_services_import_no_torch_and_no_host():
    added = set(load(ROOT, "services", "routes")["added"])
    assert "aiohttp" in added
    assert not added & {"torch", "numpy", "server", "nodes", "folder_paths", "execution"}


def test_comfyignore_uses_only_the_forms_that_are_read_here():
    assert all(re.fullmatch(r"/[\w.*/-]+", pattern) and "**" not in pattern for pattern in comfyignore())


def test_the_archive_holds_what_the_package_needs_and_no_more():
    names = shipped()
    top_level = {name for name in names if "/" not in name}
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert top_level - SHIPPED_FILES == set()
    assert folders - SHIPPED_FOLDERS == set()
    assert [name for name in names if name.startswith("data/") and name.endswith(".py")] == []
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "host/comfyui.py"} <= {*names}


def test_every_pattern_of_comfyignore_matches_something_or_is_for_later():
    names = tracked()
    unused = [pattern for pattern in comfyignore() if not any(ignored(name, [pattern]) for name in names)]
    assert set(unused) <= {"/bench/", "/deploy/"}


def test_the_archive_is_small():
    assert sum(ROOT.joinpath(name).stat().st_size for name in shipped()) < 5_000_000


def test_the_archive_works_from_a_folder_with_a_hyphen_and_a_dot(tmp_path: Path):
    folder = tmp_path / "comfyui-backplane v0.1"
    for name in shipped():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    assert load(folder)["added"] == []
    # only ComfyUI's own door needs ComfyUI
    modules = [name[: -len(".py")].replace("/", ".") for name in shipped() if name.endswith(".py")]
    modules = [name.removesuffix(".__init__") for name in modules if name != "__init__"]
    added = load(folder, *(name for name in modules if not name.startswith("host.comfyui")))["added"]
    assert "torch" not in added


def test_requirements_txt_and_pyproject_name_the_same_packages():
    lines = ROOT.joinpath("requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert wanted == PYPROJECT["project"]["dependencies"]


def test_the_version_in_the_code_is_that_of_pyproject():
    assert PYPROJECT["project"]["version"] == VERSION


def test_pyproject_has_what_the_registry_wants():
    project, comfy = PYPROJECT["project"], PYPROJECT["tool"]["comfy"]
    assert re.fullmatch(r"(?![0-9])[a-z0-9._-]{1,99}", project["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["license"] == "MIT"
    assert all(url.startswith("https://") for url in project["urls"].values())
    assert comfy["PublisherId"] == "backplane"
    assert comfy["DisplayName"] == "Backplane"
    assert comfy["requires-comfyui"] == ">=0.3.64"
    assert "web" not in comfy  # WEB_DIRECTORY alone says it, or the extension would load twice


def test_no_folder_has_a_name_under_which_comfyui_would_serve_it_as_templates():
    names = {name.partition("/")[0] for name in tracked() if "/" in name}
    assert not names & {"example", "examples", "workflow", "workflows"}
