"""The server itself."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from .described import Operation, text
from .shapes import BYTES, FLAG, OBJECT, TEXT, WHOLE, by_name, listed, one_of, or_null, ref, shape

_PLAIN = {"text/plain": text("ok")}

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/ext"): Operation(
        "getServer", "What this server is: version, host, features, limits, links", ref("Server")
    ),
    ("GET", "/ext/health"): Operation(
        "getHealth", "Whether work can be taken and run, check by check", ref("Health"), statuses=(200, 503)
    ),
    ("GET", "/ext/live"): Operation("getLive", "Whether the process answers", media=_PLAIN),
    ("GET", "/ping"): Operation(
        "ping", "The same, under the name that hosting platforms ask for", media=_PLAIN
    ),
    ("GET", "/ext/system"): Operation(
        "getSystem", "Devices, memory and disk, queue lengths, versions", ref("System")
    ),
    ("GET", "/ext/openapi.json"): Operation("getOpenApi", "This document", OBJECT, conditional=True),
    ("GET", "/ext/docs"): Operation(
        "getDocs", "A page to read it and to try it", media={"text/html": text("HTML")}, conditional=True
    ),
    ("GET", "/ext/addresses"): Operation(
        "getAddresses", "Where other devices of the network find this server", ref("Addresses")
    ),
    ("GET", "/ext/app"): Operation("findApp", "Leads to the phone app", statuses=(302,)),
    ("GET", "/ext/app/"): Operation(
        "getApp", "The phone app's page", media={"text/html": text("HTML")}, conditional=True
    ),
    ("GET", "/ext/app/{path}"): Operation(
        "getAppFile", "A file of the phone app", media={"*/*": {}}, conditional=True
    ),
}


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    return {
        "Server": shape(
            name=TEXT,
            version=TEXT,
            host=one_of("comfyui", "sandbox"),
            host_version=or_null(TEXT),
            features=listed(TEXT),
            locked={**FLAG, "description": "Whether only templates may run."},
            names=by_name(TEXT),
            limits=by_name(WHOLE),
            links=by_name(TEXT),
        ),
        "Health": shape(
            status=one_of("ok", "failing"),
            checks=listed(shape(name=TEXT, ok=FLAG, detail=or_null(TEXT))),
        ),
        "Addresses": shape(
            port=or_null(WHOLE),
            listens_on=listed(TEXT),
            reachable={**FLAG, "description": "Whether it listens beyond this machine."},
            items=listed(shape(address=TEXT, interface=TEXT, url=TEXT)),
        ),
        "System": {
            **shape(
                host=TEXT,
                host_version=or_null(TEXT),
                backplane=TEXT,
                queue=shape(running=BYTES, pending=BYTES),
            ),
            "additionalProperties": True,
        },
    }
