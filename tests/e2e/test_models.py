"""Models: a link becomes a file on the server, and what a workflow lacks is fetched. The Hub is a stand-in."""

import re
from urllib.parse import quote

import pytest
from browsing import expect
from fake_hub import FakeHub
from model_bytes import safetensors

HUB = FakeHub()
SERVER = {
    "options": ["--step-seconds", "0.02"],
    "environ": {
        "HF_ENDPOINT": HUB.url,
        "HF_TOKEN": "",
        "BACKPLANE_DOWNLOAD_HOSTS": "127.0.0.1",
        "BACKPLANE_OUTBOUND_ALLOW_PRIVATE": "1",
        "BACKPLANE_DOWNLOAD_KEEP_FREE_BYTES": "1000000",
    },
}


@pytest.fixture(scope="module", autouse=True)
def hub():
    with HUB:
        yield HUB


def link_to(path, repo="org/models"):
    return f"{HUB.url}/{repo}/resolve/main/{path}"


def paste(app, link):
    app.press_on_page("models.paste")
    app.sheet().get_by_label(app.t("models.link")).fill(link)


def test_a_pasted_link_becomes_a_plan_and_then_a_model(app, server):
    data = safetensors(5, side=64)
    HUB.add("org/models", "loras/boats.safetensors", data)
    HUB.describe("org/models", license="apache-2.0")
    app.show("models")
    paste(app, link_to("loras/boats.safetensors"))
    sheet = app.sheet()
    expect(sheet.get_by_text("boats.safetensors").first).to_be_visible()
    expect(sheet.get_by_text("apache-2.0")).to_be_visible()
    expect(sheet.get_by_label(app.t("models.target_folder"), exact=True)).to_have_value("loras")
    sheet.get_by_role("button", name=re.compile(r"^Download .* to loras$")).click()
    app.closed()
    app.page.get_by_role("group", name=app.t("models.folders")).get_by_role(
        "button", name=re.compile("^loras")
    ).click()
    expect(
        app.page.get_by_role("region", name=app.t("models.on_server")).get_by_text("boats.safetensors")
    ).to_be_visible(timeout=15_000)
    assert (server.data / "models" / "loras" / "boats.safetensors").read_bytes() == data


def test_a_link_that_is_none_and_a_file_that_is_gone_name_the_cure(app):
    HUB.add("org/models", "x.safetensors", safetensors(1))
    app.show("models")
    paste(app, "not a link")
    expect(app.sheet().get_by_text(app.t("models.not_a_link"))).to_be_visible()
    with app.expecting(r"^\d+: POST \S+/ext/models/resolve"):
        app.sheet().get_by_label(app.t("models.link")).fill(link_to("nothing.safetensors"))
        expect(app.sheet().get_by_text(app.t("error.DOWNLOAD_NOT_FOUND"))).to_be_visible()


def test_a_gated_file_says_what_it_needs(app):
    HUB.add("org/gated", "loras/secret.safetensors", safetensors(2))
    HUB.gate("org/gated")
    app.show("models")
    with app.expecting(r"^\d+: POST \S+/ext/models/resolve"):
        paste(app, link_to("loras/secret.safetensors", "org/gated"))
        expect(
            app.sheet()
            .get_by_text(re.compile(app.t("error.DOWNLOAD_AUTH_REQUIRED") + "|" + app.t("models.gated")))
            .first
        ).to_be_visible()


def test_what_is_in_the_way_of_a_download_comes_with_its_cure(app):
    here = "v1-5-pruned-emaonly-fp16.safetensors"
    HUB.add("org/models", f"checkpoints/{here}", safetensors(3))
    HUB.add("org/models", "loras/old.ckpt", b"old")
    app.show("models")
    link = app.t("models.link")
    with app.expecting(r"^\d+: POST \S+/ext/models/resolve"):
        paste(app, "https://example.com/a.safetensors")
        sheet = app.sheet()
        expect(sheet.get_by_text(app.t("error.DOWNLOAD_FORBIDDEN_DOMAIN"))).to_be_visible()
        expect(sheet.get_by_text("huggingface.co", exact=False).first).to_be_visible()
        sheet.get_by_label(link).fill(link_to("loras/old.ckpt"))
        expect(sheet.get_by_text(app.t("error.DOWNLOAD_UNSAFE_FORMAT.hint"))).to_be_visible()
    sheet.get_by_label(link).fill(link_to(f"checkpoints/{here}"))
    expect(sheet.get_by_text(app.t("error.DOWNLOAD_FILE_EXISTS"))).to_be_visible()
    app.press("models.keep_both")
    expect(sheet.get_by_label(app.t("models.target_name"))).to_have_value(here.replace(".s", "-2.s"))
    button = sheet.get_by_role("button", name=re.compile(r"^Download .* to checkpoints$"))
    expect(button).to_be_enabled()

    full = {
        "code": "DOWNLOAD_DISK_FULL",
        "message": "",
        "hint": None,
        "details": {"missing": 3e9, "free": 1e9},
    }

    def no_room(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "problems": [full]})

    app.page.route("**/ext/models/resolve", no_room)
    sheet.get_by_label(app.t("models.target_dir"), exact=True).fill("sub")
    sheet.get_by_label(link).focus()
    expect(sheet.get_by_text(app.t("models.disk_missing", missing="3 GB", free="1 GB"))).to_be_visible()
    expect(button).to_be_disabled()


