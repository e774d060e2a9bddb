"""The tab in ComfyUI's own page, in a real browser: needs a ComfyUI, playwright and a Chromium."""

import io
import json
import os
import shutil
from pathlib import Path

import aiohttp
import pytest
from api_client import Api
from graphs import image, node, salt, sleeping
from PIL import Image

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
LOCALES = Path(__file__).resolve().parents[2] / "web" / "extension" / "locales"
TAB = ".backplane-tab-button"
GONE = "absent_model_of_the_test.safetensors"
BESIDE = {
    "3": node("UNETLoader", unet_name=GONE, weight_dtype="default"),
    "4": node("ModelSamplingDiscrete", model=["3", 0], sampling="eps", zsnr=False),
    "5": node("ModelSave", model=["4", 0], filename_prefix="x"),
}


@pytest.fixture
def comfyui(server):
    if server.kind != "comfyui":
        pytest.skip("the sandbox has no page that takes extensions")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: set CHROMIUM or install one")
    return server


@pytest.fixture
async def page(comfyui, locale):
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with aiohttp.ClientSession(comfyui.url) as session:
        settings = {"Comfy.TutorialCompleted": True, "Comfy.Locale": locale}
        async with session.post("/settings", json=settings) as answer:
            assert answer.status == 200
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        page.faults = []
        # Some versions of the page have faults of their own as they start.
        page.on("pageerror", lambda error: page.faults.append(str(error)) if mine(error) else None)
        page.on("console", lambda said: page.faults.append(said.text) if ours(said) else None)
        await page.goto(comfyui.url)
        await page.wait_for_selector(TAB)
        yield page
        assert page.faults == []
        await browser.close()


def mine(error):
    return "/extensions/" in (error.stack or "")


def ours(said):
    """Whether something on the console is an error or a warning about this extension."""
    where = f"{said.location.get('url', '')} {said.text}"
    return said.type in {"error", "warning"} and ("backplane" in where or "/ext/" in where)


@pytest.fixture
def locale():
    return "en"


def words(locale="en"):
    return json.loads((LOCALES / f"{locale}.json").read_text(encoding="utf-8"))


async def load(page, graph):
    await page.evaluate("async (graph) => { await window.app.loadApiJson(graph, 'cat.json') }", graph)


async def load_empty(page):
    """Open another workflow, as people do: by its file."""
    empty = {"version": 0.4, "nodes": [], "links": [], "groups": [], "last_node_id": 0, "last_link_id": 0}
    await page.evaluate("(empty) => window.app.loadGraphData(empty, true, true, 'other')", empty)


async def lan(page, *addresses):
    """Have the server listen on these addresses, as the tab sees it."""
    items = [
        {"address": each, "interface": "eth0", "url": f"http://{each}:8188/ext/app/"} for each in addresses
    ]
    told = {"port": 8188, "listens_on": ["0.0.0.0"], "reachable": True, "items": items}
    await page.route("**/ext/addresses", lambda route: route.fulfill(json=told))


async def scanned(place):
    zxingcpp = pytest.importorskip("zxingcpp")
    picture = Image.open(io.BytesIO(await place.screenshot())).convert("L")
    [found] = zxingcpp.read_barcodes(picture)
    return found.text


async def test_a_server_on_loopback_says_what_a_phone_needs(page):
    await page.click(TAB)
    await page.wait_for_selector(".backplane [data-tone=warn]")
    text = await page.inner_text(".backplane")
    assert "--listen" in text
    assert await page.locator(".backplane svg").count() == 0
    link = page.locator(".backplane a[data-button]")
    assert (await link.get_attribute("href")).endswith("/ext/app/")


async def test_the_code_leads_to_the_address_that_is_chosen(page):
    await lan(page, "192.168.1.20", "10.0.0.7")
    await page.click(TAB)
    code = page.locator(".backplane svg")
    assert await scanned(code) == "http://192.168.1.20:8188/ext/app/"
    await page.select_option(".backplane select", label="10.0.0.7:8188")
    assert await scanned(code) == "http://10.0.0.7:8188/ext/app/"
    assert await page.inner_text(".backplane code") == "http://10.0.0.7:8188/ext/app/"


