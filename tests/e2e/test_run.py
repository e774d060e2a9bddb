"""Running: from a finding to the gallery, through cuts of the connection and reloads."""

import re
import time
from urllib.parse import urlsplit

import pytest
from browsing import expect, text_to_image
from cutting import Wire

SERVER = {"options": ["--step-seconds", "0.05"]}


def ended(app, url, task):
    """Wait by another way than the app's own until a task has ended."""
    address = f"{url}/ext/tasks/{task}"
    for _ in range(400):
        if app.page.request.get(address).json()["finished_at"]:
            return
        time.sleep(0.05)
    raise AssertionError(f"{task} did not end")


def test_from_a_finding_to_the_gallery(app):
    app.open_graph(text_to_image(checkpoint="v1-5-pruned-emaonly.safetensors", seed=11), "First run")
    loader = app.card("1")
    expect(loader).to_have_attribute("data-state", "invalid")
    loader.get_by_role("button", name=app.t("fix.use")).click()
    expect(loader).not_to_have_attribute("data-state", "invalid")
    assert app.graph()["1"]["inputs"]["ckpt_name"] == "v1-5-pruned-emaonly-fp16.safetensors"
    app.run()
    sampler = app.card("5")
    expect(sampler).to_have_attribute("data-state", "running", timeout=15_000)
    expect(sampler.get_by_role("progressbar")).to_be_visible()
    expect(sampler.get_by_text(re.compile(app.t("flow.state_step", value=r"\d+", max=20)))).to_be_visible()
    expect(sampler.get_by_role("img", name=app.pattern("flow.preview_of"))).to_be_visible()
    app.ended()
    last = app.page.get_by_role("region", name=app.pattern("flow.last_run"))
    expect(last).to_be_visible()
    expect(last.get_by_text("KSampler").first).to_be_visible()
    expect(app.card("7").get_by_role("link", name=app.t("flow.result", n=1))).to_be_visible()
    app.show("gallery")
    tile = (
        app.page.get_by_role("list", name=app.pattern("gallery.results"))
        .or_(app.page.locator(".grid-cells"))
        .first.get_by_role("button")
        .first
    )
    tile.click()
    viewer = app.page.get_by_role("dialog", name=app.t("gallery.viewer"))
    expect(viewer.locator("img").first).to_be_visible()
    viewer.get_by_role("button", name=app.t("gallery.favourite")).click()
    expect(viewer.get_by_role("button", name=app.t("gallery.favourite"))).to_have_attribute(
        "aria-pressed", "true"
    )
    viewer.get_by_role("button", name=app.t("ui.close"), exact=True).click()
    app.page.get_by_role("group", name=app.t("gallery.filters")).get_by_role(
        "button", name=app.t("gallery.favourites")
    ).click()
    expect(app.page.locator(".grid-cells").get_by_role("button")).to_have_count(1)


def test_the_problems_are_shown_before_anything_is_queued(app):
    graph = text_to_image()
    del graph["6"]["inputs"]["vae"]
    app.open_graph(graph)
    app.run()
    sheet = app.sheet()
    expect(sheet.get_by_role("heading", name=app.t("flow.problems"))).to_be_visible()
    sheet.get_by_role("button", name=re.compile("#6")).click()
    app.closed()
    expect(app.card("6")).to_be_in_viewport()
    assert app.state("store.tasks.value.size") == 0 or app.state("!store.lastRun.value")


def test_a_run_is_told_on_the_tasks_screen_with_its_timeline(app):
    app.open_graph(text_to_image(seed=12), "With a timeline")
    app.run()
    app.show("tasks")
    expect(app.page.get_by_role("progressbar").first).to_be_visible()
    app.ended()
    recent = app.page.get_by_role("region", name=app.t("tasks.recent"))
    recent.get_by_role("link", name=re.compile("With a timeline")).or_(
        recent.get_by_text("With a timeline")
    ).first.click()
    expect(app.page).to_have_url(re.compile("#/tasks/"))
    expect(
        app.page.get_by_text(re.compile(app.t("timeline.slowest", title="KSampler", percent=r"\d+")))
    ).to_be_visible()
    app.press_on_page("timeline.as_table")
    expect(app.page.get_by_role("table").get_by_role("row", name=re.compile("KSampler"))).to_be_visible()


