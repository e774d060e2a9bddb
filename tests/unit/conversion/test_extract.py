"""Workflows out of files, each written here as ComfyUI and FFmpeg write it."""

import base64
import io
import json
import struct
import zlib

import pytest
from backplane.conversion import extract, format_of, unwrapped
from backplane.errors import ApiError
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

UI = {"version": 0.4, "nodes": [{"id": 1, "type": "Note"}], "links": [], "extra": {"told": "ünïcode 猫"}}
API = {"1": {"class_type": "KSampler", "inputs": {"seed": 1}}}
UI_TEXT, API_TEXT = json.dumps(UI), json.dumps(API)
BOTH = [("prompt", API_TEXT), ("workflow", UI_TEXT)]


def saved(kind, **how):
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, kind, **how)
    return out.getvalue()


def png(*texts, how="text"):
    info = PngInfo()
    for name, text in texts:
        if how == "itxt":
            info.add_itxt(name, text, zip=True)
        elif how == "comf":
            info.add(b"comf", name.encode() + b"\0" + text.encode(), after_idat=True)
        else:
            info.add_text(name, text, zip=how == "ztxt")
    return saved("PNG", pnginfo=info)


def exif(**texts):
    found = Image.Exif()
    for number, (name, text) in enumerate(texts.items()):
        found[0x0110 - number] = f"{name}:{text}"  # as SaveAnimatedWEBP does
    return found


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def mp4(*texts, quicktime=False):
    keys = b"".join(struct.pack(">I", 8 + len(name)) + b"mdta" + name.encode() for name, _ in texts)
    values = b"".join(
        box(struct.pack(">I", number), box(b"data", b"\0\0\0\x01\0\0\0\0", text.encode()))
        for number, (_, text) in enumerate(texts, 1)
    )
    parts = [
        box(b"hdlr", bytes(24)),
        box(b"keys", bytes(4), struct.pack(">I", len(texts)), keys),
        box(b"ilst", values),
    ]
    meta = box(b"meta", b"" if quicktime else bytes(4), *parts)
    moov = box(b"moov", box(b"mvhd", bytes(100)), box(b"udta", meta))
    return box(b"ftyp", b"isom") + box(b"mdat", bytes(1000)) + moov


def commented_mp4(text):
    entry = box(b"\xa9cmt", box(b"data", b"\0\0\0\x01\0\0\0\0", text.encode()))
    meta = box(b"meta", bytes(4), box(b"hdlr", bytes(24)), box(b"ilst", entry))
    return box(b"ftyp", b"isom") + box(b"moov", box(b"udta", meta))


def element(kind, *parts, size=None):
    body = b"".join(parts)
    return bytes.fromhex(kind) + (struct.pack(">Q", len(body) | 1 << 56) if size is None else size) + body


def webm(*texts, live=False):
    tags = [
        element(
            "7373",
            element("63C0"),
            element("67C8", element("45A3", name.upper().encode()), element("4487", text.encode())),
        )
        for name, text in texts
    ]
    segment = element(
        "18538067", element("1549A966", bytes(50)), element("1254C367", *tags), size=b"\xff" if live else None
    )
    return element("1A45DFA3", bytes(10)) + segment


def comments(*texts):
    listed = [f"{name}={text}".encode() for name, text in texts]
    return (
        struct.pack("<I", 4)
        + b"Lavf"
        + struct.pack("<I", len(listed))
        + b"".join(struct.pack("<I", len(each)) + each for each in listed)
    )


def flac(*texts):
    body = comments(*texts)
    return b"fLaC" + b"\0\0\0\x22" + bytes(34) + b"\x84" + len(body).to_bytes(3, "big") + body


def ogg(*texts):
    found = b""
    for packet in (b"OpusHead" + bytes(11), b"OpusTags" + comments(*texts)):
        segments = [packet[at : at + 255] for at in range(0, len(packet) + 1, 255)]
        for at in range(0, len(segments), 3):  # a packet may go over pages
            part = segments[at : at + 3]
            found += b"OggS" + bytes(22) + bytes([len(part), *map(len, part)]) + b"".join(part)
    return found


def mp3(*texts, version=4, encoding=3):
    frames = b""
    for name, text in texts:
        if encoding == 1:
            body = b"\x01" + name.encode("utf-16") + b"\0\0" + text.encode("utf-16")
        else:
            body = bytes([encoding]) + name.encode() + b"\0" + text.encode()
        length = len(body)
        size = (
            bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
            if version == 4
            else struct.pack(">I", length)
        )
        frames += b"TXXX" + size + b"\0\0" + body
    length = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, 0]) + length + frames + b"\xff\xfb"


def glb(**extras):
    document = json.dumps({"asset": {"version": "2.0", "extras": extras}}).encode()
    return (
        b"glTF"
        + struct.pack("<II", 2, 20 + len(document))
        + struct.pack("<I", len(document))
        + b"JSON"
        + document
    )


def safetensors(**about):
    header = json.dumps({"__metadata__": about}).encode()
    return struct.pack("<Q", len(header)) + header


def svg(text):
    return f'<?xml version="1.0"?>\n<svg xmlns="x"><metadata><![CDATA[{text}]]></metadata></svg>'.encode()