async def test_the_workflow_goes_to_the_phone(page, comfyui):
    told = words()
    graph = image()
    await lan(page, "192.168.1.20")
    await load(page, graph)
    await page.click(TAB)
    await page.click(f"text={told['send']}")
    await page.wait_for_selector(f"text={told['sent']}")
    async with aiohttp.ClientSession(comfyui.url) as session:
        [newest, *_] = (await Api(comfyui, session).get("/ext/workflow/sessions"))["items"]
        whole = await Api(comfyui, session).get(f"/ext/workflow/sessions/{newest['id']}")
    assert newest["metadata"] == {"from": "desktop"}
    assert newest["label"]
    assert {made["class_type"] for made in whole["workflow"].values()} == {
        made["class_type"] for made in graph.values()
    }
    await page.wait_for_selector(f".backplane >> text={told['scan_sent'].format(name=newest['label'])}")
    link = f"http://192.168.1.20:8188/ext/app/#/flow?session={newest['id']}"
    assert await scanned(page.locator(".backplane svg")) == link
    await load_empty(page)
    await page.wait_for_selector(f".backplane >> text={told['scan']}")
    assert await scanned(page.locator(".backplane svg")) == "http://192.168.1.20:8188/ext/app/"


async def test_a_workflow_with_a_class_that_is_not_installed_says_which(page):
    absent = {"id": 999, "type": "AbsentOfTheTest", "pos": [0, 0], "size": [9, 9], "flags": {}, "order": 0}
    absent |= {"mode": 0, "inputs": [], "outputs": [], "properties": {}, "widgets_values": [1]}
    await load(page, image())
    await page.evaluate(
        """async (node) => {
        const { workflow } = await window.app.graphToPrompt();
        await window.app.loadGraphData({ ...workflow, nodes: [...workflow.nodes, node] });
        await window.app.extensionManager.command.execute("Backplane.SendWorkflow");
    }""",
        absent,
    )
    await page.locator(".p-toast-detail", has_text="AbsentOfTheTest").wait_for()
    await page.wait_for_timeout(50)
    assert [one for one in page.faults if "422" not in one] == []
    page.faults.clear()


async def test_an_empty_workflow_is_not_sent(page):
    told = words()
    await page.evaluate("() => window.app.graph.clear()")
    await page.evaluate("() => window.app.extensionManager.command.execute('Backplane.SendWorkflow')")
    await page.wait_for_selector(f"text={told['empty_workflow']}")


async def test_missing_models_are_listed(page):
    told = words()
    await load(page, BESIDE)
    await page.evaluate("() => window.app.extensionManager.command.execute('Backplane.OpenTab')")
    await page.wait_for_selector(f".backplane >> text={GONE}")
    await page.wait_for_selector(f".backplane >> text={told['no_source']}")
    await load_empty(page)  # another workflow is looked at by itself
    await page.wait_for_selector(f"text={told['nothing_missing']}")
    await page.click(f"text={told['check']}")
    await page.wait_for_selector(f"text={told['nothing_missing']}")


async def test_a_model_is_fetched_to_where_the_workflow_looks_for_it(page):
    told = words()
    source = {"url": "https://models.test/a.safetensors", "folder": "checkpoints", "size": 2_500_000_000}
    lacking = {"folder": "unet", "needed": True}
    models = [
        {
            **lacking,
            "name": "xl\\a.safetensors",
            "status": "missing",
            "sources": [{**source, "sha256": "0" * 64}],
        },
        {
            **lacking,
            "name": "b.vae",
            "status": "elsewhere",
            "here": {"folder": "vae", "name": "b.vae"},
            "sources": [],
        },
        {**lacking, "name": "c.pt", "status": "missing", "needed": False, "sources": []},
    ]
    bodies = []
    await page.route("**/ext/workflow/requirements", lambda route: route.fulfill(json={"models": models}))

    async def take(route):
        bodies.append(route.request.post_data_json)
        await route.fulfill(status=202, json={})

    await page.route("**/ext/models/download", take)
    await load(page, image())
    await page.click(TAB)
    await page.wait_for_selector(f".backplane >> text={told['elsewhere'].format(place='vae/b.vae')}")
    assert await page.locator(".backplane li[data-kind=model]").count() == 2
    await page.click(f".backplane >> text={told['download_size'].format(size='2.5 GB')}")
    await page.wait_for_selector(f"text={told['download_started']}")
    assert bodies == [
        {
            "url": source["url"],
            "filename": "a.safetensors",
            "type": "unet",
            "target_dir": "xl",
            "sha256": "0" * 64,
        }
    ]


