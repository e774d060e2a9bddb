"""The extension of ComfyUI's page: one small file, both languages, QR codes that can be read."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
FOLDER = WEB / "extension"
SOURCE = FOLDER.joinpath("index.js").read_text(encoding="utf-8")
TEXTS = {
    language: json.loads(FOLDER.joinpath("locales", f"{language}.json").read_text(encoding="utf-8"))
    for language in ("en", "zh")
}
KEYS = set(re.findall(r'\bt\("(\w+)"', SOURCE))

QR = """
const texts = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(texts.map((text) => qr(text).map((row) => row.map(Number)))));
"""


def drawn(texts):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the QR encoder is not run")
    encoder = (WEB / "app" / "core" / "qr.js").read_text(encoding="utf-8")
    command = [node, "--input-type=module", "-e", encoder + QR]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_length_up_to_version_ten_can_be_read():
    zxingcpp = pytest.importorskip("zxingcpp")
    numpy = pytest.importorskip("numpy")
    texts = [("http://192.168.1.20:8188/ext/app/" * 7)[:length] for length in range(1, 214)]
    texts += ["http://[2001:db8::7]:8188/ext/app/", "猫" * 71, "\n\t'\"<é>", "0" * 213]
    for text, rows in zip(texts, drawn(texts), strict=True):
        light = numpy.pad(1 - numpy.array(rows, dtype="uint8"), 4, constant_values=1) * 255
        [found] = zxingcpp.read_barcodes(numpy.kron(light, numpy.ones((3, 3))).astype("uint8"))
        assert found.text == text
        assert found.ec_level == "M"


def test_a_code_has_the_size_of_its_version():
    sizes = [len(rows) for rows in drawn(["x" * length for length in (1, 14, 15, 42, 43, 180, 181, 213)])]
    assert sizes == [21, 21, 25, 29, 33, 53, 57, 57]


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(AssertionError, match="too long"):
        drawn(["x" * 214])


def test_it_is_one_small_file_that_imports_the_page_alone():
    assert [path.name for path in FOLDER.rglob("*.js")] == ["index.js"]  # the page loads each one it finds
    assert len(SOURCE.splitlines()) < 300
    assert re.findall(r"^import .* from (.*);$", SOURCE, re.MULTILINE) == ['"/scripts/app.js"']
    # What it takes from the app is asked for when it is needed: the tab is there without Backplane's routes.
    assert re.findall(r"\bimport\((.*?)\);", SOURCE) == ['app.api.apiURL("/ext/app/core/qr.js")']
    assert not re.search(r"https?://", SOURCE + FOLDER.joinpath("style.css").read_text(encoding="utf-8"))


def test_both_languages_have_all_texts_and_no_other():
    statuses = {
        f"status_{name}"
        for name in ("queued", "running", "paused", "canceling", "succeeded", "failed", "cancelled")
    }
    assert TEXTS["en"].keys() == TEXTS["zh"].keys() == KEYS | statuses
    for key, text in TEXTS["en"].items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", TEXTS["zh"][key])), key
        assert re.search(r"[\u4e00-\u9fff]", TEXTS["zh"][key]), key
