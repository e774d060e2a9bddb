"""The rest of ComfyUI's surface, the files behind it, and the server as a whole."""

import asyncio
import contextlib
import gzip
import io
import json
import socket
import struct
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from aiohttp import FormData
from backplane.sandbox import compat
from backplane.sandbox.app import Options, create, make_host
from backplane.sandbox.calls import Result
from backplane.sandbox.cli import main
from backplane.sandbox.files import Files
from backplane.sandbox.packs import load
from backplane.sandbox.plain import dumps
from backplane.sandbox.result_cache import ResultCache

REAL = Path(__file__).resolve().parents[2] / "data" / "object_info-0.33.0.json.gz"


def png(colour="red", size=(4, 4)):
    buffer = io.BytesIO()
    PIL.Image.new("RGBA", size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


async def upload(sandbox, name, content=None, **fields):
    form = FormData()
    form.add_field("image", png() if content is None else content, filename=name)
    for field, value in fields.items():
        form.add_field(field, value)
    return await sandbox.client.post("/upload/image", data=form)


async def test_an_upload_can_be_seen_loaded_and_is_listed_at_once(sandbox, node):
    answer = await upload(sandbox, "up.png", subfolder="")
    assert await answer.json() == {"name": "up.png", "subfolder": "", "type": "input"}
    info = await (await sandbox.client.get("/object_info/LoadImage")).json()
    assert info["LoadImage"]["input"]["required"]["image"][0] == ["example.png", "up.png"]
    graph = {"1": node("LoadImage", image="up.png"), "2": node("PreviewImage", images=["1", 0])}
    assert (await sandbox.run(graph)).status == "succeeded"
    assert await sandbox.bytes_of({"filename": "up.png", "type": "input"}) == png()


async def test_a_taken_name_gets_a_number_unless_the_file_is_the_same(sandbox):
    names = [
        (await (await upload(sandbox, "a.png", png(colour), **fields)).json())["name"]
        for colour, fields in [
            ("red", {}),
            ("red", {}),
            ("blue", {}),
            ("lime", {}),
            ("blue", {}),
            ("black", {"overwrite": "true"}),
        ]
    ]
    assert names == ["a.png", "a.png", "a (1).png", "a (2).png", "a (1).png", "a.png"]
    assert await sandbox.bytes_of({"filename": "a.png", "type": "input"}) == png("black")
    folder = sandbox.host.files.folder("input")
    assert sorted(path.name for path in folder.iterdir()) == [
        "a (1).png",
        "a (2).png",
        "a.png",
        "example.png",
    ]


async def test_uploads_into_subfolders_stay_inside(sandbox, node):
    answer = await upload(sandbox, "a.png", subfolder="deep/er")
    assert (await answer.json())["subfolder"] == "deep/er"
    graph = {"1": node("LoadImage", image="deep/er/a.png"), "2": node("PreviewImage", images=["1", 0])}
    assert (await sandbox.run(graph)).status == "succeeded"
    before = files_of(sandbox)
    for name, fields in [
        ("a.png", {"subfolder": "../x"}),
        ("a.png", {"subfolder": "/etc"}),
        ("a.png", {"subfolder": "..\\x"}),
        ("..", {}),
        ("a.png", {"type": "models"}),
        ("a.png", {"subfolder": "deep/er/a.png"}),
    ]:
        assert (await upload(sandbox, name, **fields)).status == 400, (name, fields)
    assert files_of(sandbox) == before


@pytest.mark.parametrize("name", ["../a.png", "..\\\\a.png", "/tmp/a.png", "a:b.png", "sub/a.png", "a|b.png"])
async def test_a_file_name_that_is_a_path_is_refused(sandbox, name):
    # by hand: clients encode such names
    body = (
        f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\nbytes\r\n--x--\r\n"
    )
    before = files_of(sandbox)
    answer = await sandbox.client.post(
        "/upload/image", data=body.encode(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status == 400
    assert files_of(sandbox) == before


def files_of(sandbox):
    """Every file but those of Backplane itself, which come and go by themselves."""
    root = sandbox.host.files.root
    return sorted(path for path in root.rglob("*") if "__backplane" not in path.parts)


@pytest.mark.parametrize("body", [b"", b"image=x", b"--x\r\n"])
async def test_an_upload_that_is_no_form_is_refused(sandbox, body):
    assert (await sandbox.client.post("/upload/image", data=body)).status == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"filename": "absent.png"}, 404),
        ({"filename": ""}, 400),
        ({"filename": "../input/example.png"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "example.png", "type": "models"}, 400),
        ({"filename": "example.png", "type": "output", "subfolder": "../input"}, 403),
        ({"filename": "passwd", "type": "input", "subfolder": "/etc"}, 403),
        ({"filename": "a\0b", "type": "input"}, 404),
        ({"filename": "link.png", "type": "input"}, 404),
        ({"filename": "example.png", "type": "input"}, 200),
        ({"filename": "example.png [input]"}, 200),
    ],
)
async def test_view_stays_inside_its_folders(sandbox, query, status):
    (sandbox.host.files.root / "secret.png").write_bytes(png())
    with contextlib.suppress(OSError):  # Windows without the right to make links
        (sandbox.host.files.folder("input") / "link.png").symlink_to(sandbox.host.files.root / "secret.png")
    assert (await sandbox.client.get("/view", params=query)).status == status


