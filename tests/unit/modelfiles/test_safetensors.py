"""The safetensors header, compared with what the safetensors package itself reads and refuses."""

import json
import math

import numpy as np
import pytest
import safetensors as reference
from backplane.modelfiles.safetensors import (
    BRACKETS_MAX,
    DTYPE_BITS,
    HEADER_MAX,
    header_length,
    parse,
    read_file,
)
from backplane.modelfiles.trouble import FormatError, Short
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_bytes import HTML, framed, pickled, safetensors, zipped
from safetensors.numpy import save_file

ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def ours(path):
    """What we read of a file; None if we refuse it."""
    try:
        return read_file(path)
    except FormatError:
        return None


def theirs(path):
    """What the safetensors package reads of it; None if it refuses it."""
    try:
        with reference.safe_open(path, framework="np") as file:
            return set(file.keys()), file.metadata() or {}
    except reference.SafetensorError:
        return None


def refusal(data, path):
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_file(path)
    return caught.value.reason


def test_a_file_that_the_package_wrote(tmp_path):
    path = tmp_path / "lora.safetensors"
    tensors = {
        "down.weight": np.zeros((4, 3), np.float16),
        "up.weight": np.zeros((3, 4), np.float16),
        "alpha": np.array(1, np.float32),
    }
    save_file(tensors, path, metadata={"ss_network_dim": "4", "modelspec.title": "détail"})
    header = read_file(path)
    assert {name: each.shape for name, each in header.tensors.items()} == {
        "down.weight": (4, 3),
        "up.weight": (3, 4),
        "alpha": (),
    }
    assert header.metadata == {"ss_network_dim": "4", "modelspec.title": "détail"}
    assert header.total == path.stat().st_size
    assert list(header.dtypes().items()) == [("F16", 48), ("F32", 4)]


