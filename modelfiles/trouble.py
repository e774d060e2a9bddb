"""What is wrong with a file or its name."""

from __future__ import annotations


class FormatError(ValueError):
    """The bytes are not what the format asks for; *reason* says it in a few words, and quotes no bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Short(FormatError):
    """The bytes at hand end before the header does. *need*: bytes from the file's start, at least."""

    def __init__(self, need: int) -> None:
        super().__init__("the file ends within its header")
        self.need = need


class BadName(ValueError):
    """A file name that cannot be used on every system; *reason* says why, for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