def test_how_a_run_ended_is_told_where_it_was_started(app):
    app.open_graph(text_to_image(seed=41, steps=4), "Ends")
    strip = app.page.locator(".run-strip")
    app.run()
    app.ended()
    expect(strip.get_by_role("img").or_(strip.locator("img"))).to_be_visible()
    strip.get_by_role("button", name=app.t("flow.ended_look")).click()
    expect(app.page.locator(".shell[data-screen=tasks]")).to_be_visible()
    broken = {"1": {"class_type": "FaultRaise", "inputs": {"kind": "Unusual", "salt": "e2e"}}}
    broken["2"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    app.open_graph(broken, "Fails")
    app.run()
    app.ended("failed")
    expect(strip.get_by_text(app.t("flow.ended_why"))).to_be_visible()
    strip.get_by_role("button", name=app.t("flow.ended_close")).click()
    expect(strip).to_have_count(0)


def test_one_banner_tells_of_missing_models(app):
    app.open_graph(text_to_image(checkpoint="nowhere.safetensors"), "Lacks")
    expect(app.page.get_by_text(app.t("flow.models_missing", count=1))).to_be_visible()
    expect(app.page.get_by_text(app.t("flow.errors", count=1))).to_have_count(0)
    app.press_on_page("flow.show_problems")
    expect(app.sheet().get_by_text(app.t("finding.MODEL_FILE_MISSING"))).to_be_visible()


def test_a_run_can_be_stopped(app):
    app.open_graph(text_to_image(seed=13, steps=200))
    app.run()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=15_000)
    # Much work is not lost without a question. Here the server says that it began a while ago.
    task = app.state("store.lastRun.value.id")
    long_ago = "2026-01-01T00:00:00Z"

    def older(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "started_at": long_ago})

    app.page.route(
        f"**/ext/tasks/{task}",
        lambda route: older(route) if route.request.method == "GET" else route.continue_(),
    )
    app.until(f"(await store.loadTask('{task}')) && store.lastRun.value.started_at === '{long_ago}'")
    app.press_on_page("flow.cancel_run")
    expect(app.sheet().get_by_text(app.pattern("tasks.cancel_text"))).to_be_visible()
    app.press("tasks.stop_run")
    app.ended("cancelled")


def test_what_waits_can_be_moved_and_taken_off(app):
    app.open_graph(text_to_image(seed=31, steps=200), "Never ending")
    app.run()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=15_000)
    # The next one is ComfyUI's already, and keeps its place.
    for seed, name in ((32, "Next"), (33, "One"), (34, "Two"), (35, "Three")):
        app.open_graph(text_to_image(seed=seed), name)
        app.run()
        app.until(f"store.lastRun.value?.metadata?.name === '{name}'")
    app.show("tasks")
    waiting = app.page.get_by_role("region", name=re.compile(app.t("tasks.queued")))
    rows = waiting.get_by_role("listitem")
    for name, key, order in (
        ("Three", "tasks.earlier", ("One", "Three", "Two")),
        ("One", "tasks.later", ("Three", "One", "Two")),
        ("Two", None, ("Two", "Three", "One")),
    ):
        if key:
            waiting.get_by_role("button", name=app.t("tasks.more_of", name=name)).click()
            app.entry(app.t(key)).click()
        else:
            waiting.get_by_role("button", name=app.t("tasks.to_front_of", name=name)).click()
        for place, one in enumerate(order, start=1):
            expect(rows.nth(place)).to_contain_text(one)
    waiting.get_by_role("button", name=app.t("tasks.more_of", name="Three")).click()
    app.entry(app.t("tasks.take_off")).click()
    expect(rows).to_have_count(3)
    recent = app.page.get_by_role("region", name=app.t("tasks.recent"))
    expect(recent.get_by_role("listitem").first).to_contain_text(app.t("tasks.status_cancelled"))
    # The tab tells how far it is; the stop is told as what it is until the node has ended.
    expect(app.page).to_have_title(re.compile(r"^\d+ % · "))
    app.page.get_by_role("article").get_by_role("button", name=app.t("tasks.stop"), exact=True).click()
    expect(recent.get_by_role("listitem").filter(has_text="Never ending")).to_contain_text(
        app.t("tasks.status_cancelled")
    )
    app.until("[...store.tasks.value.values()].every((one) => store.FINISHED.has(one.status))")
    expect(app.page).not_to_have_title(re.compile("%"))


