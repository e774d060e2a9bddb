"""Signatures, checked with the reference implementation of Standard Webhooks."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from backplane.settings import Settings, SettingsError, load
from backplane.tasks.signing import SecretError, new_secret, parse_secret, parse_secrets, sign
from backplane.tasks.webhooks import encoded, new_id, payload
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

# The example of the specification's reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def headers(signature: str, at: int) -> dict[str, str]:
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}


def now() -> int:
    return int(datetime.now(timezone.utc).timestamp())


def test_the_example_of_the_reference_libraries_is_signed_as_there():
    signature = sign(parse_secret(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
)
def test_the_reference_library_accepts_what_is_signed(task: dict[str, object]):
    at, secret = now(), new_secret()
    body = encoded(payload(task, "task.succeeded", at))
    verified = Webhook(secret).verify(body, headers(sign(parse_secret(secret), "msg_1", at, body), at))
    assert verified == {"type": "task.succeeded", "timestamp": verified["timestamp"], "data": task}


def test_with_two_secrets_either_of_them_verifies():
    at, secrets = now(), [new_secret(), new_secret()]
    signature = sign(parse_secrets(" ".join(secrets)), "msg_1", at, BODY)
    for secret in secrets:
        Webhook(secret).verify(BODY, headers(signature, at))
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers(signature, at))


@pytest.mark.parametrize("changed", ["id", "timestamp", "body"])
def test_whatever_is_changed_on_the_way_is_noticed(changed: str):
    at, secret = now(), new_secret()
    sent = headers(sign(parse_secret(secret), "msg_1", at, BODY), at)
    if changed != "body":
        sent[f"webhook-{changed}"] = {"id": "msg_2", "timestamp": str(at + 1)}[changed]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" " * (changed == "body"), sent)


def test_secrets_and_ids_are_new_each_time():
    assert len({new_secret() for _ in range(10)} | {new_id() for _ in range(10)}) == 20
    assert len(parse_secret(new_secret())) == 32


def test_a_secret_may_lack_its_padding():
    assert parse_secret(new_secret().rstrip("=") or "") != b""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("s3cretMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with whsec_"),
        ("whsec_s3cret*MfKQ9r8GKYqrTwjUPD8ILPZIo2La", "must be base64"),
        ("whsec_s3cretäMfKQ9r8GKYqrTwjUPD8ILPZIo2La", "must be base64"),
        ("whsec_s3cret", "24 to 64 bytes"),
        ("whsec_" + "s3cr" * 30, "24 to 64 bytes"),
    ],
)
def test_a_wrong_secret_is_refused_with_its_fault_and_without_itself(text: str, fault: str):
    with pytest.raises(SecretError, match=fault) as caught:
        parse_secrets(f"{SECRET} {text}")
    assert "s3cr" not in str(caught.value)


def test_no_secret_means_none():
    assert parse_secrets(" ") == ()


def test_a_payload_has_the_event_its_moment_and_the_task():
    body = encoded(payload({"id": "t", "status": "failed"}, "task.failed", 0.5))
    assert json.loads(body) == {
        "type": "task.failed",
        "timestamp": "1970-01-01T00:00:00.500Z",
        "data": {"id": "t", "status": "failed"},
    }


def test_a_payload_is_json_for_every_reader():
    with pytest.raises(ValueError):
        encoded({"x": float("nan")})


def test_the_settings_do_not_show_secrets(tmp_path):
    secret = new_secret()
    settings = Settings(webhook_secret=secret, webhook_url="https://example.com/s3cret")
    assert secret not in repr(settings)
    assert "s3cret" not in repr(settings)
    tmp_path.joinpath("backplane.toml").write_text(f'webhook_secret = ["{secret}"]')
    with pytest.raises(SettingsError, match="webhook_secret takes text, not that") as caught:
        load(tmp_path, {})
    assert secret not in str(caught.value)


def documented() -> Callable[..., None]:
    """Give the function that docs/webhooks.md tells receivers to use."""
    text = Path(__file__).parents[3].joinpath("docs", "webhooks.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found.group(1), names)
    return names["verify"]


def test_the_documented_way_to_verify_accepts_what_is_signed():
    at, secrets = now(), [new_secret(), new_secret()]
    signature = sign(parse_secrets(" ".join(secrets)), "msg_1", at, BODY)
    for secret in secrets:
        documented()(secret, headers(signature, at), BODY)


@pytest.mark.parametrize(("late", "body"), [(0, BODY + b" "), (301, BODY), (-302, BODY)])
def test_the_documented_way_to_verify_refuses_what_is_changed_or_old(late: int, body: bytes):
    at, secret = now() - late, new_secret()
    with pytest.raises(ValueError):
        documented()(secret, headers(sign(parse_secret(secret), "msg_1", at, BODY), at), body)
