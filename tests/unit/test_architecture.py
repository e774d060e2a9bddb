"""Who may import whom, walked through every file."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

EVERYWHERE = {"breath", "errors", "settings", "wire", "host.protocol"}
PURE = {"graph", "nodespec", "catalog", "validation", "patch_engine", "operations", "conversion"}
MODELS = {"modelfiles", "models", "downloads", "downloader", "needs"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"host"},
    "host": {"routes", "services", "tasks", *PURE},
    "sandbox": {"host", "routes", "services", "tasks", *PURE},
    "routes": {"services", "orders", "tasks", "sessions", "templates", *MODELS, *PURE},
    "services": {"orders", "tasks", "sessions", "templates", "access", *MODELS, *PURE},
    "tasks": {"access", "catalog", "nodespec", "validation", "patch_engine", "conversion", "graph"},
    "orders": {"tasks", "sessions", "templates"},
    "sessions": {"tasks", "conversion", "validation", "patch_engine", "nodespec", "graph"},
    "templates": {"tasks", "access", "conversion", "validation", "patch_engine", "nodespec", "graph"},
    "access": set(),
    "modelfiles": set(),
    "models": {"modelfiles"},
    "downloads": {"modelfiles", "models", "access", "tasks"},
    "downloader": {"downloads", "modelfiles", "models", "access", "tasks"},
    "needs": {"modelfiles", "models", "access", "catalog", "nodespec", "graph"},
    "conversion": {"catalog", "nodespec", "graph"},
    "patch_engine": {"operations", "validation", "catalog", "nodespec", "graph"},
    "operations": {"validation", "catalog", "nodespec", "graph"},
    "validation": {"catalog", "nodespec", "graph"},
    "catalog": {"nodespec", "graph"},
    "nodespec": {"graph"},
    "graph": set(),
    "settings": set(),
    "errors": set(),
    "wire": set(),
    "breath": set(),
}
"""Room -> the rooms it may import, beside itself and what may be imported everywhere."""

LEAVES = {
    "breath": set[str](),
    "errors": set[str](),
    "wire": set[str](),
    "settings": {"errors"},
    "host.protocol": {"errors"},
}
"""What may be imported everywhere imports no more than this."""

SCRIPTS = {"bench", "data", "dev"}
"""Programs that are run, not imported: they may import every room."""

COMFYUI = {
    *("alembic_db", "app", "comfy", "comfy_api", "comfy_api_nodes", "comfy_config", "comfy_execution"),
    *("comfy_extras", "comfyui_version", "cuda_malloc", "execution", "folder_paths", "latent_preview"),
    *("main", "middleware", "node_helpers", "nodes", "protocol", "server", "utils"),
}
"""ComfyUI's own top-level modules."""

LONG_FILES: set[str] = set()
"""Files that may have more than 500 lines, each with its reason."""


@dataclass(frozen=True)
class Import:
    """*module* (dotted; inside the package if *own*) is imported by the file *path*."""

    path: Path
    line: int
    module: str
    own: bool
    lazy: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def sources(*, tests: bool = False) -> list[Path]:
    found: list[Path] = []
    for entry in sorted(ROOT.iterdir()):
        if entry.suffix == ".py":
            found.append(entry)
        elif entry.is_dir() and not entry.name.startswith(".") and (tests or entry.name != "tests"):
            found.extend(path for path in sorted(entry.rglob("*.py")) if "node_modules" not in path.parts)
    return found


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {dotted(path) for path in sources()}


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names, own = [alias.name for alias in node.names], False
            case ast.ImportFrom(level=0, module=str(module)):
                names, own = [module], False
            case ast.ImportFrom():
                base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
                start = ".".join(part for part in base if part)
                members = [f"{start}.{alias.name}".strip(".") for alias in node.names]
                names, own = [name if name in MODULES else start or "__init__" for name in members], True
            case ast.Call(args=[ast.Constant(value=str(module)), *_]) if ast.unparse(node.func) in {
                "importlib.import_module",
                "import_module",
                "__import__",
            }:
                names, own = [module], False
            case _:
                continue
        for name in names:
            yield Import(path, node.lineno, name, own=own, lazy=node in lazy)


IMPORTS = [found for path in sources() for found in imports_of(path)]


def allowed(found: Import) -> bool:
    importer, room = dotted(found.path), room_of(found.path)
    if importer in LEAVES:
        return found.module in LEAVES[importer]
    target = found.module.partition(".")[0]
    return target in {room, *MAY_IMPORT[room]} or found.module in EVERYWHERE


def test_imports_are_really_found():
    found = {(dotted(found.path), found.module) for found in IMPORTS if found.own}
    assert {
        ("host.protocol", "errors"),
        ("routes._http", "errors"),
        ("settings", "errors"),
        ("__init__", "host.comfyui"),
    } <= found


def test_every_room_stands_in_the_table():
    assert {room_of(path) for path in sources()} - MAY_IMPORT.keys() - SCRIPTS == set()


def test_every_room_imports_only_the_rooms_below_it():
    own = [found for found in IMPORTS if found.own and room_of(found.path) not in SCRIPTS]
    assert [str(found) for found in own if not allowed(found)] == []


def test_the_package_never_imports_itself_by_name():
    rooms = {"backplane", *MAY_IMPORT} - {"__init__"}
    outside = [found for found in IMPORTS if not found.own and room_of(found.path) not in SCRIPTS]
    assert [str(found) for found in outside if found.module.partition(".")[0] in rooms] == []


def test_only_the_door_imports_comfyui():
    outside = [found for found in IMPORTS if not found.own and found.module.partition(".")[0] in COMFYUI]
    door = [found for found in outside if dotted(found.path).startswith("host.comfyui")]
    assert [str(found) for found in outside if found not in door and room_of(found.path) not in SCRIPTS] == []


def test_the_pure_rooms_import_no_web_server():
    pure = [found for found in IMPORTS if room_of(found.path) in PURE or dotted(found.path) in LEAVES]
    assert [str(found) for found in pure if found.module.partition(".")[0] == "aiohttp"] == []


def test_nothing_imports_torch_when_it_is_loaded():
    assert [
        str(found) for found in IMPORTS if found.module.partition(".")[0] == "torch" and not found.lazy
    ] == []


@pytest.mark.parametrize("room", ["sandbox", "bench", "data", "dev", "tests"])
def test_nothing_that_is_shipped_imports_what_is_not(room: str):
    shipped = [found for found in IMPORTS if room_of(found.path) not in {*SCRIPTS, "sandbox"}]
    assert [str(found) for found in shipped if room in found.module.split(".")[:2]] == []


def test_no_file_is_over_five_hundred_lines():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(tests=True)
    }
    assert {name for name, lines in lengths.items() if lines > 500} == LONG_FILES