def test_a_run_is_repeated_and_taken_off_the_list_with_undo(app):
    app.open_graph(text_to_image(seed=41, steps=2), "Repeated")
    app.run()
    app.ended()
    first = app.state("store.lastRun.value.id")
    app.page.goto(f"{app.url}/ext/app/#/tasks/{first}")
    named = "[...store.tasks.value.values()].filter((one) => one.metadata?.name === 'Repeated')"
    for count, key in enumerate(("tasks.run_again", "tasks.run_same"), 2):
        app.press_on_page(key)
        messages = app.page.get_by_role("region", name=app.t("ui.messages"))
        expect(messages.get_by_text(app.t("tasks.queued_again", name="Repeated"))).to_be_visible()
        app.until(f"{named}.filter((one) => store.FINISHED.has(one.status)).length === {count}")
    made = app.state(named)
    [same] = [one for one in made if one.get("retry_of") == first]
    [again] = [one for one in made if one["id"] not in {first, same["id"]}]
    assert [change["input"] for change in again["changes"]] == ["seed"]
    app.show("tasks")
    recent = app.page.get_by_role("region", name=app.t("tasks.recent"))
    row = recent.get_by_role("listitem").filter(has_text="Repeated")
    expect(row).to_have_count(3)
    row.first.get_by_role("button", name=app.t("tasks.more_of", name="Repeated")).click()
    app.entry(app.t("tasks.forget")).click()
    expect(row).to_have_count(2)
    app.press_on_page("ui.undo")
    expect(row).to_have_count(3)
    row.first.get_by_role("button", name=app.t("tasks.more_of", name="Repeated")).click()
    app.entry(app.t("tasks.forget")).click()
    messages.get_by_role("listitem").filter(has_text="Repeated").get_by_role(
        "button", name=app.t("ui.dismiss")
    ).last.click()
    app.until(
        "[...store.tasks.value.values()].filter((one) => one.metadata?.name === 'Repeated').length === 2"
    )
    expect(row).to_have_count(2)


@pytest.fixture
def wire(server):
    with Wire(urlsplit(server.url).port) as made:
        yield made


def test_a_cut_wire_in_mid_run_loses_nothing(wire, pages):
    app = pages(url=f"http://127.0.0.1:{wire.port}").goto()
    app.open_graph(text_to_image(seed=27, steps=100))
    app.run()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=15_000)
    with app.expecting("ERR_", "fetch"):
        wire.cut()
        expect(app.page.get_by_text(app.t("ui.offline"))).to_be_visible(timeout=20_000)
        field = app.card("2").get_by_label("text", exact=True).first
        field.fill("typed without a server")
        field.blur()
        app.page.wait_for_timeout(4000)
        wire.mend()
        expect(app.page.get_by_text(app.t("ui.offline"))).to_have_count(0, timeout=40_000)
        app.ended()
    assert app.graph()["2"]["inputs"]["text"] == "typed without a server"
    expect(app.page.get_by_role("region", name=app.pattern("flow.last_run"))).to_be_visible()


def test_a_phone_that_slept_through_the_end_wakes_up_to_it(wire, pages, server):
    app = pages(url=f"http://127.0.0.1:{wire.port}").goto("/tasks")
    app.open_graph(text_to_image(seed=28, steps=40), "Slept")
    app.run()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=15_000)
    task = app.state("store.lastRun.value.id")
    app.show("tasks")
    tool = app.page.context.new_cdp_session(app.page)
    with app.expecting("ERR_", "fetch"):
        tool.send("Page.setWebLifecycleState", {"state": "frozen"})
        wire.cut()
        ended(app, server.url, task)
        wire.mend()
        tool.send("Page.setWebLifecycleState", {"state": "active"})
        app.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        recent = app.page.get_by_role("region", name=app.t("tasks.recent"))
        expect(recent.get_by_role("listitem").filter(has_text="Slept")).to_contain_text(
            app.t("tasks.status_succeeded"), timeout=20_000
        )
        expect(app.page.get_by_text(app.t("ui.offline"))).to_have_count(0, timeout=20_000)
    assert app.state("store.lastRun.value.outputs.length") == 1
    app.until("store.stream.value === 'open'")


