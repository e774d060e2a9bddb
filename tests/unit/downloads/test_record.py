import json
from dataclasses import replace
from pathlib import Path

from backplane.downloads.plan import Found, Pace, Received, Target, Wanted
from backplane.downloads.record import PAUSED, Record, view, wanted_json, wanted_of
from backplane.tasks.engine import NewTask
from backplane.tasks.submission import as_stored

WANTED = Wanted("https://huggingface.co/a/b/resolve/main/c.safetensors", "lora", sha256="0" * 64)
FULL = Record(
    phase="downloading",
    pace=Pace("downloading", 50, 200, 10.0, 1, 2, "the connection broke"),
    found=Found(
        "huggingface",
        WANTED.url,
        "huggingface.co",
        filename="c.safetensors",
        size=200,
        trigger_words=("cat",),
        notes=("note",),
        facts={"version": 3},
    ),
    target=Target("loras", Path("/models/loras"), "sub/c.safetensors"),
    part=".dl-1.part",
    journal={"spans": [[0, 50]]},
    received=Received(200, "1" * 64, "huggingface"),
    files=("a.safetensors",),
)


def stored(record, **fields):
    new = NewTask("dl-1", 1.0, {}, {"wanted": wanted_json(WANTED)}, kind="download")
    return replace(as_stored(new, 1), result=record.to_json() if record else {}, **fields)


def test_a_record_comes_back_from_json_as_it_was():
    assert Record.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert Record.from_json(Record().to_json()) == Record()
    assert Record.from_json({}) == Record()


def test_what_a_newer_version_wrote_is_read_as_far_as_it_is_known():
    document = FULL.to_json()
    document["new"] = document["found"]["new"] = 1
    assert Record.from_json(document) == FULL
    document["found"] = {"new": 1}
    document["pace"] = None
    assert Record.from_json(document).found is None


def test_a_request_comes_back_from_json_as_it_was():
    assert wanted_of(json.loads(json.dumps({"wanted": wanted_json(WANTED)}))) == WANTED
    assert wanted_of({}).url == ""


def test_the_part_lies_beside_the_target():
    assert FULL.part_path == Path("/models/loras/sub/.dl-1.part")
    assert Record(part="x").part_path is None


def test_progress_is_one_only_when_the_file_is_in_its_place():
    assert replace(FULL, received=None).progress == 0.25
    assert FULL.progress == 0.9999
    assert replace(FULL, phase="completed").progress == 1.0
    assert Record().progress == 0.0


def test_the_time_left_is_told_while_bytes_come_in():
    assert FULL.eta_s == 15.0
    assert replace(FULL, phase="verifying").eta_s is None
    assert replace(FULL, pace=replace(FULL.pace, speed=None)).eta_s is None


def test_the_phase_follows_the_status_of_the_task():
    running = stored(FULL, status="running")
    assert view(running)["phase"] == "downloading"
    assert (view(running)["speed"], view(running)["connections"]) == (10.0, 1)
    for fields, phase in (
        ({"status": "queued"}, "queued"),
        ({"status": "queued", "not_before": PAUSED}, "paused"),
        ({"status": "queued", "error": {"code": "X"}}, "retrying"),
        ({"status": "succeeded"}, "completed"),
        ({"status": "cancelled"}, "cancelled"),
    ):
        shown = view(stored(FULL, **fields))
        assert (shown["phase"], shown["speed"], shown["connections"]) == (phase, None, 0)


def test_a_reply_holds_no_path_of_this_machine():
    text = json.dumps(view(stored(FULL, status="running")))
    assert "/models" not in text
    assert ".part" not in text
    assert '"name": "sub/c.safetensors"' in text


def test_a_download_that_was_not_looked_at_yet_has_the_same_keys():
    assert view(stored(None)).keys() == view(stored(FULL)).keys()
    assert view(stored(None))["sha256"] == "0" * 64
