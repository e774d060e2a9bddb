"""A stand-in for ComfyUI's modules, as small as the door needs them, to try the door without ComfyUI.

What is here behaves as ComfyUI 0.33 does at the places that matter: the queue calls ``queue_updated`` with
its lock held, a prompt is moved to the history in one step, ``execute`` forgets interrupts as it begins,
handlers are called unguarded. The contract suite tries the same on a real one.
"""

import asyncio
import heapq
import sys
import threading
import types

from aiohttp import web


class PromptQueue:
    def __init__(self, server):
        self.server = server
        self.mutex = threading.RLock()
        self.queue = []
        self.currently_running = {}
        self.history = {}

    def put(self, item):
        with self.mutex:
            heapq.heappush(self.queue, item)
            self.server.queue_updated()

    def get(self):
        with self.mutex:
            item = heapq.heappop(self.queue)
            self.currently_running[0] = item
            self.server.queue_updated()
            return item

    def task_done(self, outputs, status_str, messages, meta=None):
        with self.mutex:
            item = self.currently_running.pop(0)
            self.history[item[1]] = {
                "prompt": item[:5],
                "outputs": outputs,
                "meta": meta or {},
                "status": {"status_str": status_str, "completed": True, "messages": messages},
            }
            self.server.queue_updated()

    def get_current_queue_volatile(self):
        with self.mutex:
            return list(self.currently_running.values()), list(self.queue)

    def get_history(self, prompt_id=None, max_items=None, offset=-1, map_function=None):
        with self.mutex:
            return {prompt_id: map_function(self.history[prompt_id])} if prompt_id in self.history else {}

    def delete_queue_item(self, function):
        with self.mutex:
            for item in self.queue:
                if function(item):
                    self.queue.remove(item)
                    heapq.heapify(self.queue)
                    self.server.queue_updated()
                    return True
            return False


class DynamicPrompt:
    def __init__(self, graph):
        self.graph = graph

    def get_node(self, node_id):
        return self.graph[node_id]

    def get_display_node_id(self, node_id):
        return node_id

    def get_parent_node_id(self, node_id):
        return None


class ProgressHandler:
    def __init__(self, name):
        self.name = name
        self.enabled = True


class ProgressRegistry:
    def __init__(self, prompt_id, dynprompt):
        self.prompt_id = prompt_id
        self.dynprompt = dynprompt
        self.nodes = {}
        self.handlers = {}

    def register_handler(self, handler):
        self.handlers[handler.name] = handler

    def start(self, node_id):
        for handler in self.handlers.values():
            handler.start_handler(node_id, {}, self.prompt_id)

    def update(self, node_id, value, most, image=None):
        for handler in self.handlers.values():
            handler.update_handler(node_id, value, most, {}, self.prompt_id, image)

    def finish(self, node_id):
        for handler in self.handlers.values():
            handler.finish_handler(node_id, {}, self.prompt_id)


class PromptExecutor:
    def __init__(self, server):
        self.server = server
        self.messages = []

    def add_message(self, event, data, broadcast):
        self.messages.append((event, data))


class Server:
    """A ``PromptServer``; ``refuse`` is what ``POST /prompt`` answers instead of queuing."""

    def __init__(self, loop):
        self.loop = loop
        self.app = web.Application()
        self.routes = web.RouteTableDef()
        self.prompt_queue = PromptQueue(self)
        self.sent = []
        self.updates = 0
        self.number = 0
        self.refuse = None
        self.bodies = []

        @self.routes.post("/prompt")
        async def post_prompt(request):
            body = await request.json()
            self.bodies.append(body)
            request.headers.get("Comfy-Usage-Source")
            if self.refuse is not None:
                return web.json_response(self.refuse, status=400)
            self.number += 1
            targets = body.get("partial_execution_targets") or list(body["prompt"])
            extra = {**body["extra_data"], "client_id": body["client_id"]}
            self.prompt_queue.put((self.number, body["prompt_id"], body["prompt"], extra, targets, {}))
            return web.json_response(
                {"prompt_id": body["prompt_id"], "number": self.number, "node_errors": {}}
            )

    def queue_updated(self):
        self.updates += 1

    def send_sync(self, event, data, sid=None):
        self.sent.append((event, data, sid))


