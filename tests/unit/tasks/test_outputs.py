import json

import pytest
from backplane.tasks.outputs import measure, media_type_of, read_ui
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image


def one(ui):
    [output] = read_ui("9", ui)
    return output


@pytest.mark.parametrize(
    ("filename", "kind", "media_type"),
    [
        ("a.png", "image", "image/png"),
        ("a.WEBP", "image", "image/webp"),
        ("a.mp4", "video", "video/mp4"),
        ("a.flac", "audio", "audio/flac"),
        ("a.glb", "3d", "model/gltf-binary"),
        ("a.txt", "text", "text/plain"),
        ("a.latent", "file", "application/octet-stream"),
        ("noending", "file", "application/octet-stream"),
    ],
)
def test_every_kind_of_file_is_an_output(filename, kind, media_type):
    output = one({"any": [{"filename": filename, "subfolder": "s", "type": "temp"}]})
    assert (output.kind, output.media_type) == (kind, media_type)
    assert (output.filename, output.subfolder, output.type) == (filename, "s", "temp")
    assert media_type_of(filename) == media_type


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "text"),
        (3, "number"),
        (0.5, "number"),
        (True, "boolean"),
        ({"a": [1]}, "json"),
        (None, "json"),
    ],
)
def test_values_that_are_no_files_are_outputs_too(value, kind):
    output = one({"x": [value]})
    assert (output.kind, output.value) == (kind, value)
    assert output.size == len(output.content())


def test_a_single_value_need_not_be_in_a_list():
    assert one({"text": "plain"}).value == "plain"


def test_a_flag_about_the_images_is_no_output():
    ui = {"images": [{"filename": "a.webp"}], "animated": (True,)}
    assert [output.filename for output in read_ui("9", ui)] == ["a.webp"]


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.floats() | st.text(), st.lists), max_size=3))
def test_whatever_a_node_gives_becomes_json(ui):
    for output in read_ui("9", ui):
        json.dumps(output.to_json(), allow_nan=False)
        output.content()


def test_what_is_no_json_is_shown_as_text():
    output = one({"x": [{1, 2}]})
    assert output.kind == "text"


def test_a_file_is_measured(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    output = one({"images": [{"filename": "a.png"}]})

    measured = measure(output, lambda filename, subfolder, kind: tmp_path / filename)

    assert (measured.width, measured.height) == (30, 20)
    assert measured.size == (tmp_path / "a.png").stat().st_size
    assert len(measured.sha256) == 64


def test_a_file_that_is_gone_or_broken_is_still_an_output(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    output = one({"images": [{"filename": "broken.png"}]})

    assert measure(output, lambda *_: None) == output
    assert measure(output, lambda *_: tmp_path / "broken.png").size == 12
    assert measure(output, lambda *_: tmp_path / "absent.png") == output
