"""The sandbox as Backplane's host (see host/protocol.py)."""

from __future__ import annotations

import asyncio
import platform
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import psutil

from ..errors import JSON
from ..host.own_checks import v1_own_checks
from ..host.protocol import (
    Check,
    ModelFolder,
    NewPrompt,
    QueueChanged,
    QueueSnapshot,
    RunEnded,
    RunEvent,
)
from ..nodespec.parse import OWN_CHECKS
from .files import Files
from .mailbox import Mailbox
from .progress import current_call
from .prompt_queue import Item, Outcome, PromptQueue
from .registry import Registry
from .submissions import Submissions
from .worker import Worker
from .ws import Audience

VERSION = "0.33.0+sandbox"
"""The ComfyUI whose surface this follows."""

FEATURES: JSON = {
    "supports_preview_metadata": True,
    "max_upload_size": 100 * 1024 * 1024,
}


class SandboxHost:
    """A server that Backplane runs in. Implements :class:`backplane.host.protocol.Host`."""

    def __init__(self, files: Files, registry: Registry) -> None:
        self.files = files
        self.registry = registry
        self._sinks: list[Callable[[RunEvent], None]] = []
        self._events: Mailbox[RunEvent] = Mailbox(self._deliver)
        self.prompts = PromptQueue(removed=self._removed, done=self._done, changed=self._changed)
        self.audience = Audience(status=self.status, features=FEATURES)
        self.worker = Worker(self.prompts, registry, self._events.post, self.audience)
        self.submissions = Submissions(registry, self.prompts)

    async def start(self) -> None:
        """Begin to take prompts and to report, on the running loop."""
        loop = asyncio.get_running_loop()
        self._events.open(loop)
        self.audience.open(loop)
        self.worker.start()

    async def stop(self) -> None:
        """Interrupt what runs, and end."""
        await asyncio.to_thread(self.worker.stop)
        self._events.close()
        await self.audience.close()

    @property
    def name(self) -> Literal["comfyui", "sandbox"]:
        """It pretends nothing."""
        return "sandbox"

    @property
    def version(self) -> str:
        """The ComfyUI that the sandbox follows, marked as what it is."""
        return VERSION

    def status(self) -> JSON:
        """What ``GET /prompt`` and the websocket say of the queue."""
        return {"exec_info": {"queue_remaining": self.prompts.remaining()}}

    # Where node definitions come from

    def class_types(self) -> Sequence[str]:
        """Names of all node classes loaded now."""
        return self.registry.class_types()

    def class_token(self, class_type: str) -> Hashable:
        """A value that changes when the class behind the name is replaced."""
        return self.registry.token(class_type)

    def node_info(self, class_type: str) -> JSON:
        """One entry of ``/object_info``, and own checks. Raises what a pack's class raises, or KeyError."""
        info = self.registry.node_info(class_type)
        node_class = self.registry.get(class_type)
        return info if node_class is None else {**info, OWN_CHECKS: v1_own_checks(node_class)}

    def file_lists(self, class_type: str) -> frozenset[str] | None:
        """Which file lists the definition reads; not known for the classes of packs."""
        lists: frozenset[str] | None = getattr(self.registry.get(class_type), "FILE_LISTS", None)
        return lists

    def param_folders(self, class_type: str) -> Mapping[str, str]:
        """``{param: model folder}`` for the file COMBOs."""
        folders: Mapping[str, str] = getattr(self.registry.get(class_type), "MODEL_FOLDERS", {})
        return folders

    def file_list_stamps(self) -> Mapping[str, Hashable]:
        """A value per file list that changes with the list. Touches the disk."""
        return self.files.stamps()

    def model_files(self, folder: str) -> Sequence[str]:
        """File names of one model folder."""
        return self.files.model_files(folder)

    def model_folders(self) -> Mapping[str, ModelFolder]:
        """Every model folder by its name."""
        return self.files.model_folders()

    def model_folder_aliases(self) -> Mapping[str, str]:
        """Old names of folders, as ComfyUI has them."""
        return {"unet": "diffusion_models", "clip": "text_encoders"}

    def models_changed(self, folder: str) -> None:
        """Nothing is kept that could be old."""

    # Where prompts run

    async def submit(self, prompt: NewPrompt) -> Mapping[str, JSON]:
        """Queue *prompt*; answers the node errors of outputs that will not run. Raises PromptRejected."""
        accepted = await self.submissions.submit(
            {
                "prompt": prompt.graph,
                "prompt_id": prompt.prompt_id,
                "client_id": prompt.client_id,
                "extra_data": prompt.extra_data,
                "partial_execution_targets": None if prompt.targets is None else list(prompt.targets),
            }
        )
        return accepted.node_errors

    async def validate(
        self, graph: JSON, targets: Sequence[str] | None
    ) -> tuple[Sequence[str], Mapping[str, JSON]]:
        """Check *graph* as submitting it would. Raises PromptRejected."""
        return await self.submissions.validate(graph, None if targets is None else list(targets))

    def replaced(self, graph: JSON) -> JSON:
        """No class of the sandbox was ever another."""
        return graph

    def free_memory(self) -> None:
        """Forget the results kept between runs: there are no models to unload."""
        self.worker.free()

    def cancel(self, prompt_id: str) -> Literal["removed", "interrupting", "absent"]:
        """Take a pending prompt off the queue, or stop the running one."""
        return self.prompts.cancel(prompt_id)

    def queue(self) -> QueueSnapshot:
        """The queue now."""
        return self.prompts.snapshot()

    def subscribe(self, sink: Callable[[RunEvent], None]) -> None:
        """Have every event from now on delivered to *sink*, on the event loop."""
        self._sinks.append(sink)

    # The machine

    def state_dir(self) -> Path:
        """Backplane's own folder."""
        folder = self.files.state_dir()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def page_dir(self) -> Path | None:
        """None: the sandbox has no page of its own."""
        return None

    def input_dir(self) -> Path:
        """The folder of uploaded files."""
        return self.files.folder("input")

    def output_file(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """The file behind an output; None if absent or outside its folder. Touches the disk."""
        return self.files.file(filename, subfolder, kind)

    def output_place(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """Where such a file would be; None outside its folder. Touches the disk."""
        return self.files.inside(kind, subfolder, filename)

    def system(self) -> JSON:
        """The one device, which is simulated, in bytes."""
        memory = psutil.virtual_memory()
        device: JSON = {
            "name": "simulated",
            "type": "cpu",
            "index": None,
            "vram_total": memory.total,
            "vram_free": memory.available,
            "torch_vram_total": 0,
            "torch_vram_free": 0,
        }
        return {"devices": [device], "torch": None}

    def system_stats(self) -> JSON:
        """Memory in bytes, versions and devices, in the shape of ComfyUI's ``/system_stats``."""
        memory = psutil.virtual_memory()
        return {
            "system": {
                "os": sys.platform,
                "ram_total": memory.total,
                "ram_free": memory.available,
                "comfyui_version": VERSION,
                "python_version": platform.python_version(),
                "pytorch_version": None,
                "embedded_python": False,
                "argv": [],
            },
            "devices": self.system()["devices"],
        }

    def current_node(self) -> tuple[str, str | None] | None:
        """The node whose code calls this."""
        call = current_call.get()
        return None if call is None else (call.prompt_id, call.node_id)

    def checks(self) -> Sequence[Check]:
        """Is the prompt worker alive."""
        alive = self.worker.alive()
        return [Check("prompt_worker", alive, "takes prompts" if alive else "the prompt worker has ended")]

    # From the worker's thread, under the queue's lock: only hand over

    def _removed(self, item: Item) -> None:
        self._events.post(RunEnded(item.prompt.prompt_id, time.time(), "removed"))

    def _done(self, item: Item, outcome: Outcome) -> None:
        self._events.post(
            RunEnded(
                item.prompt.prompt_id,
                time.time(),
                outcome.status,
                outcome.outputs,
                outcome.display_ids(),
                outcome.error,
            )
        )

    def _changed(self, snapshot: QueueSnapshot) -> None:
        self._events.post(QueueChanged(snapshot))
        remaining = len(snapshot.running) + len(snapshot.pending)
        status = {"status": {"exec_info": {"queue_remaining": remaining}}}
        self.audience.tell(None, "status", status)

    def _deliver(self, event: RunEvent) -> None:
        for sink in list(self._sinks):
            sink(event)
