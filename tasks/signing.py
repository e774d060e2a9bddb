"""Signatures of webhooks as Standard Webhooks has them (https://www.standardwebhooks.com). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES = 24
MOST_BYTES = 64


class SecretError(ValueError):
    """A webhook secret cannot be used; the message does not show it."""


def new_secret() -> str:
    """Make a secret of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def parse_secret(text: str) -> bytes:
    """Read ``whsec_`` and base64 of 24 to 64 bytes. Raises SecretError."""
    if not text.startswith(PREFIX):
        raise SecretError(f"A webhook secret begins with {PREFIX}.")
    encoded = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError(f"What follows {PREFIX} in a webhook secret must be base64.") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise SecretError(f"A webhook secret has {LEAST_BYTES} to {MOST_BYTES} bytes, not {len(key)}.")
    return key


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """Read the setting ``webhook_secret``: none, one, or several with spaces between. Raises SecretError."""
    return tuple(parse_secret(secret) for secret in text.split())


def sign(secret: bytes | Sequence[bytes], msg_id: str, timestamp: int, body: bytes) -> str:
    """Give the ``webhook-signature``: one for each secret, with spaces between.

    *timestamp* is in Unix seconds and goes into the ``webhook-timestamp``, *msg_id* into the ``webhook-id``.
    """
    keys = [secret] if isinstance(secret, bytes) else secret
    signed = f"{msg_id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)
