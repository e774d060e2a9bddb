"""Tells what happens in one run, twice: to Backplane as host events, to the client over the websocket.

Called on the worker's thread (progress also on threads that nodes start); nothing here blocks, except
that a preview is encoded if the client listens.
"""

from __future__ import annotations

import io
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import PIL.Image
import PIL.ImageOps

from ..errors import JSON
from ..host.meters import Meters
from ..host.protocol import (
    NodeFinished,
    NodeOutput,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    Preview,
    QueuedPrompt,
    RunEvent,
    RunStarted,
)
from .plain import dumps, plain
from .run_graph import RunGraph
from .ws import Audience

PREVIEW_IMAGE = 1
PREVIEW_IMAGE_WITH_METADATA = 4


class Reporter:
    """The voice of one run."""

    def __init__(
        self,
        prompt: QueuedPrompt,
        graph: RunGraph,
        post: Callable[[RunEvent], None],
        audience: Audience,
        meters: Meters | None = None,
    ) -> None:
        self._meters = meters or Meters(None, None)
        self._prompt = prompt
        self._graph = graph
        self._post = post
        self._audience = audience
        self._states: dict[str, JSON] = {}
        self._lock = threading.Lock()
        self._over = False
        self.messages: list[tuple[str, JSON]] = []
        """What the history keeps."""

    def run_started(self) -> None:
        """The prompt left the queue and begins."""
        self._post(RunStarted(self._prompt.prompt_id, time.time(), self._prompt))
        self._message("execution_start")

    def cached(self, node_ids: list[str]) -> None:
        """These nodes need not run."""
        self._post(NodesCached(self._prompt.prompt_id, time.time(), tuple(node_ids)))
        self._message("execution_cached", nodes=node_ids)

    def node_started(self, node_id: str) -> None:
        """A node begins, or begins again."""
        self._meters.start(node_id)
        graph, prompt_id = self._graph, self._prompt.prompt_id
        display = graph.get_display_node_id(node_id)
        class_type = graph.get_node(node_id)["class_type"]
        parent = graph.get_parent_node_id(node_id)
        self._post(NodeStarted(prompt_id, time.time(), node_id, display, parent, class_type))
        self._state(node_id, 0.0, 1.0, "running")
        self._tell("executing", {"node": node_id, "display_node": display, "prompt_id": prompt_id}, node_id)

    def progressed(self, node_id: str, value: float, most: float, preview: Preview | None) -> None:
        """A node reports a step; dropped unless it runs. Thread-safe."""
        prompt_id = self._prompt.prompt_id
        with self._lock:  # a thread that a node left behind must not speak after the end
            if self._over or self._states.get(node_id, {}).get("state") != "running":
                return
            self._post(NodeProgressed(prompt_id, time.time(), node_id, value, most, preview))
            self._state(node_id, value, most, "running")
        self._tell("progress", {"value": value, "max": most, "prompt_id": prompt_id, "node": node_id})
        if preview is not None:
            self._send_preview(node_id, preview)

    def node_finished(self, node_id: str) -> None:
        """A node is done, or its result came from the cache."""
        display = self._graph.get_display_node_id(node_id)
        peaks = self._meters.finish(node_id)
        prompt_id = self._prompt.prompt_id
        self._post(NodeFinished(prompt_id, time.time(), node_id, display, peaks.vram_bytes, peaks.ram_bytes))
        most = self._states.get(node_id, {}).get("max", 1.0)
        self._state(node_id, most, most, "finished")

    def output(self, node_id: str, ui: JSON | None) -> None:
        """A node hands *ui* to the user; None for an output node that came from the cache without one."""
        display = self._graph.get_display_node_id(node_id)
        if ui is not None:
            self._post(NodeOutput(self._prompt.prompt_id, time.time(), node_id, display, ui))
        self._tell(
            "executed",
            {
                "node": node_id,
                "display_node": display,
                "output": ui,
                "prompt_id": self._prompt.prompt_id,
            },
        )

    def blocked(self, node_id: str, message: str) -> None:
        """A node does not run because one before it blocked it. The run goes on."""
        self._tell(
            "execution_error",
            {
                "prompt_id": self._prompt.prompt_id,
                "node_id": node_id,
                "node_type": self._graph.get_node(node_id)["class_type"],
                "executed": [],
                "exception_message": f"Execution Blocked: {message}",
                "exception_type": "ExecutionBlocked",
                "traceback": [],
                "current_inputs": [],
                "current_outputs": [],
            },
        )

    def succeeded(self) -> None:
        """All outputs are there."""
        self._message("execution_success")

    def failed(self, details: Mapping[str, Any]) -> None:
        """A node raised; *details* as ComfyUI's ``execution_error`` has them."""
        self._message("execution_error", **details)

    def interrupted(self, details: Mapping[str, Any]) -> None:
        """The run was stopped."""
        self._message("execution_interrupted", **details)

    def close(self) -> None:
        """Nothing runs any more: what is reported from now on is dropped."""
        with self._lock:
            self._over = True

    def _message(self, event: str, **data: Any) -> None:
        told = {"prompt_id": self._prompt.prompt_id, **plain(data), "timestamp": int(time.time() * 1000)}
        self.messages.append((event, told))
        self._tell(event, told)

    def _tell(self, event: str, data: JSON, node_id: str | None = None) -> None:
        if node_id is not None:
            self._audience.at(self._prompt.client_id, node_id)
        if self._prompt.client_id is not None:
            self._audience.tell(self._prompt.client_id, event, data)

    def _state(self, node_id: str, value: float, most: float, state: str) -> None:
        graph, prompt_id = self._graph, self._prompt.prompt_id
        self._states[node_id] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node_id,
            "prompt_id": prompt_id,
            "display_node_id": graph.get_display_node_id(node_id),
            "parent_node_id": graph.get_parent_node_id(node_id),
            "real_node_id": graph.get_real_node_id(node_id),
        }
        # The whole of it each time, as ComfyUI does: not worth building if nobody listens.
        if self._listening():
            self._tell("progress_state", {"prompt_id": prompt_id, "nodes": dict(self._states)})

    def _listening(self) -> bool:
        client_id = self._prompt.client_id
        return client_id is not None and self._audience.listens(client_id)

    def _send_preview(self, node_id: str, preview: Preview) -> None:
        client_id = self._prompt.client_id
        if client_id is None or not self._audience.listens(client_id):
            return
        picture = encode_preview(preview)
        png = preview.format == "PNG"
        if not self._audience.wants_preview_metadata(client_id):
            kind = struct.pack(">I", 2 if png else 1)
            self._audience.send_bytes(client_id, PREVIEW_IMAGE, kind + picture)
            return
        about = dumps(
            {
                "node_id": node_id,
                "prompt_id": self._prompt.prompt_id,
                "display_node_id": self._graph.get_display_node_id(node_id),
                "parent_node_id": self._graph.get_parent_node_id(node_id),
                "real_node_id": self._graph.get_real_node_id(node_id),
                "image_type": "image/png" if png else "image/jpeg",
            }
        ).encode()
        body = struct.pack(">I", len(about)) + about + picture
        self._audience.send_bytes(client_id, PREVIEW_IMAGE_WITH_METADATA, body)


def encode_preview(preview: Preview) -> bytes:
    """Encode a preview at its size limit."""
    image: PIL.Image.Image = preview.image
    if preview.max_size is not None:
        image = PIL.ImageOps.contain(image, (preview.max_size, preview.max_size))
    buffer = io.BytesIO()
    if preview.format == "PNG":
        image.save(buffer, format="PNG", compress_level=1)
    else:
        image.convert("RGB").save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()