async def test_tasks_show_with_a_picture_of_what_came_of_them(page, comfyui):
    async with aiohttp.ClientSession(comfyui.url) as session:
        task = await Api(comfyui, session).run({**image(), "9": node("PreviewAny", source=salt())})
    await page.click(TAB)
    shown = page.locator(".backplane li[data-state=succeeded] img").first
    await shown.wait_for()
    assert task["id"] in await shown.get_attribute("src")
    await page.wait_for_function("() => document.querySelector('.backplane li img').naturalWidth > 0")


async def test_what_runs_is_counted_on_the_icon_with_the_tab_closed_too(page, comfyui):
    if not await page.evaluate("() => Boolean(window.app.extensionManager.getSidebarTabs)"):
        pytest.skip("this page does not give its tabs: nothing can be written on their icons")
    badge = page.locator(TAB).get_by_text("2", exact=True)
    async with aiohttp.ClientSession(comfyui.url) as session:
        api = Api(comfyui, session)
        tasks = [await api.submit(sleeping(60)) for _ in range(2)]
        await badge.wait_for()
        await page.click(TAB)
        await page.locator(".backplane li[data-state=running] progress").wait_for()
        await page.locator(".backplane li[data-state=queued]").wait_for()
        for task in tasks:
            await api.post(f"/ext/tasks/{task['id']}/cancel", status=None)
    await badge.wait_for(state="detached")


async def test_the_menu_opens_the_tab_where_its_icon_is_not_shown(page):
    ids = await page.evaluate("() => window.app.extensionManager.command.commands.map((one) => one.id)")
    version = await page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")
    if "Comfy.ToggleLinear" not in ids or tuple(map(int, version.split(".")[:2])) < (1, 41):
        pytest.skip("this page has no app mode, or one that shows no tab but its own")
    run = "(id) => window.app.extensionManager.command.execute(id)"
    await page.evaluate(run, "Comfy.ToggleLinear")
    await page.wait_for_selector(TAB, state="hidden")
    await page.evaluate(run, "Backplane.OpenTab")
    await page.locator(".backplane:visible [data-button]").wait_for()
    await page.evaluate(run, "Comfy.ToggleLinear")
    await page.wait_for_selector(TAB)


async def test_a_page_whose_server_lacks_backplane_stays_whole(page):
    told = words()
    await page.route("**/ext/**", lambda route: route.fulfill(status=404, body="404: Not Found"))
    await page.click(TAB)
    await page.locator(".backplane").get_by_text(told["no_backplane"]).first.wait_for()
    await page.evaluate("() => window.app.extensionManager.command.execute('Backplane.SendWorkflow')")
    await page.wait_for_selector(f"text={told['failed']}")
    await page.unroute("**/ext/**")
    await page.wait_for_selector(".backplane [data-tone=warn]")  # once the server answers again
    await page.route("**/extensions/*/locales/*", lambda route: route.fulfill(status=404, body=""))
    await page.reload()
    await page.wait_for_selector("canvas")
    await page.wait_for_selector(".workflows-tab-button")  # the page's own tabs are there
    assert await page.locator(TAB).count() == 0
    assert [one for one in page.faults if "Failed to load resource" not in one] == []
    page.faults.clear()


async def test_an_address_that_could_not_be_asked_for_is_asked_for_again(page):
    await page.route("**/ext/addresses", lambda route: route.fulfill(status=502, body="Bad gateway"), times=1)
    await page.click(TAB)
    await page.locator(".backplane").get_by_text(words()["no_backplane"]).wait_for()
    async with page.expect_response("**/ext/tasks?*"):
        await page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    await page.wait_for_selector(".backplane [data-tone=warn]")
    assert [one for one in page.faults if "502" not in one] == []
    page.faults.clear()


async def test_closing_the_tab_ends_its_requests(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/ext/tasks" in request.url else None)
    await page.clock.install()
    await page.click(TAB)
    await page.clock.run_for(1000)
    await page.wait_for_selector(".backplane ul, .backplane [data-soft]")
    async with page.expect_request("**/ext/tasks?*"):
        await page.clock.run_for(10_000)
    await page.click(TAB)
    await page.clock.run_for(1000)
    await page.wait_for_selector(".backplane", state="detached")
    before = len(asked)
    await page.clock.run_for(60_000)
    assert len(asked) == before


@pytest.mark.parametrize("locale", ["zh"])
async def test_it_speaks_chinese_where_the_page_does(page):
    told = words("zh")
    await page.click(TAB)
    await page.wait_for_selector(f".backplane >> text={told['send']}")
    assert told["tasks"] in await page.inner_text(".backplane")
