import threading
from collections.abc import Callable
from typing import Any

class PromptQueue:
    mutex: threading.RLock
    currently_running: dict[int, tuple[Any, ...]]
    history: dict[str, dict[str, Any]]
    def get_current_queue_volatile(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]: ...
    def get_history(
        self,
        prompt_id: str | None = ...,
        max_items: int | None = ...,
        offset: int = ...,
        map_function: Callable[[dict[str, Any]], Any] | None = ...,
    ) -> dict[str, Any]: ...
    def set_flag(self, name: str, data: Any) -> None: ...
    def delete_queue_item(self, function: Callable[[tuple[Any, ...]], bool]) -> bool: ...

class PromptExecutor:
    server: Any
    add_message: Callable[..., Any]

async def validate_prompt(
    prompt_id: str, prompt: dict[str, Any], partial_execution_list: list[str] | None
) -> tuple[bool, dict[str, Any] | None, list[str], dict[str, dict[str, Any]]]: ...
