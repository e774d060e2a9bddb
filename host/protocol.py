"""What Backplane needs of the server it runs in, and the values that cross that door.

``host/comfyui.py`` implements :class:`Host` on a real ComfyUI, ``sandbox/`` on a server of its own.
This file imports neither, so any room may use its types.

Data flows two ways. Calls go in (submit, cancel, look at the queue); what happens comes out as
:data:`RunEvent` values, delivered to every subscriber **on the event loop, in the order in which it
happened**, for every prompt the server runs, whoever queued it::

    RunStarted → NodesCached → (NodeStarted → NodeProgressed* → NodeFinished | NodeOutput)* → RunEnded

``NodeFinished`` without ``NodeStarted`` means that the result came from the cache. ``NodeStarted`` may
repeat (lazy inputs). ``RunEnded`` comes once per prompt, when its outputs are known, and nothing about
that prompt follows it. ``QueueChanged`` comes whenever the queue may have changed.

Node ids are ComfyUI's unique ids: for a node that expanded from another they look like ``"2.0.0.1"``,
and ``display_id`` names the node of the submitted workflow that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ..errors import JSON


@dataclass(frozen=True, slots=True)
class QueuedPrompt:
    """A prompt in the host's own queue. *graph* is shared with the host: read it, never change it."""

    prompt_id: str
    graph: Mapping[str, Any]
    """API-format workflow: ``{node_id: {"class_type", "inputs", "_meta"?}}``."""
    targets: tuple[str, ...]
    """Ids of the output nodes that this prompt executes."""
    client_id: str | None


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The host's queue at one moment; *pending* in the order in which it will run."""

    running: tuple[QueuedPrompt, ...]
    pending: tuple[QueuedPrompt, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """A frame of a run in progress, not yet encoded: *image* is a ``PIL.Image.Image``."""

    image: Any
    format: str
    """``"JPEG"`` or ``"PNG"``."""
    max_size: int | None
    """Longest side in pixels to scale down to, or None."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A prompt left the queue and began. *at* is Unix time in seconds, as everywhere here."""

    prompt_id: str
    at: float
    prompt: QueuedPrompt | None
    """None where the host could not tell (then only what follows is known)."""


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes need not run. May name nodes that this prompt does not reach."""

    prompt_id: str
    at: float
    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node began. *display_id* and *class_type* as described in the module's docstring."""

    prompt_id: str
    at: float
    node_id: str
    display_id: str
    parent_id: str | None
    """The node that expanded into this one, None for a node of the submitted workflow."""
    class_type: str | None


@dataclass(frozen=True, slots=True)
class NodeProgressed:
    """A node reports step *value* of *max*; a list-mapped node starts over for each item."""

    prompt_id: str
    at: float
    node_id: str
    value: float
    max: float
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is done (or its result came from the cache, if it was never started).

    The peaks are the highest memory use while it ran, in bytes, None where the machine cannot tell.
    """

    prompt_id: str
    at: float
    node_id: str
    display_id: str
    vram_peak: int | None = None
    ram_peak: int | None = None


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """A node handed something to the user: *ui* as in ComfyUI's history, e.g. ``{"images": [...]}``."""

    prompt_id: str
    at: float
    node_id: str
    display_id: str
    ui: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed. *node_id* is a node of the submitted workflow."""

    message: str
    node_id: str | None = None
    class_type: str | None = None
    exception_type: str | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A prompt is over and off the queue."""

    prompt_id: str
    at: float
    status: Literal["succeeded", "failed", "interrupted", "removed", "lost"]
    """*removed*: taken from the queue before it began. *lost*: gone without a trace."""
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """unique node id → ui, as :class:`NodeOutput`; complete, cached nodes included."""
    display_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    """unique node id → id of the submitted workflow, for the keys of *outputs* where they differ."""
    error: RunError | None = None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """The host's queue may have changed."""

    snapshot: QueueSnapshot


RunEvent = (
    RunStarted
    | NodesCached
    | NodeStarted
    | NodeProgressed
    | NodeFinished
    | NodeOutput
    | RunEnded
    | QueueChanged
)
"""All that a host reports."""


@dataclass(frozen=True, slots=True)
class NewPrompt:
    """A prompt to queue. The host takes *graph* over and may change it: hand it a copy."""

    prompt_id: str
    """Canonical lowercase UUID; ComfyUI refuses others."""
    graph: JSON
    client_id: str
    targets: tuple[str, ...] | None = None
    """Only these output nodes, or None for all."""
    extra_data: JSON = field(default_factory=dict[str, Any])


class PromptRejected(Exception):
    """The host's own validation refused a prompt.

    *error* is ``{"type", "message", "details", "extra_info"}``, *node_errors* is
    ``{node_id: {"errors": [...], "dependent_outputs": [...], "class_type"}}``, as ``POST /prompt`` answers.
    """

    def __init__(self, error: JSON, node_errors: Mapping[str, JSON]) -> None:
        super().__init__(str(error.get("message", "prompt rejected")))
        self.error = error
        self.node_errors = node_errors


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``/ext/health``. A check that is *ok* may still carry a note in *detail*."""

    name: str
    ok: bool
    detail: str


class NodeSource(Protocol):
    """Where node definitions come from. All methods may be called from any thread."""

    def class_types(self) -> Sequence[str]:
        """Names of all node classes loaded now."""
        ...

    def class_token(self, class_type: str) -> Hashable:
        """A value that changes when the class behind the name is replaced. O(1)."""
        ...

    def node_info(self, class_type: str) -> JSON:
        """One entry of ``/object_info``, V1 or V3. Runs the pack's own code: may raise anything."""
        ...

    def file_lists(self, class_type: str) -> frozenset[str] | None:
        """Which file lists the definition reads: names of :meth:`file_list_stamps`.

        Empty: it depends on no file. None: it reads something, but what is not known.
        """
        ...

    def param_folders(self, class_type: str) -> Mapping[str, str]:
        """``{param: model folder}`` for the file COMBOs whose folder the code names."""
        ...

    def file_list_stamps(self) -> Mapping[str, Hashable]:
        """``{list name: value that changes with the list}``: each model folder, and ``"input"``.

        Touches the disk: not for the event loop.
        """
        ...

    def model_files(self, folder: str) -> Sequence[str]:
        """File names of one model folder, relative, as COMBO options show them."""
        ...


class PromptRunner(Protocol):
    """Where prompts run. Call these on the event loop."""

    async def submit(self, prompt: NewPrompt) -> Mapping[str, JSON]:
        """Queue *prompt*; answer the node errors of outputs that will not run (mostly empty).

        Raises :class:`PromptRejected`.
        """
        ...

    async def validate(
        self, graph: JSON, targets: Sequence[str] | None
    ) -> tuple[Sequence[str], Mapping[str, JSON]]:
        """Check *graph* as submitting it would, and queue nothing.

        Gives the output nodes that would run and the node errors of those that would not. Raises
        :class:`PromptRejected`. The host takes *graph* over: hand it a copy.
        """
        ...

    def replaced(self, graph: JSON) -> JSON:
        """Give *graph* with nodes of classes that are gone replaced, where packs say by what.

        The host takes *graph* over: hand it a copy.
        """
        ...

    def free_memory(self) -> None:
        """Have all models unloaded before the next prompt runs."""
        ...

    def cancel(self, prompt_id: str) -> Literal["removed", "interrupting", "absent"]:
        """Take a pending prompt off the queue, or interrupt it and keep interrupting until it stops."""
        ...

    def queue(self) -> QueueSnapshot:
        """The queue now."""
        ...

    def subscribe(self, sink: Callable[[RunEvent], None]) -> None:
        """Have every event from now on delivered to *sink*, on the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One kind of model and where its files lie. A new file goes into the first of *roots*."""

    name: str
    """As ComfyUI names it today, e.g. ``diffusion_models`` (once ``unet``)."""
    roots: tuple[Path, ...]
    """Absolute, in ComfyUI's order; the first file of a name wins. They need not exist."""
    suffixes: frozenset[str]
    """Lower-case, with the dot, e.g. ``.safetensors``; empty: any file counts."""


class ModelFiles(Protocol):
    """Where model files are. All methods may be called from any thread; they are quick."""

    def model_folders(self) -> Mapping[str, ModelFolder]:
        """Every model folder by its name, ``custom_nodes`` and the like left out."""
        ...

    def model_folder_aliases(self) -> Mapping[str, str]:
        """Old names of folders: ``{"unet": "diffusion_models", "clip": "text_encoders"}``."""
        ...

    def models_changed(self, folder: str) -> None:
        """Have the host read its own list of this folder anew when it is next asked for."""
        ...


class Machine(Protocol):
    """The files and devices of the server."""

    def state_dir(self) -> Path:
        """A folder for Backplane's own files, not reachable over HTTP; made if absent."""
        ...

    def page_dir(self) -> Path | None:
        """The folder of the page that this server shows; None if it has none."""
        ...

    def input_dir(self) -> Path:
        """The folder of uploaded files, which LoadImage and its kin read."""
        ...

    def output_file(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """The file behind an output; None if it is absent or would lie outside the *kind* folder.

        *kind* is ``"output"``, ``"temp"`` or ``"input"``. Touches the disk.
        """
        ...

    def output_place(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """Where such a file would be; None if that is outside the *kind* folder. Touches the disk."""
        ...

    def system(self) -> JSON:
        """Devices, memory in bytes, versions: for ``/ext/system``. May be slow: not for the event loop."""
        ...

    def current_node(self) -> tuple[str, str | None] | None:
        """Give (prompt_id, node_id) of the node whose code calls this, or None. O(1), any thread."""
        ...

    def checks(self) -> Sequence[Check]:
        """Is the prompt worker alive, are the hooks in place. Cheap."""
        ...


class Host(NodeSource, PromptRunner, ModelFiles, Machine, Protocol):
    """A server that Backplane can run in."""

    @property
    def name(self) -> Literal["comfyui", "sandbox"]:
        """Which host this is, as ``/ext`` says it."""
        ...

    @property
    def version(self) -> str:
        """The host's own version."""
        ...