async def test_view_gives_ranges_previews_and_channels(sandbox):
    (sandbox.host.files.folder("output") / "a.png").write_bytes(png((255, 0, 0, 128), (40, 20)))

    async def get(headers=None, **query):
        answer = await sandbox.client.get("/view", params={"filename": "a.png", **query}, headers=headers)
        return answer, await answer.read()

    answer, body = await get({"Range": "bytes=0-7"})
    assert (answer.status, body) == (206, png()[:8])
    answer, body = await get(preview="webp;90")
    assert (answer.content_type, PIL.Image.open(io.BytesIO(body)).size) == ("image/webp", (40, 20))
    answer, body = await get(preview="jpeg")
    assert answer.content_type == "image/jpeg"
    assert PIL.Image.open(io.BytesIO((await get(channel="rgb"))[1])).mode == "RGB"
    assert PIL.Image.open(io.BytesIO((await get(channel="a"))[1])).getpixel((0, 0))[3] == 128
    (sandbox.host.files.folder("output") / "a.txt").write_text("no image")
    assert (await get(filename="a.txt", preview="webp"))[0].status == 400


async def test_what_a_browser_would_run_is_only_downloaded(sandbox):
    for name in ("a.html", "a.svg", "a.js"):
        (sandbox.host.files.folder("output") / name).write_text("<script>alert(1)</script>")
        answer = await sandbox.client.get("/view", params={"filename": name})
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_models_are_listed_by_folder_and_a_new_file_is_seen_at_once(sandbox):
    get = sandbox.client.get
    folders = await (await get("/models")).json()
    assert {"checkpoints", "loras", "vae", "text_encoders", "diffusion_models"} <= set(folders)
    checkpoints = await (await get("/models/checkpoints")).json()
    assert checkpoints == ["v1-5-pruned-emaonly-fp16.safetensors"]
    stamp = sandbox.host.file_list_stamps()["checkpoints"]
    folder = sandbox.host.files.models("checkpoints")
    (folder / "sub").mkdir()
    (folder / "sub" / "new.ckpt").write_bytes(b"")
    (folder / "note.txt").write_bytes(b"")
    new = str(Path("sub", "new.ckpt"))
    assert await (await get("/models/checkpoints")).json() == [new, *checkpoints]
    info = await (await get("/api/object_info/CheckpointLoaderSimple")).json()
    assert info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == [new, *checkpoints]
    assert sandbox.host.file_list_stamps()["checkpoints"] != stamp
    assert sandbox.host.model_files("checkpoints") == [new, *checkpoints]
    assert (await get("/models/unknown")).status == 404
    (sandbox.host.files.models("embeddings") / "bad.hands.pt").write_bytes(b"")
    assert await (await get("/embeddings")).json() == ["bad.hands"]