WRONG = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "cut in its length": safetensors()[:8],
    "cut in its header": safetensors()[:60],
    "cut in its tensors": safetensors()[:-1],
    "junk behind it": safetensors() + b"x",
    "a web page": HTML * 40,
    "a pickle": pickled(),
    "a zip": zipped({"data.pkl": pickled()}),
    "a huge header": (2**40).to_bytes(8, "little") + b"{" + bytes(99),
    "a longer header than the file": (5000).to_bytes(8, "little") + b"{}" + bytes(99),
    "a space before the header": framed(b" {}"),
    "an array": framed(b"[]"),
    "an empty header": framed(b""),
    "NUL bytes behind the JSON": framed(json.dumps({"a": ONE}).encode() + b"\0\0", b"0000"),
    "no UTF-8": framed(b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"0000"),
    "a hole before": framed({"a": {**ONE, "data_offsets": [4, 8]}}, b"00000000"),
    "a hole between": framed({"a": ONE, "b": {**ONE, "data_offsets": [8, 12]}}, b"0" * 12),
    "an overlap": framed({"a": ONE, "b": {**ONE, "data_offsets": [2, 6]}}, b"0" * 6),
    "the same bytes twice": framed({"a": ONE, "b": ONE}, b"0000"),
    "backwards": framed({"a": {**ONE, "shape": [-1], "data_offsets": [4, 0]}}),
    "a shape too small": framed({"a": {**ONE, "shape": [1], "data_offsets": [0, 8]}}, b"0" * 8),
    "a shape too large": framed({"a": {**ONE, "shape": [2**62, 4]}}, b"0000"),
    "two negative sides": framed({"a": {**ONE, "shape": [-1, -1]}}, b"0000"),
    "half a byte": framed({"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}}, b"00"),
    "a side that no number of 64 bits has": framed(
        {"a": {**ONE, "shape": [0, 2**64], "data_offsets": [0, 0]}}
    ),
    "a fraction": framed({"a": {**ONE, "data_offsets": [0, 4.0]}}, b"0000"),
    "true for 1": framed(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,true]}}', b"0"),
    "three offsets": framed({"a": {**ONE, "data_offsets": [0, 4, 4]}}, b"0000"),
    "offsets of text": framed({"a": {**ONE, "data_offsets": "04"}}, b"0000"),
    "no dtype": framed({"a": {"shape": [1], "data_offsets": [0, 4]}}, b"0000"),
    "a number for dtype": framed({"a": {**ONE, "dtype": 3}}, b"0000"),
    "a list for dtype": framed({"a": {**ONE, "dtype": ["F32"]}}, b"0000"),
    "a dtype in lower case": framed({"a": {**ONE, "dtype": "f32"}}, b"0000"),
    "a tensor that is a list": framed({"a": [1]}),
    "metadata with numbers": framed({"__metadata__": {"a": 1}}),
    "metadata of text": framed({"__metadata__": "a"}),
    "NaN": framed(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":NaN}}', b"0000"),
    "a number of five thousand digits": framed(b'{"a":' + b"1" * 5000 + b"}"),
    "deep lists": framed(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_as_the_package_refuses_it(case, tmp_path):
    path = tmp_path / "wrong.safetensors"
    reason = refusal(WRONG[case], path)
    assert reason
    if case != "a space before the header":
        assert theirs(path) is None


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_a_name_that_comes_twice_is_refused_though_the_package_takes_it(header, tmp_path):
    path = tmp_path / "twice.safetensors"
    assert "twice" in refusal(framed(header, b"0000"), path)
    assert theirs(path) is not None


def test_a_dtype_of_the_future_is_taken(tmp_path):
    path = tmp_path / "new.safetensors"
    path.write_bytes(framed({"a": {**ONE, "dtype": "F3_E1M1"}}, b"0000"))
    assert read_file(path).dtypes() == {"F3_E1M1": 4}


@pytest.mark.parametrize("dtype", DTYPE_BITS)
def test_every_dtype_has_the_size_that_the_package_knows(dtype, tmp_path):
    path = tmp_path / "one.safetensors"
    for bits in (4, 6, 8, 16, 32, 64, 128):
        path.write_bytes(
            framed({"a": {"dtype": dtype, "shape": [8], "data_offsets": [0, bits]}}, bytes(bits))
        )
        assert (ours(path) is not None) == (theirs(path) is not None) == (bits == DTYPE_BITS[dtype])


def test_the_length_is_told_by_the_first_nine_bytes():
    assert header_length(safetensors()[:9]) == int.from_bytes(safetensors()[:8], "little")
    with pytest.raises(Short) as caught:
        header_length(b"\x10" + bytes(6))
    assert caught.value.need == 9
    with pytest.raises(FormatError, match="claims 16777217 bytes"):
        header_length((HEADER_MAX + 1).to_bytes(8, "little") + b"{")


def test_half_a_header_says_how_much_is_missing():
    with pytest.raises(Short) as caught:
        parse(b'{"a', length=400)
    assert caught.value.need == 408


def test_a_header_that_would_cost_much_to_read_is_not_read():
    body = b'{"a":[' + b"[]," * BRACKETS_MAX + b"0]}"
    with pytest.raises(FormatError, match="too many parts"):
        parse(body)


names = st.text(min_size=0, max_size=5).filter(lambda text: text.isprintable())
numbers = st.one_of(st.integers(-2, 40), st.sampled_from([0.5, None, "1", True, 2**70]))
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*DTYPE_BITS, "f32", "", 7]),
        "shape": st.lists(st.integers(0, 6), max_size=3) | st.lists(numbers, max_size=2),
        "data_offsets": st.tuples(st.integers(0, 60), st.integers(0, 60)).map(list)
        | st.lists(numbers, max_size=3),
    },
    optional={"extra": numbers},
)


@st.composite
def whole(draw):
    """A right header, and its size."""
    header, at = {}, 0
    for name in draw(st.lists(names, unique=True, max_size=5)):
        dtype = draw(st.sampled_from(list(DTYPE_BITS)))
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        bits = math.prod(shape) * DTYPE_BITS[dtype]
        if bits % 8 == 0 and name != "__metadata__":
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + bits // 8]}
            at += bits // 8
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.dictionaries(names, names, max_size=2))
    return header, at


@given(whole(), st.integers(-2, 2), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_we_take_what_the_package_takes_and_read_the_same(tmp_path, made, off, padded):
    header, size = made
    path = tmp_path / "made.safetensors"
    path.write_bytes(framed(json.dumps(header).encode() + b"  " * padded, bytes(max(0, size + off))))
    mine, reference_read = ours(path), theirs(path)
    assert (mine is None) == (reference_read is None)
    if mine is not None:
        assert (set(mine.tensors), dict(mine.metadata)) == reference_read


@given(
    st.dictionaries(names.filter(lambda name: name != "__metadata__"), entries, max_size=3),
    st.integers(0, 60),
)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_we_refuse_all_that_the_package_refuses(tmp_path, header, size):
    path = tmp_path / "any.safetensors"
    path.write_bytes(framed(header, bytes(size)))
    assert (ours(path) is None) == (theirs(path) is None)


def test_fifty_thousand_tensors_are_read(tmp_path):
    path = tmp_path / "many.safetensors"
    path.write_bytes(safetensors(50_000, side=1))
    assert read_file(path).dtypes() == {"F32": 200_000}
