"""dev.py: the sentence for an old Python, the virtual environment, and starting a ComfyUI."""

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT.joinpath("dev.py").read_text(encoding="utf-8")

OFFLINE = {
    **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
}


def imported(root: Path = ROOT) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev_under_test", root / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DEV = imported()


def run(root: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "dev.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=root.parent)


# --- old and new Pythons ---


def test_it_parses_on_an_old_python():
    ast.parse(SOURCE, feature_version=(3, 7))  # the oldest that every Python here can read as


def test_nothing_but_sys_is_imported_before_the_version_is_checked():
    body = ast.parse(SOURCE).body
    check = next(place for place, node in enumerate(body) if isinstance(node, ast.If))
    assert [ast.unparse(node) for node in body[1:check]] == ["import sys"]


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 9, 18)])
def test_an_old_python_gets_one_line_and_status_2(version: tuple[int, int, int]):
    program = (
        f"import sys; sys.version_info = {version}; sys.version = '{version[0]}.{version[1]} (old)'; "
        "exec(compile(open(sys.argv[1], encoding='utf-8').read(), 'dev.py', 'exec'))"
    )
    command = [sys.executable, "-c", program, str(ROOT / "dev.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"Backplane needs Python 3.10 or newer, and this is {version[0]}.{version[1]} "
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["nonsense"], 2), (["--help"], 0)])
def test_a_wrong_command_shows_the_two_right_ones(arguments: list[str], status: int):
    done = run(ROOT, *arguments)
    assert done.returncode == status
    assert "python dev.py serve " in done.stderr
    assert "python dev.py test " in done.stderr


# --- the dependency groups ---


def groups_as_toml_reads_them(text: str) -> dict[str, list[str]]:
    groups: dict[str, list[Any]] = tomllib.loads(text)["dependency-groups"]

    def flat(name: str) -> list[str]:
        found: list[str] = []
        for entry in groups[name]:
            found.extend([entry] if isinstance(entry, str) else flat(entry["include-group"]))
        return found

    return {name: flat(name) for name in groups}


def test_the_groups_of_pyproject_are_read_as_toml_reads_them():
    text = ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8")
    groups = groups_as_toml_reads_them(text)
    assert {"sandbox", "dev"} <= groups.keys()
    assert {name: DEV.requirements_of(name, text) for name in groups} == groups


def test_comments_and_markers_in_a_group_are_read_right():
    text = (
        "[dependency-groups] # x\na = [\n  # b\n"
        "  \"x>1; python_version < '3.11'\", # c\n"
        '  "y"\n]\nb = [\n]\n[t]\n'
    )
    assert DEV.requirements_of("a", text) == ["x>1; python_version < '3.11'", "y"]
    assert DEV.requirements_of("b", text) == []


@pytest.mark.parametrize("line", ["'x'", '"x", "y"', "b = []", "{ other = 1 }"])
def test_a_line_of_a_group_that_cannot_be_read_is_an_error(line: str):
    with pytest.raises(DEV.Stop, match="cannot read this line"):
        DEV.requirements_of("a", f"[dependency-groups]\na = [\n{line}\n]\n")


def test_a_group_that_is_missing_is_an_error():
    with pytest.raises(DEV.Stop, match="no dependency group a"):
        DEV.requirements_of("a", "[dependency-groups]\nb = [\n]\n")


# --- .venv ---


