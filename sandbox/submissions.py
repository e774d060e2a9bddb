"""Taking prompts in: numbering, validation, queueing; the same for ``POST /prompt`` and for Backplane."""

from __future__ import annotations

import asyncio
import copy
import itertools
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON
from ..host.protocol import PromptRejected, QueuedPrompt
from .checks import refusal
from .prompt_queue import Item, PromptQueue
from .registry import Registry
from .validation import Verdict, validate_prompt

SMALL = 32
"""Nodes of a graph that is checked faster than a thread is asked; ComfyUI checks all on its loop."""

SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A prompt that was queued; *node_errors* is about outputs that will not run."""

    prompt_id: str
    number: float
    node_errors: dict[str, JSON]


class Submissions:
    """The one way into *queue*."""

    def __init__(self, registry: Registry, queue: PromptQueue) -> None:
        self._registry = registry
        self._queue = queue
        self._numbers = itertools.count()

    async def submit(self, body: Any) -> Accepted:
        """Queue what ``POST /prompt`` takes. Its graph is taken over and changed. Raises PromptRejected."""
        if not isinstance(body, dict):
            raise PromptRejected(refusal("invalid_prompt", "The body is not an object"), {})
        request = cast("JSON", body)
        number = self._number(request)
        if "prompt" not in request:
            raise PromptRejected(refusal("no_prompt", "No prompt provided", "No prompt provided"), {})
        prompt_id = _prompt_id(request.get("prompt_id"))
        extra_data, secrets = _extra_data(request)
        client_id = extra_data.get("client_id")
        graph = request["prompt"]
        verdict = await self._verdict(graph, request.get("partial_execution_targets"))
        extra_data["create_time"] = int(time.time() * 1000)
        prompt = QueuedPrompt(
            prompt_id, graph, verdict.targets, client_id if isinstance(client_id, str) else None
        )
        self._queue.put(Item(number, prompt, extra_data, secrets))
        return Accepted(prompt_id, number, verdict.node_errors)

    async def validate(self, graph: Any, targets: object) -> tuple[Sequence[str], Mapping[str, JSON]]:
        """Check what :meth:`submit` would queue; its graph is taken over. Raises PromptRejected."""
        verdict = await self._verdict(graph, targets)
        return verdict.targets, verdict.node_errors

    async def _verdict(self, graph: Any, targets: object) -> Verdict:
        if isinstance(graph, dict) and len(cast("JSON", graph)) <= SMALL:
            verdict = self._validate(graph, targets)
        else:
            verdict = await asyncio.to_thread(self._validate, graph, targets)
        if verdict.error is not None:
            raise PromptRejected(verdict.error, verdict.node_errors)
        return verdict

    def _number(self, request: Mapping[str, Any]) -> float:
        if "number" in request:
            try:
                number = float(request["number"])
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if not math.isfinite(number):
                raise PromptRejected(refusal("invalid_prompt", "number is not a number"), {})
            return number
        number = next(self._numbers)
        return -number if request.get("front") else number

    def _validate(self, graph: Any, targets: object) -> Verdict:
        try:
            return validate_prompt(graph, targets, self._registry)
        except RecursionError:
            return Verdict((), refusal("invalid_prompt", "The prompt is nested too deeply"), {})


def _prompt_id(given: object) -> str:
    """Check a client's id: a UUID in canonical form; none means that the server makes one."""
    if given is None:
        return str(uuid.uuid4())
    try:
        if isinstance(given, str) and str(uuid.UUID(given)) == given:
            return given
    except ValueError:
        pass
    raise PromptRejected(
        refusal(
            "invalid_prompt_id",
            "prompt_id must be a valid UUID",
            "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
            "omit it to let the server generate one",
        ),
        {},
    )


def _extra_data(request: Mapping[str, Any]) -> tuple[JSON, JSON]:
    given = request.get("extra_data")
    if given is not None and not isinstance(given, dict):
        raise PromptRejected(refusal("invalid_prompt", "extra_data is not an object"), {})
    extra_data = copy.copy(cast("JSON", given or {}))
    if "client_id" in request:
        extra_data["client_id"] = request["client_id"]
    secrets = {name: extra_data.pop(name) for name in SECRETS if name in extra_data}
    return extra_data, secrets