def test_a_download_says_how_far_it_is_and_is_paused_and_resumed(app, server, hub):
    data = safetensors(2, side=1800)
    hub.add("org/slow", "loras/slow.safetensors", data)
    hub.pause_s = 0.1
    app.show("models")
    paste(app, link_to("loras/slow.safetensors", "org/slow"))
    app.sheet().get_by_role("button", name=re.compile(r"^Download .* to loras$")).click()
    app.closed()
    region = app.page.get_by_role("region", name=app.t("models.downloads"))
    row = region.get_by_role("listitem").filter(has_text="slow.safetensors")
    expect(row.get_by_text(re.compile(r"of 25\.9 MB · .*/s · .* left"))).to_be_visible(timeout=15_000)
    expect(row.get_by_text("loras", exact=True)).to_be_visible()
    row.get_by_role("button", name=app.pattern("models.pause_one")).click()
    expect(row.get_by_text(re.compile(f"^{app.t('models.phase_paused')}"))).to_be_visible()
    hub.pause_s = 0.0
    row.get_by_role("button", name=app.pattern("models.resume_one")).click()
    expect(row.get_by_text(re.compile(f"^{app.t('models.phase_completed')}"))).to_be_visible(timeout=15_000)
    assert (server.data / "models" / "loras" / "slow.safetensors").read_bytes() == data


def test_one_file_of_a_whole_repository_is_chosen(app):
    for number in range(10):
        HUB.add("org/many", f"loras/part{number}.safetensors", safetensors(number + 1))
    app.show("models")
    with app.expecting(r"^400: POST \S+/ext/models/resolve"):
        paste(app, f"{HUB.url}/org/many")
        app.sheet().get_by_role("searchbox", name=app.t("models.search_files", count=10)).fill("part7")
        files = app.sheet().get_by_role("listitem")
        expect(files).to_have_count(1)
        files.get_by_role("button").click()
        expect(app.sheet().get_by_label(app.t("models.target_name"))).to_have_value("part7.safetensors")


def test_a_link_that_another_app_shared_is_looked_at(pages):
    HUB.add("org/models", "loras/shared.safetensors", safetensors(1))
    app = pages()
    app.page.goto(f"{app.url}/ext/app/?text={quote('Look: ' + link_to('loras/shared.safetensors'))}")
    expect(app.sheet().get_by_label(app.t("models.link"))).to_have_value(link_to("loras/shared.safetensors"))
    expect(app.sheet().get_by_text("shared.safetensors").first).to_be_visible()
    app.press("ui.close")
    assert "?" not in app.page.url


def test_the_missing_models_of_a_workflow_are_listed_first(app):
    app.open_graph(
        {
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "not_here_xl.safetensors"}},
            "2": {
                "class_type": "EmptyImage",
                "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
            },
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
        }
    )
    app.show("models")
    missing = app.page.get_by_role("region", name=app.t("models.missing"))
    expect(missing.get_by_text("not_here_xl.safetensors")).to_be_visible()


def test_a_model_is_looked_at_and_found(app):
    uses = {
        "1": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
        }
    }
    app.open_graph(uses, "Boats")
    app.open_graph(uses, "Lakes")
    app.show("models")
    row = app.page.get_by_role("button", name=re.compile("v1-5-pruned-emaonly-fp16"))
    expect(row.get_by_text(app.t("models.used_by", count=2))).to_be_visible()
    app.page.get_by_role("searchbox", name=app.t("models.search")).fill("pruned")
    expect(row).to_have_count(1)
    row.click()
    expect(app.sheet().get_by_text(app.t("models.fact_folder"))).to_be_visible()
    expect(app.sheet().get_by_text("Lakes, Boats")).to_be_visible()
    app.press("ui.close")
    app.closed()
