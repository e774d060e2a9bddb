from typing import Any

class ProgressHandler:
    name: str
    enabled: bool
    def __init__(self, name: str) -> None: ...

class ProgressRegistry:
    prompt_id: str
    dynprompt: Any
    nodes: dict[str, Any]
    __init__: Any
    def register_handler(self, handler: ProgressHandler) -> None: ...

def get_progress_state() -> ProgressRegistry: ...