def test_a_reload_in_mid_run_finds_the_run_again(app):
    app.open_graph(text_to_image(seed=18, steps=100))
    app.run()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=15_000)
    app.page.reload()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=15_000)
    app.ended()


def test_what_changed_since_the_last_run_is_told(app):
    app.open_graph(text_to_image(seed=19), "Changes")
    app.run()
    app.ended()
    field = app.card("2").get_by_label("text", exact=True).first
    field.fill("a blue boat")
    field.blur()
    app.press_on_page("flow.changed", count=1)
    expect(app.sheet().get_by_text("a blue boat")).to_be_visible()
    expect(app.sheet().get_by_text("a red boat")).to_be_visible()


@pytest.mark.parametrize("how", ["load", "viewer"])
def test_a_results_workflow_is_opened_again(app, how):
    app.open_graph(text_to_image(seed=20, text=f"made to be opened by {how}"), f"Opened {how}")
    app.run()
    app.ended()
    task = app.state("store.lastRun.value.id")
    app.open_graph(text_to_image(seed=1), "Another")
    if how == "load":
        app.goto(f"/tasks/{task}")
        app.press_on_page("tasks.load_workflow")
    else:
        app.show("gallery")
        app.page.locator(".grid-cells").get_by_role("button").first.click()
        viewer = app.page.get_by_role("dialog", name=app.t("gallery.viewer"))
        viewer.get_by_role("button", name=app.t("gallery.more"), exact=True).click()
        app.entry(app.t("gallery.load_workflow")).click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    app.all_cards()
    assert app.graph()["2"]["inputs"]["text"] == f"made to be opened by {how}"


def test_deleted_results_come_back_with_undo(app):
    for seed in (121, 122, 123):
        app.open_graph(text_to_image(seed=seed))
        app.run()
        app.ended()
    task = app.state("store.lastRun.value.id")
    app.goto(f"/tasks/{task}")
    tile = app.page.get_by_role("region", name=app.t("tasks.results")).get_by_role("button")
    viewer = app.page.get_by_role("dialog", name=app.t("gallery.viewer"))
    for again in (True, False):
        tile.click()
        viewer.get_by_role("button", name=app.t("gallery.delete"), exact=True).click()
        expect(viewer.get_by_text(app.t("gallery.deleted", count=1)).first).to_be_visible()
        if again:
            viewer.get_by_role("button", name=app.t("gallery.undo"), exact=True).click()
            expect(viewer.locator("[data-slide=now] img")).to_be_visible()
        viewer.get_by_role("button", name=app.t("ui.close"), exact=True).click()
        expect(tile).to_have_count(1 if again else 0)
    # Closed, the viewer leaves the way back in a message; that one is not wanted.
    messages = app.page.get_by_role("region", name=app.t("ui.messages"))
    expect(messages.get_by_role("button", name=app.t("gallery.undo"), exact=True)).to_be_visible()
    messages.get_by_role("button", name=app.t("ui.dismiss"), exact=True).click()
    # The gallery: by selection, and the message has the way back.
    app.show("gallery")
    tiles = app.page.locator(".grid-cells").get_by_role("button")
    expect(tiles.nth(1)).to_be_visible()
    before = tiles.count()
    app.press_on_page("gallery.select")
    tiles.nth(0).click()
    tiles.nth(1).click()
    app.press_on_page("gallery.delete")
    expect(tiles).to_have_count(before - 2)
    messages.get_by_role("button", name=app.t("gallery.undo"), exact=True).click()
    expect(tiles).to_have_count(before)


def test_a_wide_window_shows_the_flow_and_the_tasks_side_by_side(desktop):
    desktop.open_graph(text_to_image(seed=22), "Wide")
    desktop.run()
    expect(
        desktop.page.get_by_role("complementary", name=desktop.t("nav.tasks"))
        .get_by_role("progressbar")
        .first
    ).to_be_visible()
    desktop.ended()
    expect(desktop.page.locator("article").first).to_be_visible()
