"""Encodes preview frames. Not for the event loop: a frame takes milliseconds."""

from __future__ import annotations

import io
from typing import Any

from ..host.protocol import Preview


def encode(preview: Preview) -> tuple[str, bytes]:
    """Give (media type, bytes) of a frame, scaled down to its longest side if it has one."""
    image: Any = preview.image
    if preview.max_size is not None and max(image.size) > preview.max_size:
        image = image.copy()
        image.thumbnail((preview.max_size, preview.max_size))
    png = preview.format.upper() == "PNG"
    if not png and image.mode not in {"RGB", "L"}:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    if png:
        image.save(buffer, format="PNG", compress_level=1)
    else:
        image.save(buffer, format="JPEG", quality=90)
    return ("image/png" if png else "image/jpeg"), buffer.getvalue()
