"""What a file carries: texts with a keyword."""

from __future__ import annotations

Text = tuple[str, bytes]
"""Keyword (empty where the text itself begins with one) and text."""

LONGEST = 32 * 2**20
"""Bytes of one text that are read."""
