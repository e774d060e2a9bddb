from typing import Any

class _ComfyNodeInternal:
    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]: ...