async def test_the_small_routes_answer_also_under_api(sandbox):
    for prefix in ("", "/api"):
        get = sandbox.client.get
        assert await (await get(prefix + "/extensions")).json() == []
        assert (await (await get(prefix + "/features")).json())["supports_preview_metadata"] is True
        stats = await (await get(prefix + "/system_stats")).json()
        assert stats["devices"][0]["name"] == "simulated"
        assert stats["system"]["ram_total"] > 0
        assert await (await get(prefix + "/object_info/Nope")).json() == {}
    page = await (await sandbox.client.get("/")).text()
    assert "not ComfyUI" in page
    assert 'href="/ext/catalog"' in page
    for path in ("/queue", "/history", "/interrupt", "/free"):
        assert (await sandbox.client.post(path, data=b"{")).status == 400
        assert (await sandbox.client.post(path, data=b"[1]")).status == 400
    assert (await sandbox.client.post("/queue", json={"delete": "x"})).status == 400


async def test_another_sites_page_is_refused(sandbox):
    async def status(**headers):
        return (await sandbox.client.get("/prompt", headers=headers)).status

    here = f"http://127.0.0.1:{sandbox.client.port}"
    assert await status() == 200
    assert await status(Origin=here) == 200
    assert await status(Origin="http://evil.example") == 403
    assert await status(Origin="null") == 403
    assert await status(**{"Sec-Fetch-Site": "cross-site"}) == 403


async def test_backplane_runs_on_it(sandbox):
    about = await (await sandbox.client.get("/ext")).json()
    assert about["host"] == "sandbox"
    catalog = await (await sandbox.client.get("/ext/catalog")).json()
    names = {entry["name"] for entry in catalog["nodes"]}
    assert {"KSampler", "BatchImagesNode", "SandboxFail", "PackShow"} <= names


def test_definitions_are_those_of_the_real_nodes(tmp_path):
    ours = json.loads(dumps(make_host(Options(tmp_path)).registry.object_info()))
    real = json.loads(gzip.decompress(REAL.read_bytes()))
    shared = [name for name in ours if name in real]
    assert len(shared) == 43
    texts = {"description", "search_aliases", "tooltip", "output_tooltips", "price_badge"}
    for name in shared:
        one, other = without_files(ours[name]), without_files(real[name])
        assert one["input_order"] == other["input_order"]
        assert one["input"] == other["input"], name
        assert {k: v for k, v in one.items() if k in other and k not in texts} == {
            k: v for k, v in other.items() if k in one and k not in texts
        }
        assert set(other) - texts <= set(one)


def without_files(entry):
    """An entry with its file lists emptied."""
    for spec in entry["input"].get("required", {}).values():
        if isinstance(spec[0], list) and any(str(o).endswith((".png", ".safetensors")) for o in spec[0]):
            spec[0] = []
    return entry


def test_the_catalogue_learns_which_files_a_class_reads(tmp_path):
    host = make_host(Options(tmp_path))
    assert host.name == "sandbox"
    assert host.file_lists("LoadImage") == {"input"}
    assert host.file_lists("CheckpointLoaderSimple") == {"checkpoints"}
    assert host.file_lists("ImageInvert") == frozenset()
    assert host.param_folders("LoraLoader") == {"lora_name": "loras"}
    assert host.param_folders("Nope") == {}
    assert set(host.file_list_stamps()) >= {"input", "checkpoints", "loras"}
    assert host.class_token("LoadImage") == host.class_token("LoadImage") != host.class_token("KSampler")
    assert host.state_dir() == Files(tmp_path).root / "user" / "__backplane"
    assert host.output_file("example.png", "", "input") is not None
    assert host.output_file("example.png", "../input", "output") is None
    assert host.output_file("absent.png", "", "input") is None
    assert host.system()["devices"][0]["type"] == "cpu"
    assert [check.ok for check in host.checks()] == [False]  # not started


