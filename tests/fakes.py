"""Small honest stand-ins, shared by the tests."""

from backplane.host.protocol import (
    Check,
    PromptRejected,
    QueueChanged,
    QueuedPrompt,
    QueueSnapshot,
    RunEnded,
)
from backplane.nodespec import parse


class FakeHost:
    """A host whose queue and runs the test moves by hand; events are delivered at once."""

    name = "sandbox"
    version = "0"

    def __init__(self, folder):
        self.folder = folder
        self.sinks = []
        self.prompts = []
        self.pending = []
        self.running = []
        self.interrupted = []
        self.reject = None
        self.refuse_late = None
        self.freed = 0
        self.node_errors = {}
        self.replacements = {}
        self.on_submit = lambda prompt: None

    def subscribe(self, sink):
        self.sinks.append(sink)

    def emit(self, *events):
        for event in events:
            for sink in self.sinks:
                sink(event)

    def tell_queue(self):
        self.emit(QueueChanged(self.queue()))

    def queue(self):
        return QueueSnapshot(tuple(self.running), tuple(self.pending))

    async def validate(self, graph, targets):
        if self.reject is not None:
            raise PromptRejected(*self.reject)
        refused = {output for about in self.node_errors.values() for output in about["dependent_outputs"]}
        return [node_id for node_id in targets or graph if node_id not in refused], self.node_errors

    def replaced(self, graph):
        for node in graph.values():
            node["class_type"] = self.replacements.get(node["class_type"], node["class_type"])
        return graph

    def free_memory(self):
        self.freed += 1

    def current_node(self):
        return None

    def input_dir(self):
        return self.folder

    async def submit(self, prompt):
        if self.refuse_late is not None:
            raise self.refuse_late
        self.prompts.append(prompt)
        self.pending.append(QueuedPrompt(prompt.prompt_id, prompt.graph, (), prompt.client_id))
        self.on_submit(prompt)
        return self.node_errors

    def cancel(self, prompt_id):
        for prompt in self.pending:
            if prompt.prompt_id == prompt_id:
                self.pending.remove(prompt)
                return "removed"
        if any(prompt.prompt_id == prompt_id for prompt in self.running):
            self.interrupted.append(prompt_id)
            return "interrupting"
        return "absent"

    def begin(self, prompt_id):
        """Move a pending prompt to running."""
        prompt = next(prompt for prompt in self.pending if prompt.prompt_id == prompt_id)
        self.pending.remove(prompt)
        self.running.append(prompt)

    def end(self, prompt_id, status="succeeded", **fields):
        """Take a prompt off the queue and say how it ended."""
        self.running = [prompt for prompt in self.running if prompt.prompt_id != prompt_id]
        self.emit(RunEnded(prompt_id, 200.0, status, **fields))

    def state_dir(self):
        return self.folder

    def page_dir(self):
        return None

    def output_file(self, filename, subfolder, kind):
        path = self.folder / subfolder / filename
        return path if path.is_file() else None

    def output_place(self, filename, subfolder, kind):
        return self.folder / subfolder / filename

    def system(self):
        return {"devices": []}

    def checks(self):
        return [Check("prompt_worker", ok=True, detail="running")]


def spec(name, required=(), outputs=("INT",), *, output_node=False, **options):
    """Make a node class as the catalogue reads it: *required* as {name: declaration}."""
    return parse(
        {
            "name": name,
            "input": {"required": dict(required), "optional": options.get("optional", {})},
            "output": list(outputs),
            "output_name": list(outputs),
            "output_is_list": [False] * len(outputs),
            "output_node": output_node,
            "category": "test",
            "display_name": name,
            "description": "",
            "python_module": "nodes",
        },
        folders={},
    )


class FixedNodes:
    """A NodeSource of the definitions in *infos*, which the test may change; no class lists files."""

    def __init__(self, infos):
        self.infos = infos

    def class_types(self):
        return list(self.infos)

    def class_token(self, class_type):
        return id(self.infos[class_type])

    def node_info(self, class_type):
        return self.infos[class_type]

    def file_lists(self, class_type):
        return frozenset()

    def param_folders(self, class_type):
        return {}

    def file_list_stamps(self):
        return {}

    def model_files(self, folder):
        return []


class FakeClasses:
    """The catalogue, as far as tasks need it: *later* is what only a fresh look finds."""

    def __init__(self, *specs, later=()):
        self.now = {one.name: one for one in specs}
        self.later = {one.name: one for one in later}
        self.learned = []
        self.looks = 0

    async def specs(self, *, fresh):
        if fresh:
            self.looks += 1
            self.now |= self.later
        return self.now

    def learn(self, graph):
        self.learned.append(graph)
