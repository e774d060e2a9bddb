"""File names: what is taken is one name on every system."""

import os
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from backplane.modelfiles.names import (
    NAME_MAX,
    check_name,
    content_disposition_name,
    shown,
    suffix_of,
    suggested,
)
from backplane.modelfiles.trouble import BadName
from hypothesis import example, given
from hypothesis import strategies as st

BAD = [
    *(
        "",
        ".",
        "..",
        "...",
        " ",
        "a/b",
        "/a",
        "a\\b",
        "..\\a",
        "C:",
        "C:a",
        "a:b.safetensors",
        "a.safetensors:ads",
    ),
    *("a*", "a?", 'a"b', "a<b", "a>b", "a|b", "a\0b", "a\nb", "a\x7f", "a\x85b", "\u202egnp.exe", "a\u200bb"),
    *(
        "a\ufeff",
        "a\u2028b",
        "a\ud800",
        "a\uf03ab",
        "a\ufffe",
        "a\ufdd0",
        ".hidden",
        "a.",
        "a ",
        " a",
        "\u00a0a",
    ),
    *("CON", "con.safetensors", "Aux.txt", "nul", "COM1", "com9.bin", "LPT¹.safetensors", "COM²", "CONIN$"),
    *("conout$.safetensors", "PRN .safetensors", "e\u0301.safetensors", "a" * 201, "é" * 101),
]
GOOD = [
    *("a", "a.safetensors", "Model v1.5 (fp16) [abc].safetensors", "模型.safetensors", "é.gguf", "COM10.bin"),
    *("console.txt", "a..b", "a'b&c;d%20e$", "CON-trol.safetensors", "🙂.safetensors", "a" * 200, "~a"),
]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_not_one_everywhere_is_refused(name):
    with pytest.raises(BadName) as caught:
        check_name(name)
    assert caught.value.reason
    assert caught.value.reason.isprintable()


@pytest.mark.parametrize("name", GOOD)
def test_a_usual_name_is_taken(name):
    check_name(name)
    assert suggested(name) == name


tricky = st.text(
    st.one_of(
        st.sampled_from('./\\:*?"<>| \t\n\0CONPRUXLTM19¹²³$aé\u0301\u202e\u200b\ud800'),
        st.characters(),
    ),
    max_size=30,
)


def is_safe(name, root):
    inside = Path(os.path.realpath(f"{root}/{name}"))
    windows = PureWindowsPath(name)
    return (
        inside.parent == Path(os.path.realpath(root))
        and windows.name == name
        and windows.parts == (name,)
        and not windows.is_reserved()
        and unicodedata.normalize("NFC", name) == name
        and 1 <= len(name.encode()) <= NAME_MAX
        and name.rstrip(". ") == name
    )


@given(tricky)
@example("CON")
@example("..")
@example("a\\..\\b")
def test_what_is_taken_stays_inside_and_is_the_same_name_on_windows(name):
    try:
        check_name(name)
    except BadName:
        return
    assert is_safe(name, "/models/loras")


@given(tricky | st.text(max_size=400))
@example("../../etc/passwd")
@example("NUL.safetensors")
@example(("é" * 300) + ".safetensors")
@example("a" * 190 + " ." * 20 + ".safetensors")
def test_what_is_made_of_a_suggestion_can_be_used(name):
    made = suggested(name)
    if made is not None:
        check_name(made)
        assert is_safe(made, "/models/loras")
        assert suggested(made) == made


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("../../detail.safetensors", "detail.safetensors"),
        ("C:\\Users\\me\\detail.safetensors", "detail.safetensors"),
        ("what: is it?.safetensors", "what_ is it_.safetensors"),
        ("\u202eevil\0.safetensors. ", "evil.safetensors"),
        ("con.safetensors", "_con.safetensors"),
        ("e\u0301.gguf", "é.gguf"),
        ("x" * 300 + ".safetensors", "x" * 188 + ".safetensors"),
        ("folder/", "folder"),
        ("..", None),
        ("", None),
        ("\u202e", None),
    ],
)
def test_how_a_suggestion_is_mended(name, made):
    assert suggested(name) == made


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.safetensors"', "a b.safetensors"),
        ("attachment; filename=plain.gguf", "plain.gguf"),
        ("attachment;filename=plain.gguf;size=3", "plain.gguf"),
        (
            "attachment; filename=\"x.bin\"; filename*=UTF-8''na%C3%AFve%20file.safetensors",
            "naïve file.safetensors",
        ),
        ("attachment; filename*=utf-8'en'a%2Fb.safetensors; filename=x", "a/b.safetensors"),
        ("attachment; filename*=ISO-8859-1''%E9.gguf", "é.gguf"),
        ("attachment; filename*=UTF-8''%FF; filename=fallback.gguf", "fallback.gguf"),
        ("attachment; filename*=koi8-r''%C1; filename=fallback.gguf", "fallback.gguf"),
        ("attachment; filename*=broken; filename=fallback.gguf", "fallback.gguf"),
        ('attachment; filename="say \\"hi\\".gguf"', 'say "hi".gguf'),
        ('attachment; filename="a;b=c.gguf"; x=y', "a;b=c.gguf"),
        ('attachment; name="filename=no"; FileName="yes.gguf"', "yes.gguf"),
        ("attachment; filename=é.gguf".encode().decode("latin-1"), "é.gguf"),
        ("filename=bare.gguf", "bare.gguf"),
        ("inline", None),
        ("attachment; filename=", None),
        ('attachment; filename=""', None),
        ("", None),
        ("attachment; =x; filename=late", None),
    ],
)
def test_the_name_in_a_content_disposition(header, name):
    assert content_disposition_name(header) == name


@given(st.text(max_size=200) | st.text("atchmen;fil=*'\"\\%C3 UTF-8", max_size=100))
def test_any_content_disposition_is_read(header):
    found = content_disposition_name(header)
    assert found is None or found
    suggested(found or "")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.SAFETENSORS", ".safetensors"),
        ("a.b.gguf", ".gguf"),
        ("a", ""),
        (".bin", ""),
        ("a.b/c", ""),
        ("a.", "."),
    ],
)
def test_the_suffix(name, suffix):
    assert suffix_of(name) == suffix


def test_a_foreign_name_is_shown_without_what_turns_the_writing():
    assert shown("é模\u202e\n" + "a" * 99) == "é模\\u202e\\n" + "a" * 76
