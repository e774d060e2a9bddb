"""Object stores: what may be asked for, and the bytes themselves, from moto's S3."""

import logging
import sys

import pytest
from backplane.downloads.sources.objects import ObjectStores

BYTES = b"model " * 1000
KEY = "sdxl/loras/a b+c.safetensors"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "s3cr3tk3y",
    "AWS_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def s3():
    """Moto's server with a bucket and an object; no request leaves the loopback."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        import boto3

        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="models")
        client.put_object(Bucket="models", Key=KEY, Body=BYTES)
        client.close()
        yield url
    finally:
        server.stop()


@pytest.fixture
def at(desk, monkeypatch):
    """Give a desk whose environment is this process's too: obstore reads it by itself."""

    def make(environ, **options):
        for name in [
            name for name in __import__("os").environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))
        ]:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        usual = {"object_stores": "s3://models/sdxl gs://cold az://kept", "download_hosts": ""}
        usual |= {"outbound_allow_private": False}
        return desk(
            lambda it: ObjectStores(it.settings, it.web, it.environ),
            environ=environ,
            secrets=["s3cr3tk3y", "X-Amz-Signature", "Signature="],
            **(usual | options),
        )

    return make


def test_an_object_of_a_store_on_the_lan(at, s3):
    it = at({**CREDENTIALS, "AWS_ENDPOINT_URL": s3})
    found = it.found(f"s3://models/{KEY}")
    assert (found.link, found.filename) == (f"s3://models/{KEY}", "a b+c.safetensors")
    assert (found.size, found.folder, found.host) == (len(BYTES), "loras", "127.0.0.1")
    assert it.address(found).private
    assert it.fetch(found) == (200, BYTES)
    assert it.fetch(found, Range="bytes=5000-")[1] == BYTES[5000:]
    assert it.answer[0] == 206


def test_an_object_that_is_not_there(at, s3):
    it = at({**CREDENTIALS, "AWS_ENDPOINT_URL": s3})
    assert it.refused("s3://models/sdxl/none.safetensors").code == "DOWNLOAD_NOT_FOUND"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("s3://other/sdxl/x.safetensors", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("s3://models/flux/x.safetensors", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("s3://models/sdxl2/x.safetensors", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("gs://models/sdxl/x.safetensors", "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ("s3://models/sdxl/../flux/x.safetensors", "DOWNLOAD_INVALID_URL"),
        ("s3://models/sdxl//x.safetensors", "DOWNLOAD_INVALID_URL"),
        ("s3://models/sdxl/", "DOWNLOAD_INVALID_URL"),
        ("s3://models", "DOWNLOAD_INVALID_URL"),
        ("s3://key:secret@models/sdxl/x.safetensors", "DOWNLOAD_INVALID_URL"),
        ("s3://models/sdxl/x.safetensors?versionId=1", "DOWNLOAD_INVALID_URL"),
        ("s3:models/sdxl/x", "DOWNLOAD_INVALID_URL"),
        ("s3://UPPER/x", "DOWNLOAD_INVALID_URL"),
    ],
)
def test_what_may_not_be_asked_for(at, url, code):
    error = at({**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}).refused(url)
    assert error.code == code
    if code == "DOWNLOAD_FORBIDDEN_DOMAIN":
        assert "object_stores" in error.hint


def test_without_credentials_nothing_goes_looking_for_them(at, monkeypatch):
    it = at({})
    monkeypatch.setitem(sys.modules, "obstore", None)  # it would ask the cloud's metadata address
    error = it.refused("s3://models/sdxl/x.safetensors")
    assert (error.code, "AWS_ACCESS_KEY_ID" in error.hint) == ("DOWNLOAD_AUTH_REQUIRED", True)
    assert at({}).refused("gs://cold/x.safetensors").code == "DOWNLOAD_AUTH_REQUIRED"
    assert at({}).refused("az://kept/x.safetensors").code == "DOWNLOAD_AUTH_REQUIRED"


def test_without_the_package(at, monkeypatch):
    it = at(CREDENTIALS)
    monkeypatch.setitem(sys.modules, "obstore", None)
    error = it.refused("s3://models/sdxl/x.safetensors")
    assert error.code == "DOWNLOAD_UNSUPPORTED"
    assert error.hint.startswith("pip install")


def test_links_of_the_providers_own_servers_are_public(at):
    from backplane.downloads.plan import Found

    it = at({**CREDENTIALS, "AZURE_STORAGE_ACCOUNT_NAME": "acc", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"})
    for link, start in [
        ("s3://models/sdxl/x.gguf", "https://s3.us-east-1.amazonaws.com/models/sdxl/x.gguf?"),
        ("az://kept/x.gguf", "https://acc.blob.core.windows.net/kept/x.gguf?"),
    ]:
        address = it.address(Found("objects", link, "x"))
        assert address.url.startswith(start)
        assert (address.private, address.hop_hosts, dict(address.headers)) == (False, (), {})


def test_a_bucket_in_another_region(at):
    from backplane.downloads.plan import Found

    it = at(CREDENTIALS)
    error = it.source.explain(Found("objects", "s3://models/sdxl/x.gguf", "x"), 301, {})
    assert (error.code, "AWS_REGION" in error.hint) == ("DOWNLOAD_BAD_RESPONSE", True)
