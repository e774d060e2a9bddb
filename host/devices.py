"""Asks the devices for their memory. Imports neither ComfyUI nor torch: both are handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psutil

from ..errors import JSON
from .meters import Meters, VramProbe

AIMDO = "comfy_aimdo.control"
"""The module of DynamicVRAM, whose memory lies outside torch's allocator."""


def describe_devices(management: Any) -> list[JSON]:
    """Give every device, the one that ComfyUI prefers first; *management* is comfy.model_management."""
    primary = management.get_torch_device()
    several: Callable[[], Sequence[Any]] | None = getattr(management, "get_all_torch_devices", None)
    others = [device for device in several() if device != primary] if several else []
    devices: list[JSON] = []
    for device in [primary, *others]:
        total, torch_total = management.get_total_memory(device, torch_total_too=True)
        free, torch_free = management.get_free_memory(device, torch_free_too=True)
        devices.append(
            {
                "name": management.get_torch_device_name(device),
                "type": device.type,
                "index": device.index,
                "vram_total": total,
                "vram_free": free,
                "torch_vram_total": torch_total,
                "torch_vram_free": torch_free,
            }
        )
    return devices


def meters_of(device: Any, torch: Any, aimdo: Any) -> Meters:
    """Measure the peaks of each node: on CUDA torch's own allocator and, beside it, DynamicVRAM's."""
    process = psutil.Process()
    vram = None
    if torch is not None and getattr(device, "type", None) == "cuda":
        vram = VramProbe(
            lambda: torch.cuda.reset_peak_memory_stats(device),
            lambda: torch.cuda.max_memory_allocated(device),
            getattr(aimdo, "get_total_vram_usage", None),
        )
    return Meters(vram, lambda: process.memory_info().rss)
