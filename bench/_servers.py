"""How the tests start servers, for benchmarks too."""

import sys

from _table import ROOT

sys.path.append(str(ROOT / "tests"))

from servers import CONTRACT_PACK, FAULT_PACK, free_port, running, sandbox_command

__all__ = ["CONTRACT_PACK", "FAULT_PACK", "free_port", "running", "sandbox_command"]
