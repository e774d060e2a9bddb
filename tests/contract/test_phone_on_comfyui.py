"""The phone app on a real ComfyUI: its templates, names, files and runs. Needs COMFYUI_PATH and a Chromium.

tests/e2e has the app's behaviour, on the sandbox; here is what only ComfyUI itself can tell.
"""

import io
import json
import re
import urllib.request
from urllib.parse import quote, urljoin

import pytest
from browsing import APP, ARGUMENTS, DESKTOP, PHONE, App, chromium, expect
from graphs import image, node, salt, sleeping
from PIL import Image

sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    if path is None:
        pytest.skip("no browser: set CHROMIUM, or install chromium")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


def comfyui_of(server):
    if server.kind != "comfyui":
        pytest.skip("tests/e2e has the app on the sandbox")
    return server


@pytest.fixture
def open_app(server, browser):
    """Open the app, on a phone of its own; at the end nothing may have gone wrong behind the test's back."""
    comfyui_of(server)
    put_workflow(server, "first")  # until there is one, ComfyUI answers a list of them with 404
    opened = []

    def start(language="en"):
        locale = "zh-CN" if language == "zh" else "en-US"
        context = browser.new_context(**PHONE, locale=locale, reduced_motion="reduce")
        context.set_default_timeout(15_000)
        app = App(context.new_page(), server.url, language)
        opened.append(app)
        choice = json.dumps({"language": language})
        context.add_init_script(f"localStorage.setItem('backplane.settings', {json.dumps(choice)})")
        return app.goto()

    yield start
    for app in opened:
        app.page.context.close()
    for app in opened:
        app.check()


def put_workflow(server, name):
    """Save a workflow as the desktop page does."""
    body = json.dumps({"version": 0.4, "nodes": [], "links": []}).encode()
    url = f"{server.url}/userdata/workflows%2F{quote(name)}.json?overwrite=true"
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST")) as answer:
        assert answer.status == 200


def opened(app):
    """Wait for the cards; of classes that this server has not, the app asks first."""
    anyway = app.page.get_by_role("button", name=app.t("library.open_anyway"), exact=True)
    cards = app.page.locator(".shell[data-screen=flow] article").first
    expect(anyway.or_(cards).first).to_be_visible()
    if anyway.is_visible():
        anyway.click()
    expect(cards).to_be_visible()


def test_templates_and_saved_workflows_of_comfyui_open_from_the_library(server, open_app):
    name = f"cat {salt()}"
    put_workflow(comfyui_of(server), name)
    app = open_app()
    app.show("library")
    search = app.page.get_by_role("searchbox", name=app.t("library.search"))
    shelf = app.page.get_by_role("region", name=app.t("library.group_comfy"))
    search.fill("upscale")
    with app.expecting(r"^422: POST \S+/ext/workflow/convert"):
        shelf.get_by_role("button", name=re.compile("upscale", re.IGNORECASE)).first.click()
        opened(app)
    assert len(app.graph()) > 1
    app.show("library")
    search.fill(name)
    expect(
        app.page.get_by_role("region", name=app.t("library.group_server")).get_by_role("button", name=name)
    ).to_be_visible()


def test_node_classes_have_the_names_that_the_page_has_for_them(server, open_app):
    names = json.load(urllib.request.urlopen(f"{comfyui_of(server).url}/ext"))["names"]
    if "zh" not in names:
        pytest.skip("this ComfyUI's page keeps the names within a larger file")
    app = open_app("zh")
    app.page.route(
        "**/i18n",
        lambda route: route.fulfill(
            json={"zh": {"nodeDefs": {"ContractShow": {"display_name": "合约显示", "inputs": {}}}}}
        ),
    )
    app.page.reload()
    app.ready()
    graph = {**image(), "4": node("ContractShow", value=["2", 0])}
    app.open_graph(graph)
    expect(app.card("1").get_by_role("heading", name="空图像")).to_be_visible()
    expect(app.card("1").get_by_text("宽度", exact=True)).to_be_visible()
    expect(app.card("4").get_by_role("heading", name="合约显示")).to_be_visible()
    app.state("store.saveSettings({language: 'en'})")
    app.texts = json.loads((APP / "locales" / "en.json").read_text(encoding="utf-8"))
    expect(app.card("1").get_by_role("heading", name=re.compile("^Empty ?Image$"))).to_be_visible()
    expect(app.card("1").get_by_text("width", exact=True)).to_be_visible()


