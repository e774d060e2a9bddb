"""Models: a link becomes a file on the server, and what a workflow lacks is fetched. The Hub is a stand-in."""

import re

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
    app.show("models")
    app.page.get_by_role("searchbox", name=app.t("models.search")).fill("pruned")
    row = app.page.get_by_role("button", name=re.compile("v1-5-pruned-emaonly-fp16"))
    expect(row).to_have_count(1)
    row.click()
    expect(app.sheet().get_by_text(app.t("models.fact_folder"))).to_be_visible()
    app.press("ui.close")
    app.closed()