def test_a_fresh_data_folder_is_complete_and_its_models_are_valid(tmp_path):
    make_host(Options(tmp_path))
    for folder in ("input", "output", "temp", "user", "models/checkpoints", "models/loras", "models/vae"):
        assert (tmp_path / folder).is_dir()
    raw = (tmp_path / "models/checkpoints/v1-5-pruned-emaonly-fp16.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    assert len(raw) == 8 + length
    assert "placeholder" in str(json.loads(raw[8:])["__metadata__"])
    kept = tmp_path / "input" / "example.png"
    kept.write_bytes(png())
    make_host(Options(tmp_path))
    assert kept.read_bytes() == png()


def test_a_broken_pack_costs_only_itself(tmp_path, caplog):
    packs = {}
    for name, code in {
        "good": "class A: pass\nNODE_CLASS_MAPPINGS = {'A': A}",
        "raises": "raise RuntimeError('no')",
        "empty": "",
    }.items():
        packs[name] = tmp_path / name
        packs[name].mkdir()
        (packs[name] / "__init__.py").write_text(code)
    loaded = load((*packs.values(), tmp_path / "absent"))
    assert [pack.name for pack in loaded] == ["good"]
    assert loaded[0].classes["A"].RELATIVE_PYTHON_MODULE == "custom_nodes.good"
    assert caplog.text.count("cannot be loaded") == 3


def test_stand_ins_give_way_to_a_real_comfyui(monkeypatch):
    assert compat.install()
    for name in [name for name in sys.modules if name.split(".")[0] in {"comfy", "comfy_execution"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(compat.importlib.util, "find_spec", lambda _: object())
    assert not compat.install()
    assert "comfy" not in sys.modules


def test_the_result_cache_drops_what_was_used_least_recently():
    cache = ResultCache(max_bytes=3000, max_entries=3)

    def result(size):
        return Result([[np.zeros(size, np.uint8)]])

    for key in "abc":
        cache.put(key, result(900))
    cache.get("a")
    cache.put("d", result(900))
    assert [key for key in "abcd" if cache.has(key)] == ["a", "c", "d"]
    cache.put("e", result(2500))
    assert [key for key in "abcde" if cache.has(key)] == ["e"]
    cache.put("huge", result(4000))
    assert cache.has("e")
    assert not cache.has("huge")
    cache.clear()
    assert cache.get("e") is None


async def test_stopping_interrupts_what_runs(aiohttp_client, tmp_path, node):
    app = create(Options(tmp_path))
    client = await aiohttp_client(app)
    graph = {
        "1": node("SandboxSleep", value=1, seconds=600, steps=1),
        "2": node("PreviewAny", source=["1", 0]),
    }
    await client.post("/prompt", json={"prompt": graph})
    await client.close()


def run_cli(*arguments):
    return asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest\n"
        "from backplane.sandbox.cli import main; sys.exit(main(sys.argv[1:]))",
        str(Path(__file__).resolve().parents[2]),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
async def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    process = await run_cli("--port", "0", "--data-dir", str(tmp_path), "--step-seconds", "0")
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        assert "http://127.0.0.1:" in line
        process.send_signal(2)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert b"Traceback" not in await process.stderr.read()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def test_a_port_that_is_taken_is_told_with_a_way_out(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--data-dir", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"Port {port} is in use" in told
    assert "--port" in told


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--data-dir", str(tmp_path / "file")]) == 1
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--port", "70000"], ["--step-seconds", "-1"]])
def test_arguments_are_checked(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "invalid" in capsys.readouterr().err