def test_a_picture_goes_in_is_worked_on_and_becomes_an_input_again(open_app, tmp_path):
    picture = tmp_path / f"{salt()}.png"
    Image.new("RGB", (96, 64), "black").save(picture)
    app = open_app()
    graph = image()
    graph["1"] = node("LoadImage", image="")
    app.open_graph(graph, "Inverted")
    app.field("1", "image").click()
    with app.page.expect_file_chooser() as chooser:
        app.press("image.upload_image")
    chooser.value.set_files(picture)
    app.closed()
    expect(app.card("1")).not_to_have_attribute("data-state", "invalid")
    app.until(f"store.draft.value.graph['1'].inputs.image.includes('{picture.stem}')")
    app.run()
    app.ended()
    last = app.page.get_by_role("region", name=app.pattern("flow.last_run"))
    expect(last).to_be_visible()
    app.show("tasks")
    app.page.get_by_role("region", name=app.t("tasks.recent")).get_by_text("Inverted").first.click()
    app.press_on_page("timeline.as_table")
    expect(app.page.get_by_role("table").get_by_role("row")).to_have_count(4)
    app.show("gallery")
    app.page.locator(".grid-cells").get_by_role("button").first.click()
    viewer = app.page.get_by_role("dialog", name=app.t("gallery.viewer"))
    expect(viewer.locator("img").first).to_be_visible()
    shown = app.page.request.get(urljoin(app.url, app.state("store.lastRun.value.outputs[0].url")))
    assert Image.open(io.BytesIO(shown.body())).getpixel((0, 0)) == (255, 255, 255)
    viewer.get_by_role("button", name=app.t("gallery.more"), exact=True).click()
    app.entry(app.t("gallery.use_as_input")).click()
    app.sheet().get_by_role("button", name=re.compile("#1")).click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    assert app.graph()["1"]["inputs"]["image"].endswith(".png [output]")
    app.run()
    app.until(
        "store.lastRun.value?.outputs.length && store.lastRun.value.attempt && store.tasks.value.size > 1"
    )
    app.ended()


def test_what_the_desktop_sends_is_offered_to_an_open_phone(server, open_app):
    app = open_app()
    app.until("store.stream.value === 'open'")
    body = {"workflow": image(), "label": "Sent now", "metadata": {"from": "desktop"}}
    app.page.request.post(f"{server.url}/ext/workflow/sessions", data=body)
    expect(app.page.get_by_text(app.t("arrived.workflow", name="Sent now")).first).to_be_visible()
    app.press_on_page("arrived.open")
    app.until("store.draft.value?.name === 'Sent now' && Object.keys(store.draft.value.graph).length === 3")


def test_a_run_is_followed_and_cancelled_while_it_works(open_app):
    app = open_app()
    app.open_graph(sleeping(60, steps=600))
    app.run()
    card = app.card("1")
    expect(card).to_have_attribute("data-state", "running", timeout=20_000)
    expect(card.get_by_role("progressbar")).to_be_visible()
    app.press_on_page("flow.cancel_run")
    app.ended("cancelled")


def test_a_workflow_that_the_app_saves_opens_on_the_desktop_page(server, browser, open_app):
    name = f"saved {salt()}"
    app = open_app()
    graph = image()
    app.open_graph(graph, name)
    app.show("library")
    app.press_on_page("library.save")
    app.press("library.save_action")
    expect(
        app.page.get_by_role("region", name=app.t("library.group_server")).get_by_role("button", name=name)
    ).to_be_visible()
    with urllib.request.urlopen(f"{server.url}/userdata/workflows%2F{quote(name)}.json") as answer:
        saved = json.load(answer)
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.goto(server.url)
    page.wait_for_function(
        "() => window.app?.extensionManager?.getSidebarTabs?.().length > 0 && window.app.graph"
    )
    prompt = page.evaluate(
        """async (saved) => {
        await window.app.loadGraphData(saved);
        return (await window.app.graphToPrompt()).output;
    }""",
        saved,
    )
    context.close()
    assert {id_: (one["class_type"], one["inputs"]) for id_, one in prompt.items()} == {
        id_: (one["class_type"], one["inputs"]) for id_, one in graph.items()
    }
