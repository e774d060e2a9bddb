"""Names of input files as workflows have them: ``a.png``, ``sub/a.png``, ``a.png [output]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..host.protocol import Machine

_KINDS = ("output", "input", "temp")


def annotated(name: str) -> tuple[str, str]:
    """Give the file's name and which folder it is in: ``input``, ``output`` or ``temp``.

    As ComfyUI's folder_paths.py reads it (``annotated_filepath``): the folder in brackets ends the name, and
    one character before it, a space, is left out whatever it is.
    """
    for kind in _KINDS:
        if name.endswith(f"[{kind}]"):
            return name[: -len(kind) - 3], kind
    return name, "input"


class InputFiles:
    """Says whether a file that a workflow names is there: what validation asks."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def input_file(self, name: str) -> bool:
        """Say whether it is. Looks at the disk."""
        filename, kind = annotated(name)
        return self._machine.output_file(filename, "", kind) is not None
