"""Workflows with named, typed inputs, and fragments of workflows with open ports, in numbered versions."""

from __future__ import annotations

from .filling import fill
from .proposing import Proposal, propose
from .schemas import schema
from .service import Templates, etag_of, json_bytes, view
from .values import Declared, Filled, Output, Ref, Template

__all__ = [
    "Declared",
    "Filled",
    "Output",
    "Proposal",
    "Ref",
    "Template",
    "Templates",
    "etag_of",
    "fill",
    "json_bytes",
    "propose",
    "schema",
    "view",
]
