"""What Civitai's API says of a version: which file, what its scanners found, what the licence allows.

Source of the fields: Civitai's public REST reference (``/api/v1/models``, ``/api/v1/model-versions``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ...errors import JSON
from ..plan import Scan
from ..trouble import DownloadError
from .answers import as_list, as_object, plain

_SHA256 = re.compile(r"[0-9a-f]{64}")
_IN_METADATA = ("format", "size", "fp", "quantType")


def chosen(version: Mapping[str, Any], asked: Mapping[str, str]) -> JSON:
    """Give the file that a link means: the one that it names, else the primary one.

    Raises DownloadError DOWNLOAD_NOT_FOUND with the version's files.
    """
    files = [as_object(each) for each in as_list(version.get("files"))]
    if not asked:
        models = [each for each in files if each.get("type") in ("Model", "Pruned Model")]
        return _primary(files) or next(iter(models or files), None) or _none(files)
    if "fileId" in asked:
        fitting = [each for each in files if str(each.get("id")) == asked["fileId"]]
    else:
        fitting = [each for each in files if _fits(each, asked)]
    return _primary(fitting) or next(iter(fitting), None) or _none(files)


def _primary(files: list[JSON]) -> JSON | None:
    return next((each for each in files if each.get("primary") is True), None)


def _fits(file: JSON, asked: Mapping[str, str]) -> bool:
    metadata = as_object(file.get("metadata"))
    has = {"type": file.get("type"), **{key: metadata.get(key) for key in _IN_METADATA}}
    return all(str(has[key]).lower() == value.lower() for key, value in asked.items() if has.get(key))


def _none(files: list[JSON]) -> JSON:
    raise DownloadError(
        "DOWNLOAD_NOT_FOUND",
        "Civitai's version has no such file." if files else "Civitai's version has no files.",
        hint="Name one of details.files in the link, as fileId=…" if files else None,
        details={
            "files": [
                {
                    "file_id": each.get("id"),
                    "filename": plain(each.get("name")),
                    "type": plain(each.get("type")),
                }
                for each in files[:50]
            ]
        },
    )


def sha256_of(file: JSON) -> str | None:
    """Give the file's SHA-256 in lower case; other hashes are of no use here."""
    found = as_object(file.get("hashes")).get("SHA256")
    folded = found.lower() if isinstance(found, str) else ""
    return folded if _SHA256.fullmatch(folded) else None


def about_bytes(file: JSON) -> int | None:
    """Give the size in bytes as ``sizeKB`` tells it, which is rounded: never a size to check by."""
    kilobytes = file.get("sizeKB")
    if isinstance(kilobytes, bool) or not isinstance(kilobytes, int | float) or not 0 < kilobytes < 1e12:
        return None
    return int(kilobytes * 1024)


def scanned(file: JSON) -> tuple[Scan, tuple[str, ...]]:
    """Give what the scanners found, and what a person should know. Raises DOWNLOAD_SCAN_FLAGGED."""
    results = {
        name: str(file.get(key) or "Pending")
        for name, key in (("pickle scan", "pickleScanResult"), ("virus scan", "virusScanResult"))
    }
    flagged = [name for name, result in results.items() if result == "Danger"]
    if flagged:
        said = plain(file.get("pickleScanMessage")) or plain(file.get("virusScanMessage"))
        raise DownloadError(
            "DOWNLOAD_SCAN_FLAGGED",
            f"Civitai's {' and '.join(flagged)} calls the file dangerous.",
            details={"scan": results, "scanned_at": plain(file.get("scannedAt")), "said": said},
        )
    if set(results.values()) == {"Success"}:
        return "clean", ()
    unfinished = [name for name, result in results.items() if result != "Success"]
    failed = any(results[name] == "Error" for name in unfinished)
    note = f"Civitai's {' and '.join(unfinished)} {'failed' if failed else 'is not finished'}."
    return ("unknown" if failed else "pending"), (note,)


def deadline_of(version: Mapping[str, Any], now: float) -> str | None:
    """Give when early access ends, in the API's own words; None where it is over or there is none."""
    early = version.get("availability") == "EarlyAccess"
    for key in ("earlyAccessEndsAt", "earlyAccessDeadline"):
        text = version.get(key)
        if not isinstance(text, str) or not text:
            continue
        try:
            until = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            continue
        if until.tzinfo is None:
            until = until.replace(tzinfo=timezone.utc)
        return plain(text) if until.timestamp() > now else None
    return "" if early else None


def licence_of(model: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """Give the licence in a line, and what it forbids, as the model's flags have it."""
    if "allowCommercialUse" not in model and "allowNoCredit" not in model:
        return None, ()
    notes: list[str] = []
    uses = model.get("allowCommercialUse")
    allowed = re.findall(r"[A-Za-z]+", uses) if isinstance(uses, str) else [str(use) for use in as_list(uses)]
    allowed = [use for use in allowed if use != "None"]
    if not {"Image", "Sell"} & set(allowed):
        notes.append("The licence forbids selling images made with it.")
    if "Sell" not in allowed:
        notes.append("The licence forbids selling the model.")
    if model.get("allowNoCredit") is False:
        notes.append("The licence wants its maker to be named.")
    if model.get("allowDerivatives") is False:
        notes.append("The licence forbids merges.")
    if model.get("allowDifferentLicense") is False:
        notes.append("The licence wants merges under the same terms.")
    return plain(f"Civitai; commercial use: {', '.join(allowed) or 'none'}"), tuple(notes)