FILES = {
    "png": png(*BOTH),
    "png, compressed": png(*BOTH, how="ztxt"),
    "png, international": png(*BOTH, how="itxt"),
    "png, animated": png(*BOTH, how="comf"),
    "webp": saved("WEBP", exif=exif(prompt=API_TEXT, workflow=UI_TEXT)),
    "jpeg": saved("JPEG", exif=exif(prompt=API_TEXT, workflow=UI_TEXT)),
    "mp4": mp4(*BOTH),
    "mp4, as QuickTime": mp4(*BOTH, quicktime=True),
    "mp4, in its comment": commented_mp4(json.dumps({"prompt": API_TEXT, "workflow": UI})),
    "matroska": webm(*BOTH),
    "matroska, live": webm(*BOTH, live=True),
    "flac": flac(*BOTH),
    "ogg": ogg(*BOTH),
    "mp3": mp3(*BOTH),
    "mp3, older": mp3(*BOTH, version=3),
    "mp3, UTF-16": mp3(*BOTH, version=3, encoding=1),
    "glb": glb(prompt=API_TEXT, workflow=UI_TEXT),
    "svg": svg(json.dumps({"prompt": API, "workflow": UI})),
    "safetensors": safetensors(prompt=API_TEXT, workflow=UI_TEXT),
    "json": json.dumps({"prompt": API, "workflow": UI}).encode(),
    "json, as it is queued": json.dumps(
        {"prompt": API, "extra_data": {"extra_pnginfo": {"workflow": UI}}}
    ).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_both_its_workflows(name):
    found = extract(FILES[name], "some.file")
    assert found.carrier == name.partition(",")[0]
    assert (found.ui, found.api) == (UI, API)
    assert (found.format, found.document) == ("ui", UI)


@pytest.mark.parametrize("key", [None, "workflow", "prompt", "output"])
def test_json_is_read_however_it_is_wrapped(key):
    def wrap(document):
        return json.dumps(document if key is None else {key: document}).encode()

    assert extract(b"\xef\xbb\xbf" + wrap(UI)).document == UI
    found = extract(b" \n" + wrap(API))
    assert (found.format, found.document) == ("api", API)


def test_a_file_with_the_prompt_alone_gives_api_format():
    found = extract(png(("prompt", API_TEXT)))
    assert (found.ui, found.format, found.document) == (None, "api", API)


def test_numbers_that_json_lacks_are_null():
    assert extract(b'{"1": {"class_type": "A", "inputs": {}, "is_changed": [NaN]}}').document["1"][
        "is_changed"
    ] == [None]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "WORKFLOW_MISSING"),
        (b"hello", "WORKFLOW_MISSING"),
        (b"{nothing", "INVALID_JSON"),
        (b"[" * 100_000, "INVALID_JSON"),
        (b"{}", "WORKFLOW_MISSING"),
        (b'{"a": 1}', "WORKFLOW_MISSING"),
        (saved("PNG"), "WORKFLOW_MISSING"),
        (png(("parameters", "a cat, Steps: 20")), "WORKFLOW_MISSING"),
        (png(("workflow", "{broken")), "WORKFLOW_MISSING"),
        (saved("WEBP"), "WORKFLOW_MISSING"),
        (mp4(), "WORKFLOW_MISSING"),
        (saved("GIF"), "WORKFLOW_MISSING"),
    ],
)
def test_a_file_without_a_workflow_is_refused(data, code):
    with pytest.raises(ApiError) as caught:
        extract(data, "x.bin")
    assert caught.value.code == code
    assert "x.bin" in caught.value.message


def test_a_text_that_inflates_without_end_is_cut():
    bomb = zlib.compress(b"{" + b" " * (64 * 2**20))
    chunk = b"workflow\0\0" + bomb
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(chunk)) + b"zTXt" + chunk + bytes(4)
    with pytest.raises(ApiError):
        extract(data)


def test_exif_that_points_to_itself_ends():
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 60_000) + entry * 3000
    data = b"RIFF" + bytes(4) + b"WEBP" + b"EXIF" + struct.pack("<I", len(tiff)) + tiff
    with pytest.raises(ApiError):
        extract(data)


def test_the_format_of_a_document():
    assert [format_of(each) for each in (UI, API, {}, [], None, {"a": {"b": 1}})] == [
        "ui",
        "api",
        *[None] * 4,
    ]
    assert unwrapped({"output": API, "workflow": json.dumps(UI)}) == {"api": API, "ui": UI}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_file_gives_a_workflow_or_an_error_for_the_client(data):
    whole = bytearray(FILES[data.draw(st.sampled_from(sorted(FILES)))])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                whole[at] = data.draw(st.integers(0, 255))
            case 1:
                whole[at : at + 4] = data.draw(
                    st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x01"])
                )
            case _:
                del whole[at : at + data.draw(st.integers(1, 64))]
        if not whole:
            break
    try:
        found = extract(bytes(whole))
    except ApiError as error:
        code = error.code
    else:
        code = None if found.document else "nothing"
    assert code in {None, "WORKFLOW_MISSING", "INVALID_JSON"}


@given(data=st.binary(max_size=200), start=st.sampled_from([file[:16] for file in FILES.values()]))
def test_anything_behind_a_known_start_is_harmless(data, start):
    with pytest.raises(ApiError):
        extract(start + data + base64.b64encode(data))
