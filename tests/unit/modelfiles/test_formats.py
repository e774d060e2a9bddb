"""Formats by suffix and by first bytes."""

import gzip
import io
import tarfile

import pytest
from backplane.modelfiles.formats import FORMATS, HEAD, format_of, looks_like
from hypothesis import given
from hypothesis import strategies as st
from model_bytes import HTML, framed, gguf, pickled, safetensors, zipped
from PIL import Image


def picture(kind):
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, kind)
    return out.getvalue()


def tarred():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    return out.getvalue()


LOOKS = [
    (safetensors(), "safetensors"),
    (framed({}), "safetensors"),
    (gguf(), "gguf"),
    (zipped({"a": b""}), "zip"),
    (zipped({}), "zip"),
    (pickled(), "pickle"),
    (tarred(), "tar"),
    (gzip.compress(b"a"), "gzip"),
    (picture("PNG"), "png"),
    (picture("JPEG"), "jpeg"),
    (picture("WEBP"), "webp"),
    (b"%PDF-1.7\n%\xe2\xe3", "pdf"),
    (b"\x7fELF\x02\x01", "program"),
    (b"#!/bin/sh\n", "program"),
    (b"MZ\x90\x00\x03", "program"),
    (HTML, "html"),
    (b"\xef\xbb\xbf \r\n<!doctype HTML>", "html"),
    ("<html>".encode("utf-16"), "html"),
    (b"<!-- hello --><p>", "html"),
    (b'<?xml version="1.0"?><html xmlns="x">', "html"),
    (b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>', "xml"),
    (b"<Error><Code>NoSuchKey</Code></Error>", "xml"),
    (b'{"error": "Unauthorized"}', "json"),
    (b"{}", "json"),
    (b'\n[ {"a": 1} ]', "json"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "lfs pointer"),
    (b"Not found", "text"),
    ("déjà vu".encode("latin-1"), "text"),
    ("é".encode() * HEAD, "text"),
    (b"\x08\x07\x12\x07pytorch\x1a\x05", None),  # how ONNX files begin
    (b"\n\x0e\n\x05<unk>\x15\x00\x00", None),  # and sentencepiece's
    (b"", None),
    (b"\0" * 600, None),
]


@pytest.mark.parametrize(("data", "looks"), LOOKS)
def test_what_first_bytes_look_like(data, looks):
    assert looks_like(data) == looks


@given(st.binary(max_size=600))
def test_any_bytes_are_judged(data):
    assert looks_like(data) == looks_like(data[:HEAD])


def test_the_suffix_tells_the_format():
    assert format_of("a.b.SAFETENSORS") is FORMATS[".safetensors"] is FORMATS[".sft"]
    assert format_of("model") is format_of(".safetensors") is format_of("a.exe") is None


def test_what_may_run_code_is_no_safe_format():
    pickles = {".ckpt", ".pt", ".pth", ".pt2", ".pkl", ".bin"}
    assert {suffix for suffix, known in FORMATS.items() if known.pickle} == pickles
    assert {suffix for suffix, known in FORMATS.items() if not known.safe} == {*pickles, ".zip"}