def wheel(folder: Path, name: str, program: str) -> Path:
    """A package that needs nothing, so that pip can install it without a network."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", program)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def clone(folder: Path, *requirements: str) -> Path:
    """A tiny repository in a folder with a space and a hyphen, whose sandbox prints what it was given."""
    root = folder / "back plane-x"
    (root / "sandbox").mkdir(parents=True)
    shutil.copyfile(ROOT / "dev.py", root / "dev.py")
    root.joinpath("requirements.txt").write_text("")
    root.joinpath("__init__.py").write_text("from . import graph\n")
    root.joinpath("graph.py").write_text("")
    root.joinpath("sandbox", "__init__.py").write_text("")
    root.joinpath("sandbox", "cli.py").write_text(
        "import sys\nfrom ..graph import __name__ as name\n"
        "def main(argv):\n    print(name, 'graph' in sys.modules, *argv, sep='|')\n    return 7\n"
    )
    want(root, *requirements)
    return root


def want(root: Path, *requirements: str) -> None:
    lines = "".join(f'  "{requirement}",\n' for requirement in requirements)
    root.joinpath("pyproject.toml").write_text(
        f'[dependency-groups]\nsandbox = [\n{lines}]\ndev = [\n  {{ include-group = "sandbox" }},\n]\n'
    )


class Built(NamedTuple):
    """A clone whose .venv two processes wanted at the same moment, and what those said."""

    root: Path
    requirement: str
    statuses: list[int]
    outputs: list[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    requirement = f"tiny_one @ {wheel(folder, 'tiny_one', '').as_uri()}"
    root = clone(folder, requirement)
    root.joinpath(".venv").mkdir()
    with DEV.locked(root / ".venv" / "dev.lock"):  # so that both really meet it
        both = [
            subprocess.Popen(
                [sys.executable, str(root / "dev.py"), "serve"],
                stdout=subprocess.PIPE,
                text=True,
                env=OFFLINE,
            )
            for _ in range(2)
        ]
        heard = [process.stdout.readline() for process in both if process.stdout is not None]
    outputs = [process.communicate(timeout=100)[0] for process in both]
    heard = [first + rest for first, rest in zip(heard, outputs, strict=True)]
    return Built(root, requirement, [process.returncode for process in both], heard)


def test_two_at_once_take_turns_and_both_find_a_whole_environment(built: Built):
    assert built.statuses == [7, 7]
    assert all(output.startswith("Another dev.py is setting up .venv") for output in built.outputs)
    assert sorted("Making .venv" in output for output in built.outputs) == [False, True]
    assert sorted("Installing 1 packages" in output for output in built.outputs) == [False, True]


def test_an_environment_that_is_up_to_date_is_only_used(built: Built):
    want(built.root, built.requirement)
    run(built.root, "serve", env=OFFLINE)
    done = run(built.root, "serve", "--port", "0", "--unknown", "x", env=OFFLINE)
    assert done.returncode == 7, done.stderr
    arguments = f"--listen|127.0.0.1|--port|0|--data-dir|{built.root / '.sandbox'}|--unknown|x"
    assert done.stdout == f"backplane.graph|False|{arguments}\n"


def test_a_package_that_cannot_be_had_is_named_with_what_to_do(built: Built):
    want(built.root, built.requirement, "tiny_absent")
    done = run(built.root, "serve", env=OFFLINE)
    assert done.returncode == 1
    assert "tiny_absent" in done.stderr
    assert "dev.py: pip could not install the sandbox packages" in done.stderr


def test_test_installs_what_changed_runs_every_check_and_fails_if_one_failed(built: Built):
    check = "import sys; print('{0}', *sys.argv[1:]); sys.exit({1})"
    statuses = {"ruff": 0, "pyright": 1, "pytest": 0}
    wheels = [wheel(built.root.parent, name, check.format(name, code)) for name, code in statuses.items()]
    want(built.root, built.requirement, *(f"{path.name.split('-')[0]} @ {path.as_uri()}" for path in wheels))
    done = run(built.root, "test", env=OFFLINE)
    assert done.returncode == 1
    python = DEV.venv_python(built.root / ".venv")
    lines = done.stdout.splitlines()
    assert lines[0] == "Installing 4 packages and what they need into .venv…"
    assert {"ruff check .", "ruff format --check ."} <= {*lines}
    assert any(line.startswith(f"pyright --pythonpath {python} --pythonversion 3.") for line in lines)
    assert any(line.startswith("pytest -n ") for line in lines)
    assert [line.split()[:2] for line in lines[-4:]] == [
        ["passed", "ruff"],
        ["passed", "ruff"],
        ["FAILED", "pyright"],
        ["passed", "pytest"],
    ]
    only = run(built.root, "test", "-k", "a b", env=OFFLINE)
    assert (only.returncode, only.stdout) == (0, "pytest -k a b\n")


# --- serve --comfyui ---

SHOW = "import sys; print('ComfyUI', *sys.argv[1:], sep='|'); sys.exit(5)"


def comfyui(folder: Path, program: str = SHOW) -> Path:
    path = folder / "Comfy UI"
    path.mkdir()
    path.joinpath("main.py").write_text(program)
    return path


@pytest.fixture
def with_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which this Python has a torch to be found, as ComfyUI's has."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    stubs.joinpath("torch.py").write_text("raise ImportError")
    return {**os.environ, "PYTHONPATH": str(stubs)}


def test_a_comfyui_is_started_with_this_folder_linked(tmp_path: Path, with_torch: dict[str, str]):
    root, path = clone(tmp_path), comfyui(tmp_path)
    arguments = ("--comfyui", str(path), "--port", "8199", "--cpu", "--", "--verbose", "--port")
    for _ in range(2):  # the second time the link is there
        done = run(root, "serve", *arguments, env=with_torch)
        assert done.returncode == 5, done.stderr
        shown = "ComfyUI|--listen|127.0.0.1|--port|8199|--cpu|--verbose|--port"
        assert done.stdout.splitlines() == [f"Custom node: {path / 'custom_nodes' / 'backplane'}", shown]
    assert path.joinpath("custom_nodes", "backplane").resolve() == root
    assert not root.joinpath(".venv").exists()


def test_a_data_folder_becomes_comfyuis_base_directory_and_gets_the_link(
    tmp_path: Path, with_torch: dict[str, str]
):
    root, path, base = clone(tmp_path), comfyui(tmp_path), tmp_path / "base"
    done = run(root, "serve", "--comfyui", str(path), "--data-dir", str(base), env=with_torch)
    assert done.returncode == 5, done.stderr
    assert f"--base-directory|{base}" in done.stdout
    assert base.joinpath("custom_nodes", "backplane").resolve() == root
    assert not path.joinpath("custom_nodes").exists()


def test_a_clone_inside_custom_nodes_is_not_linked_again(tmp_path: Path, with_torch: dict[str, str]):
    path = comfyui(tmp_path)
    root = clone(path / "custom_nodes")
    done = run(root, "serve", "--comfyui", str(path), env=with_torch)
    assert done.stdout.startswith(f"Custom node: {root}\n")
    assert [entry.name for entry in path.joinpath("custom_nodes").iterdir()] == [root.name]


@pytest.mark.parametrize("kind", ["folder", "link", "broken link"])
def test_something_else_in_the_place_of_the_link_is_left_alone(
    tmp_path: Path, with_torch: dict[str, str], kind: str
):
    root, path = clone(tmp_path), comfyui(tmp_path)
    place = path / "custom_nodes" / "backplane"
    place.parent.mkdir()
    if kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(tmp_path if kind == "link" else tmp_path / "gone")
    done = run(root, "serve", "--comfyui", str(path), env=with_torch)
    assert done.returncode == 1
    assert done.stderr.startswith(f"dev.py: {place} is already there")
    assert "ComfyUI|" not in done.stdout


def test_a_folder_without_main_py_is_no_comfyui(tmp_path: Path):
    done = run(clone(tmp_path), "serve", "--comfyui", str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"dev.py: {tmp_path} is not a ComfyUI: it has no main.py.\n")


def test_packages_that_comfyuis_python_lacks_are_named_with_the_command_to_type(
    tmp_path: Path, with_torch: dict[str, str]
):
    root, path = clone(tmp_path), comfyui(tmp_path)
    requirements = root / "requirements.txt"
    requirements.write_text(
        "# a comment\npytest>=9\npytest<1\nno-such-thing>=2.0  # why\nother; python_version < '3'\n"
    )
    done = run(root, "serve", "--comfyui", str(path), env=with_torch)
    assert done.returncode == 1
    assert "lacks pytest<1, no-such-thing>=2.0. Type this" in done.stderr
    assert f'  "{sys.executable}" -m pip install -r "{requirements}"\n' in done.stderr
    assert not path.joinpath("custom_nodes").exists()


def test_a_python_that_cannot_be_comfyuis_is_refused(tmp_path: Path):
    root, path = clone(tmp_path), comfyui(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if importlib.util.find_spec("torch") is None:
        done = run(root, "serve", "--comfyui", str(path), env=environment)
        assert "has no torch" in done.stderr
    done = run(root, "serve", "--comfyui", str(path), "--comfyui-python", "no-such-python")
    assert done.returncode == 1
    assert done.stderr.startswith("dev.py: no-such-python does not run")


def test_comfyuis_python_needs_a_comfyui(tmp_path: Path):
    done = run(clone(tmp_path), "serve", "--comfyui-python", sys.executable)
    assert done.returncode == 2
    assert "--comfyui-python needs --comfyui" in done.stderr


@pytest.mark.parametrize("folder", ["venv", ".venv", "../python_embeded"])
def test_comfyuis_python_is_looked_for_where_it_usually_is(tmp_path: Path, folder: str):
    path = comfyui(tmp_path)
    assert DEV.comfyui_python(path) == Path(sys.executable)
    portable = folder.startswith("..")
    python = path.parent / "python_embeded" / "python.exe" if portable else DEV.venv_python(path / folder)
    python.parent.mkdir(parents=True)
    python.write_text("")
    assert DEV.comfyui_python(path) == python


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_comfyui_and_its_exit_status_comes_back(
    tmp_path: Path, with_torch: dict[str, str], sent: signal.Signals
):
    program = (
        "import signal, sys\n"
        "for number in (signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(number, lambda received, _: sys.exit(received + 30))\n"
        "print('ready', flush=True)\n"
        "while True:\n    signal.pause()\n"
    )
    root, path = clone(tmp_path), comfyui(tmp_path, program)
    command = [sys.executable, str(root / "dev.py"), "serve", "--comfyui", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=with_torch) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Custom node")
        assert process.stdout.readline() == "ready\n"
        process.send_signal(sent)
        assert process.wait(timeout=60) == sent + 30
