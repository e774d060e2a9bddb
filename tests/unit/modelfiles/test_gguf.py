"""The GGUF header."""

import contextlib
import struct

import pytest
from backplane.modelfiles import gguf
from backplane.modelfiles.trouble import FormatError, Short
from hypothesis import given, settings
from hypothesis import strategies as st
from model_bytes import gguf as made
from model_bytes import text


def texts(*values):
    """A packed array of texts."""
    return struct.pack("<IQ", 8, len(values)) + b"".join(text(value) for value in values)


def test_what_it_says_of_itself(tmp_path):
    path = tmp_path / "flux.gguf"
    pairs = [
        ("general.architecture", 8, text("flux")),
        ("general.name", 8, text("Flux é")),
        ("general.file_type", 4, struct.pack("<I", 15)),
        ("tokenizer.tokens", 9, texts("a", "bc", "")),
        ("scores", 9, struct.pack("<IQ3f", 6, 3, 1, 2, 3)),
        ("general.quantized", 7, b"\1"),
        ("scale", 12, struct.pack("<d", 0.5)),
        ("odd", 6, struct.pack("<f", float("nan"))),
        ("big", 11, struct.pack("<q", -5)),
        ("note", 8, text("n" * 5000)),
    ]
    path.write_bytes(made(pairs=pairs))
    header = gguf.read_file(path)
    assert (header.architecture, header.name, header.quantisation) == ("flux", "Flux é", "Q4_K_M")
    assert header.metadata == {
        "general.architecture": "flux",
        "general.name": "Flux é",
        "general.file_type": 15,
        "general.quantized": True,
        "scale": 0.5,
        "big": -5,
    }
    assert header.types == {"Q4_K": 288, "F32": 256}
    assert (header.tensors, header.version) == (2, 3)
    assert header.minimum == path.stat().st_size == header.length + 256 + 288


def test_without_a_file_type_the_tensors_tell_the_quantisation():
    header = gguf.parse(made(pairs=[]))
    assert header.quantisation == "Q4_K"
    assert header.architecture is header.name is None


def test_a_type_of_the_future_counts_from_its_offset():
    header = gguf.parse(made(tensors=[("a", (8,), 0, 0), ("b", (8,), 200, 64)]))
    assert header.minimum == header.length + 64
    assert header.types == {"F32": 32, "type 200": 0}


def test_a_file_of_metadata_only():
    whole = made(tensors=[], body=b"")
    assert gguf.parse(whole, size=len(whole)).tensors == 0


@given(st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
def test_any_cut_within_the_header_asks_for_more(cut):
    pairs = [("tokens", 9, texts(*(f"token {n}" for n in range(80)))), ("a", 4, bytes(4))]
    whole = made(pairs=pairs)
    end = gguf.parse(whole).length - 32
    cut = min(cut, end - 32)
    with pytest.raises(Short) as caught:
        gguf.parse(whole[:cut])
    assert cut < caught.value.need <= len(whole)


def test_a_long_vocabulary_is_read_in_pieces(tmp_path):
    path = tmp_path / "t5.gguf"
    tokens = texts(*(f"▁token{n}" for n in range(40_000)))
    path.write_bytes(made(pairs=[("tokenizer.ggml.tokens", 9, tokens), ("general.name", 8, text("t5"))]))
    assert gguf.read_file(path).name == "t5"


HUGE = 2**63 - 1
WRONG = {
    "another magic": b"GGML" + made()[4:],
    "version 1": made(version=1),
    "version 4": made(version=4),
    "big-endian": made(version=0x03000000),
    "huge counts of tensors": made(counts=(HUGE, 1)),
    "huge counts of pairs": made(counts=(1, HUGE)),
    "many tensors that the file has no room for": made(counts=(900_000, 1)),
    "a key too long": made(pairs=[("", 8, struct.pack("<Q", HUGE))]),
    "a text too long": b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, HUGE) + bytes(999),
    "an array too long": made(pairs=[("a", 9, struct.pack("<IQ", 4, HUGE))]),
    "an array of numbers longer than a header": made(pairs=[("a", 9, struct.pack("<IQ", 12, 8_000_000))]) * 9,
    "an array with a text too long": made(pairs=[("a", 9, struct.pack("<IQQ", 8, 1, HUGE))]),
    "an array of arrays": made(pairs=[("a", 9, struct.pack("<IQ", 9, 1))]),
    "an unknown type of value": made(pairs=[("a", 77, b"")]),
    "a name too long": made(tensors=[("n" * 70_000, (1,), 0, 0)]),
    "too many dimensions": made(tensors=[("a", (1,) * 9, 0, 0)]),
    "a tensor too large": made(tensors=[("a", (HUGE, HUGE), 0, 0)]),
    "an offset too large": made(tensors=[("a", (1,), 0, 2**63)]),
    "alignment of nothing": made(pairs=[("general.alignment", 4, bytes(4))]),
    "alignment of text": made(pairs=[("general.alignment", 8, text("32"))]),
    "cut in its tensors": made()[:-1],
    "cut in its header": made()[:70],
    "empty": b"",
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(case, tmp_path):
    path = tmp_path / "wrong.gguf"
    path.write_bytes(WRONG[case])
    with pytest.raises(FormatError) as caught:
        gguf.read_file(path)
    assert caught.value.reason


@given(st.binary(max_size=300), st.integers(0, 300))
@settings(max_examples=300, deadline=None)
def test_noise_raises_nothing_else(noise, at):
    whole = made()
    data = whole[:at] + noise + whole[at + len(noise) :]
    with contextlib.suppress(FormatError):
        gguf.parse(data, size=len(data))
