"""Import the repository root as ``backplane``, whatever its folder is called."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

spec = importlib.util.spec_from_file_location(
    "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
assert spec is not None
assert spec.loader is not None
package = importlib.util.module_from_spec(spec)
# pytest imports the root itself: as "__init__" from a folder with a hyphen, else by the folder's name.
for name in ("backplane", "__init__", ROOT.name):
    sys.modules[name] = package
spec.loader.exec_module(package)
