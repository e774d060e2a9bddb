"""Start the sandbox from this checkout: ``start_sandbox.py [options of the sandbox]``."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location(
    "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
package = importlib.util.module_from_spec(spec)
sys.modules["backplane"] = package
spec.loader.exec_module(package)

from backplane.sandbox.cli import main  # noqa: E402 - the package has its name only now

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
