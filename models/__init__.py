"""The model library: which models there are, what their headers say, their hashes; delete and move."""

from .library import Library
from .ready import Ready
from .values import Origin

__all__ = ["Library", "Origin", "Ready"]
