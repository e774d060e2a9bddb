"""The real ComfyUI, as :mod:`.protocol` wants it. The only file that imports ComfyUI.

Holds for 0.3.64, 0.8 and 0.33, told apart by what is there, never by version number. Three hooks, each
installed once, each O(1) on the prompt worker's thread, none ever raising:

- ``ProgressRegistry.__init__``: every prompt gets a registry of its own; ours adds a handler to it.
- ``PromptExecutor.add_message``: start, cached nodes, success, error, interruption, for every client.
- the server instance's ``queue_updated`` (called with the queue's lock held: it only wakes the loop) and
  ``send_sync`` (only ``executed`` is looked at, for outputs while the prompt runs).

Where one cannot be installed, ``/ext/health`` says so and :class:`~.polling.Poller` looks instead.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import comfy.model_management
import folder_paths
import nodes
from aiohttp import web
from comfy_api.internal import _ComfyNodeInternal  # pyright: ignore[reportPrivateUsage]
from comfyui_version import __version__
from server import PromptServer

from .. import routes, services
from .. import settings as settings_
from ..errors import JSON, Unavailable
from ..nodespec.parse import OWN_CHECKS
from . import announcing
from . import comfyui_lists as lists
from .definitions import FileUse, file_use
from .devices import AIMDO, describe_devices, meters_of
from .history import TERMINAL, error_of, history_entry, queued_prompt
from .inprocess import InProcessRequest, body_of, prompt_handler
from .own_checks import v1_own_checks, v3_own_checks
from .protocol import (
    Check,
    ModelFolder,
    NewPrompt,
    NodeOutput,
    NodesCached,
    PromptRejected,
    QueueSnapshot,
    RunEvent,
    RunStarted,
)
from .reports import Reporter
from .v1 import node_info_v1
from .watch import Finishing, HistoryEntry, Watch

try:
    from comfy_execution.utils import get_executing_context
except ImportError:  # some future: then log lines are not told apart by node
    get_executing_context = None

log = logging.getLogger("backplane")

MARK = "_backplane"
"""Attribute that says a hook or a server is taken already: packages can be loaded twice."""


def install() -> None:
    """Put Backplane into the ComfyUI that is importing it. Never raises: ComfyUI goes on without it."""
    server = getattr(PromptServer, "instance", None)
    if server is None:
        log.warning("Backplane is not started: there is no server")
        return
    if hasattr(server, MARK):
        log.warning("Backplane is loaded twice; only the first copy serves. Remove one of the folders.")
        return
    try:
        host = ComfyUI(server)
        settings = settings_.load(host.state_dir())
        parts = services.build(settings, host)
        routes.register(server.routes, parts)
        host.watch_runs(hooks=settings.hooks == "auto", poll_interval_s=settings.poll_interval_s)

        async def start(_app: web.Application) -> None:
            parts.start()
            host.start()
            announcing.begin(server)

        server.app.on_startup.append(start)
        setattr(server, MARK, parts)
    except settings_.SettingsError as error:
        log.error("Backplane is not started: %s", error)  # noqa: TRY400 - a traceback helps nobody here
    except Exception:
        log.exception("Backplane is not started; ComfyUI goes on without it")


class ComfyUI:
    """Implements :class:`~.protocol.Host` on *server*."""

    def __init__(self, server: PromptServer) -> None:
        self._server = server
        self._uses: dict[type, FileUse] = {}
        self._cancelled: set[str] = set()
        self._hooks: dict[str, str] = {}
        self._poll = False
        self._worker_seen = False
        self._meters = meters_of(
            comfy.model_management.get_torch_device(), sys.modules.get("torch"), sys.modules.get(AIMDO)
        )
        self._submit = prompt_handler(server.routes)
        self._watch = Watch(
            server.loop,
            queue=self.queue,
            history=self._history,
            in_queue=self._in_queue,
            worker_alive=self._worker_alive,
            ended=self._cancelled.discard,
        )

    name: Literal["comfyui", "sandbox"] = "comfyui"
    version: str = __version__

    # Node definitions

    def class_types(self) -> Sequence[str]:
        """Names of all node classes loaded now."""
        return list(nodes.NODE_CLASS_MAPPINGS)

    def class_token(self, class_type: str) -> Hashable:
        """The class itself and its display name."""
        return (
            nodes.NODE_CLASS_MAPPINGS.get(class_type),
            nodes.NODE_DISPLAY_NAME_MAPPINGS.get(class_type),
        )

    def node_info(self, class_type: str) -> JSON:
        """One entry of ``/object_info``, and own checks; raises whatever the pack's code raises."""
        node_class = nodes.NODE_CLASS_MAPPINGS[class_type]
        if issubclass(node_class, _ComfyNodeInternal):
            return {**node_class.GET_NODE_INFO_V1(), OWN_CHECKS: v3_own_checks(node_class)}
        title = nodes.NODE_DISPLAY_NAME_MAPPINGS.get(class_type, class_type)
        return {**node_info_v1(class_type, node_class, title), OWN_CHECKS: v1_own_checks(node_class)}

    def file_lists(self, class_type: str) -> frozenset[str] | None:
        """Which file lists the definition reads."""
        return self._use(class_type).lists

    def param_folders(self, class_type: str) -> Mapping[str, str]:
        """``{param: model folder}``, old folder names translated."""
        return self._use(class_type).param_folders

    def _use(self, class_type: str) -> FileUse:
        node_class = nodes.NODE_CLASS_MAPPINGS[class_type]
        use = self._uses.get(node_class)
        if use is None:
            found = file_use(node_class, {*folder_paths.folder_names_and_paths, "unet", "clip"})
            use = FileUse(
                None if found.lists is None else frozenset(map(lists.today, found.lists)),
                {param: lists.today(name) for param, name in found.param_folders.items()},
            )
            self._uses[node_class] = use
        return use

    def file_list_stamps(self) -> Mapping[str, Hashable]:
        """A value per model folder and for the input folder that changes when the list does."""
        return lists.file_list_stamps()

    def model_files(self, folder: str) -> Sequence[str]:
        """File names of one model folder, relative, as COMBO options show them."""
        return lists.model_files(folder)

    def model_folders(self) -> Mapping[str, ModelFolder]:
        """Every model folder by its name."""
        return lists.model_folders()

    def model_folder_aliases(self) -> Mapping[str, str]:
        """Old names of folders."""
        return lists.model_folder_aliases()

    def models_changed(self, folder: str) -> None:
        """Have ComfyUI read its own list of this folder anew."""
        lists.forget(folder)

    # Runs

    async def submit(self, prompt: NewPrompt) -> Mapping[str, JSON]:
        """Queue *prompt* through ComfyUI's own ``POST /prompt``, with all that hangs on it."""
        if not self._worker_alive():
            raise Unavailable(
                "HOST_UNAVAILABLE",
                "ComfyUI's prompt worker has stopped.",
                hint="Restart ComfyUI; its log says what stopped it.",
            )
        body: JSON = {
            "prompt": prompt.graph,
            "prompt_id": prompt.prompt_id,
            "client_id": prompt.client_id,
            "extra_data": dict(prompt.extra_data),
        }
        if prompt.targets is not None:
            body["partial_execution_targets"] = list(prompt.targets)
        answer = await self._submit(InProcessRequest(body))
        document = body_of(answer)
        if answer.status != 200:
            raise PromptRejected(document.get("error") or {}, document.get("node_errors") or {})
        self._watch.expect(prompt.prompt_id)
        return document.get("node_errors") or {}

    async def validate(
        self, graph: JSON, targets: Sequence[str] | None
    ) -> tuple[Sequence[str], Mapping[str, JSON]]:
        """Check *graph* with ComfyUI's own validation, after its node replacements."""
        from execution import validate_prompt  # noqa: PLC0415 - absent in some future: then queuing tells

        ok, error, outputs, node_errors = await validate_prompt(
            "", self.replaced(graph), None if targets is None else list(targets)
        )
        if not ok:
            raise PromptRejected(error or {}, node_errors or {})
        return list(outputs), node_errors or {}

    def replaced(self, graph: JSON) -> JSON:
        """Replace nodes of classes that are gone, as ``POST /prompt`` does; older versions do not."""
        manager = getattr(self._server, "node_replace_manager", None)
        if manager is not None:
            try:
                manager.apply_replacements(graph)
            except Exception:  # a pack names inputs that the node lacks; the class then stays unknown
                log.warning("A node replacement failed", exc_info=True)
        return graph

    def free_memory(self) -> None:
        """Unload all models before the next prompt, as ``POST /free`` does."""
        self._server.prompt_queue.set_flag("unload_models", True)
        self._server.prompt_queue.set_flag("free_memory", True)

    def cancel(self, prompt_id: str) -> Literal["removed", "interrupting", "absent"]:
        """Dequeue or interrupt; the interrupt is repeated until the prompt is over."""
        queue = self._server.prompt_queue
        # Under the queue's lock, so that a prompt cannot end and the next one start in between.
        with queue.mutex:
            if queue.delete_queue_item(lambda item: item[1] == prompt_id):
                return "removed"
            if any(item[1] == prompt_id for item in queue.currently_running.values()):
                self._cancelled.add(prompt_id)
                nodes.interrupt_processing()
                return "interrupting"
        return "absent"

    def queue(self) -> QueueSnapshot:
        """The queue now, pending prompts in the order in which they will run."""
        running, pending = self._server.prompt_queue.get_current_queue_volatile()
        return QueueSnapshot(
            tuple(map(queued_prompt, running)),
            tuple(queued_prompt(item) for item in sorted(pending, key=lambda item: item[:2])),
        )

    def subscribe(self, sink: Callable[[RunEvent], None]) -> None:
        """Have every event from now on delivered to *sink*, on the event loop."""
        self._watch.subscribe(sink)

    def start(self) -> None:
        """Begin to watch; on the event loop, after the subscribers are there."""
        self._watch.start()

    def stop(self) -> None:
        """Watch no more; ComfyUI never gets here, it just exits."""
        self._watch.stop()

    # Machine

    def page_dir(self) -> Path | None:
        """The installed page of ComfyUI, or what --front-end-root named."""
        root = getattr(self._server, "web_root", None)
        return Path(root) if root else None

    def state_dir(self) -> Path:
        """ComfyUI's system-user folder, which it never serves; older versions lack the helper."""
        helper = getattr(folder_paths, "get_system_user_directory", None)
        path = (
            Path(helper("backplane"))
            if helper is not None
            else Path(folder_paths.get_user_directory()) / "__backplane"
        )
        path.mkdir(parents=True, exist_ok=True)
        return path

    def input_dir(self) -> Path:
        """ComfyUI's input folder."""
        return Path(folder_paths.get_input_directory())

    def output_file(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """The file behind an output, if it lies within its folder."""
        path = self.output_place(filename, subfolder, kind)
        try:
            return path if path is not None and path.is_file() else None
        except OSError:  # a name that no file can have
            return None

    def output_place(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """Where such a file would be, links followed, if that is within the folder."""
        root = folder_paths.get_directory_by_type(kind)
        if root is None:
            return None
        try:
            resolved_root = Path(root).resolve()
            path = (resolved_root / subfolder / filename).resolve()
        except (OSError, ValueError):
            return None
        return path if path.is_relative_to(resolved_root) and path != resolved_root else None

    def system(self) -> JSON:
        """Devices and memory, in bytes, as ComfyUI itself counts them."""
        torch = sys.modules.get("torch")
        return {
            "devices": describe_devices(comfy.model_management),
            "torch": str(getattr(torch, "__version__", "")) or None,
        }

    def current_node(self) -> tuple[str, str | None] | None:
        """The node whose code calls this; for the worker's own lines the prompt alone."""
        context = None if get_executing_context is None else get_executing_context()
        if context is not None:
            return context.prompt_id, context.node_id
        if "prompt_worker" not in threading.current_thread().name:
            return None  # else the event loop's own lines would look like the run's
        running = list(self._server.prompt_queue.currently_running.values())
        return (running[0][1], None) if running else None

    def checks(self) -> Sequence[Check]:
        """Is the prompt worker alive, are the hooks in place."""
        alive = self._worker_alive()
        lines = [
            Check(
                "prompt_worker",
                ok=alive,
                detail="running" if alive else "stopped: nothing will run until ComfyUI is restarted",
            )
        ]
        lines.extend(
            # A missing hook costs detail, not function: the server can still run work.
            Check(f"hook_{name}", ok=True, detail=detail)
            for name, detail in self._hooks.items()
        )
        return lines

    # How runs are watched

    def watch_runs(self, *, hooks: bool, poll_interval_s: float) -> None:
        """Install the hooks; poll where one is missing, or with *hooks* off."""
        installers: dict[str, Callable[[], None]] = {
            "progress": self._hook_progress,
            "messages": self._hook_messages,
            "queue": self._hook_queue,
            "outputs": self._hook_outputs,
        }
        missing: set[str] = set()
        for name, installer in installers.items():
            if not hooks:
                self._hooks[name] = "off by setting: polling"
                missing.add(name)
                continue
            try:
                installer()
                self._hooks[name] = "installed"
            except Exception as error:
                log.exception("The %s hook cannot be installed; Backplane polls instead", name)
                self._hooks[name] = f"not installed ({type(error).__name__}): polling"
                missing.add(name)
        if missing - {"outputs"}:  # outputs are also in the history, at the end
            self._watch.poll(poll_interval_s, progress=self._progress_now if "progress" in missing else None)

    def _hook_progress(self) -> None:
        from comfy_execution.progress import (  # noqa: PLC0415 - absent in some future: a missing hook
            ProgressHandler,
            ProgressRegistry,
        )

        host = self

        class Handler(Reporter, ProgressHandler):
            """Ours, and of ComfyUI's own kind, should its interface grow."""

            def __init__(self, dynprompt: Any) -> None:
                ProgressHandler.__init__(self, "backplane")
                Reporter.__init__(
                    self,
                    dynprompt,
                    host._watch.put,
                    host._cancelled,
                    nodes.interrupt_processing,
                    host._meters,
                )

        original = ProgressRegistry.__init__

        @functools.wraps(original)
        def init(self: ProgressRegistry, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            try:
                if self.prompt_id:  # ComfyUI also makes one for no prompt
                    self.register_handler(Handler(self.dynprompt))
            except Exception:
                log.debug("progress hook", exc_info=True)

        ProgressRegistry.__init__ = init

    def _hook_messages(self) -> None:
        from execution import PromptExecutor  # noqa: PLC0415 - as above

        host = self
        original = PromptExecutor.add_message

        @functools.wraps(original)
        def add_message(self: Any, event: str, data: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                host.message(event, data)
            except Exception:
                log.debug("message hook", exc_info=True)
            return original(self, event, data, *args, **kwargs)

        PromptExecutor.add_message = add_message

    def message(self, event: str, data: JSON) -> None:
        """Report one executor message. On the worker's thread."""
        prompt_id = data["prompt_id"]
        now = time.time()
        if event == "execution_start":
            # Only this thread changes currently_running, so reading it needs no lock.
            running = list(self._server.prompt_queue.currently_running.values())
            found = next((queued_prompt(item) for item in running if item[1] == prompt_id), None)
            self._watch.put(RunStarted(prompt_id, now, found))
        elif event == "execution_cached":
            self._watch.put(NodesCached(prompt_id, now, tuple(data.get("nodes", ()))))
        elif event in TERMINAL:
            self._meters.clear()
            self._watch.put(Finishing(prompt_id, TERMINAL[event], error_of(event, data)))

    def _hook_queue(self) -> None:
        original = self._server.queue_updated
        watch = self._watch

        @functools.wraps(original)
        def queue_updated(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            watch.wake()

        self._server.queue_updated = queue_updated

    def _hook_outputs(self) -> None:
        original = self._server.send_sync
        watch = self._watch

        @functools.wraps(original)
        def send_sync(event: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
            if event == "executed":
                try:
                    ui = data.get("output")
                    if ui:
                        node = data["node"]
                        display = data.get("display_node") or node
                        watch.put(NodeOutput(data["prompt_id"], time.time(), node, display, ui))
                except Exception:
                    log.debug("output hook", exc_info=True)
            return original(event, data, *args, **kwargs)

        self._server.send_sync = send_sync

    # What the watch looks at

    def _in_queue(self, prompt_id: str) -> bool:
        running, pending = self._server.prompt_queue.get_current_queue_volatile()
        return any(item[1] == prompt_id for item in (*running, *pending))

    def _history(self, prompt_id: str) -> HistoryEntry | None:
        # map_function spares the deep copy that get_history otherwise makes.
        found = self._server.prompt_queue.get_history(prompt_id=prompt_id, map_function=history_entry)
        return found.get(prompt_id)

    def _worker_alive(self) -> bool:
        # ComfyUI starts it as threading.Thread(target=prompt_worker), which names it after the function.
        alive = any("prompt_worker" in thread.name for thread in threading.enumerate())
        self._worker_seen = self._worker_seen or alive
        return alive or not self._worker_seen

    @staticmethod
    def _progress_now() -> tuple[str, Mapping[str, tuple[str, float, float]], Callable[[str], str]] | None:
        from comfy_execution.progress import get_progress_state  # noqa: PLC0415 - as above

        registry = get_progress_state()
        if not registry.prompt_id:
            return None
        states = {
            node_id: (str(entry["state"].value), float(entry["value"]), float(entry["max"]))
            for node_id, entry in list(registry.nodes.items())
        }
        return registry.prompt_id, states, registry.dynprompt.get_display_node_id
