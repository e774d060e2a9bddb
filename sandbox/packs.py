"""Loading node packs: folders whose ``__init__.py`` has NODE_CLASS_MAPPINGS, as ComfyUI takes them."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from . import compat
from .registry import Pack

log = logging.getLogger("backplane")


def load(folders: Sequence[Path]) -> tuple[Pack, ...]:
    """Import every pack. One that cannot be imported costs that pack and a line in the log."""
    if folders:
        compat.install()
    packs: list[Pack] = []
    for folder in folders:
        try:
            packs.append(_load(folder))
        except Exception:
            log.exception("The node pack %s cannot be loaded", folder.name)
    return tuple(packs)


def _load(folder: Path) -> Pack:
    # Like ComfyUI's, the module name cannot be written in an import: packs import their parts relatively.
    digest = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=6).hexdigest()
    name = f"backplane_sandbox_pack/{folder.name}/{digest}".replace(".", "_")
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no Python package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    classes: dict[str, type] | None = getattr(module, "NODE_CLASS_MAPPINGS", None)
    if classes is None:
        raise ImportError(f"{folder.name} has no NODE_CLASS_MAPPINGS")
    for node_class in classes.values():
        node_class.RELATIVE_PYTHON_MODULE = f"custom_nodes.{folder.name}"  # type: ignore[attr-defined]
    return Pack(folder.name, dict(classes), dict(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}))