class Node:
    RETURN_TYPES = ("INT",)
    CATEGORY = "test"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}


class FakeComfyUI:
    """The modules, installed in ``sys.modules`` while the test runs. *folder* is the base directory."""

    def __init__(self, folder):
        self.interrupts = []
        self.server = Server(asyncio.get_running_loop())
        self.modules = {
            "server": {"PromptServer": type("PromptServer", (), {"instance": self.server})},
            "execution": {"PromptExecutor": type("PromptExecutor", (PromptExecutor,), {})},
            "nodes": {
                "NODE_CLASS_MAPPINGS": {"Node": Node},
                "NODE_DISPLAY_NAME_MAPPINGS": {"Node": "A node"},
                "interrupt_processing": lambda value=True: self.interrupts.append(value),
            },
            "folder_paths": {
                "folder_names_and_paths": {"checkpoints": ([str(folder / "models")], {".safetensors"})},
                "filename_list_cache": {},
                "get_filename_list": lambda name: sorted(path.name for path in (folder / "models").iterdir()),
                "get_directory_by_type": lambda kind: str(folder / kind) if kind == "output" else None,
                "get_input_directory": lambda: str(folder / "input"),
                "get_user_directory": lambda: str(folder / "user"),
            },
            "comfyui_version": {"__version__": "0.99.0"},
            "comfy": {},
            "comfy.model_management": {"get_torch_device": lambda: types.SimpleNamespace(type="cpu")},
            "comfy_api": {},
            "comfy_api.internal": {"_ComfyNodeInternal": type("_ComfyNodeInternal", (), {})},
            "comfy_execution": {},
            "comfy_execution.progress": {
                "ProgressHandler": ProgressHandler,
                # a class of its own for each test: the door wraps its __init__
                "ProgressRegistry": type("ProgressRegistry", (ProgressRegistry,), {}),
            },
        }
        for name in ("models", "input", "output", "user"):
            (folder / name).mkdir()

    def install(self, monkeypatch):
        for name, attributes in self.modules.items():
            module = types.ModuleType(name)
            module.__dict__.update(attributes)
            monkeypatch.setitem(sys.modules, name, module)
        for name in self.modules:
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, sys.modules[name])
        for name in ("comfyui", "comfyui_lists"):
            monkeypatch.delitem(sys.modules, f"backplane.host.{name}", raising=False)
            monkeypatch.delattr(f"backplane.host.{name}", raising=False)

    def registry(self, prompt_id, graph):
        """Make a registry as ``reset_progress_state`` does when a prompt begins."""
        made = sys.modules["comfy_execution.progress"].ProgressRegistry
        return made(prompt_id, DynamicPrompt(graph))

    def executor(self):
        return sys.modules["execution"].PromptExecutor(self.server)

    def run_next(self):
        """Do to the next prompt what the worker does; a generator, a step at each ``next``."""
        item = self.server.prompt_queue.get()
        prompt_id, graph = item[1], item[2]
        yield "taken"
        self.interrupts.clear()  # execute_async forgets interrupts as it begins
        executor = self.executor()
        executor.add_message("execution_start", {"prompt_id": prompt_id}, broadcast=False)
        registry = self.registry(prompt_id, graph)
        executor.add_message("execution_cached", {"prompt_id": prompt_id, "nodes": []}, broadcast=False)
        for node_id in graph:
            registry.start(node_id)
            yield "started"
            if self.interrupts:
                message = {"prompt_id": prompt_id, "node_id": node_id}
                executor.add_message("execution_interrupted", message, broadcast=True)
                self.server.prompt_queue.task_done({}, "error", executor.messages)
                return
            registry.update(node_id, 1, 2)
            registry.finish(node_id)
        executor.add_message("execution_success", {"prompt_id": prompt_id}, broadcast=False)
        self.server.prompt_queue.task_done({"1": {"text": ["x"]}}, "success", executor.messages)
