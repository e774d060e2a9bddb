# What host/comfyui.py uses of ComfyUI, as ComfyUI 0.3.64 to 0.33 have it.
import asyncio
from collections.abc import Callable

from aiohttp import web
from execution import PromptQueue

class PromptServer:
    instance: PromptServer
    loop: asyncio.AbstractEventLoop
    app: web.Application
    routes: web.RouteTableDef
    prompt_queue: PromptQueue
    queue_updated: Callable[[], None]
    send_sync: Callable[..., None]
