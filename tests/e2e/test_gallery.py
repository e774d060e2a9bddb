"""Results: by hand and by key, filters, comparing, and what else is done with them."""

import io
import json
import re
from contextlib import suppress

from browsing import PHONE, expect, text_to_image
from PIL import Image
from playwright.sync_api import Error

SERVER = {"options": ["--step-seconds", "0.01"]}

SHARING = """
navigator.canShare = ({files}) => files.length > 0;
navigator.share = async ({files}) => { window.shared = [files[0].name, files[0].type, files[0].size]; };
"""


def workflow(seed, text="a red boat", width=64):
    return text_to_image(steps=2, seed=seed, text=text, width=width)


def ran(app, name, graph, **more):
    """Have the server run a workflow; give its task's id."""
    body = json.dumps({"workflow": graph, "metadata": {"name": name}, **more})
    task = app.page.evaluate(
        "async (body) => { const {api} = await import(new URL('io/api.js', document.scripts[0].src)); "
        "return (await api.post('/ext/tasks', JSON.parse(body))).id; }",
        body,
    )
    app.until(f"store.FINISHED.has(store.tasks.value.get('{task}')?.status)")
    return task


def tiles(app):
    return app.page.locator(".grid-cells").get_by_role("button")


def viewer(app):
    return app.page.get_by_role("dialog", name=app.t("gallery.viewer"))


def opened(app, n=0):
    """Open a result of the gallery; give the viewer, once its picture is there."""
    app.show("gallery")
    tiles(app).nth(n).click()
    expect(viewer(app).locator('[data-slide="now"] img[data-state=here]')).to_be_visible()
    return viewer(app)


def chip(app, name):
    return app.page.get_by_role("group", name=app.t("gallery.filters")).get_by_role("button", name=name)


class Fingers:
    """Touches as a screen sends them."""

    def __init__(self, page):
        self._tool = page.context.new_cdp_session(page)

    def _send(self, kind, points):
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        self._tool.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def drag(self, *paths, steps=6):
        """Put a finger down at the begin of each path and lead it to the path's end."""
        self._send("touchStart", [start for start, _ in paths])
        for n in range(1, steps + 1):
            part = n / steps
            self._send(
                "touchMove",
                [(a + (c - a) * part, b + (d - b) * part) for (a, b), (c, d) in paths],
            )
        self._send("touchEnd", [])

    def tap(self, x, y, times=1):
        for _ in range(times):
            self._send("touchStart", [(x, y)])
            self._send("touchEnd", [])


def scaled(app, test, **options):
    """Wait until the picture is so many times as large as the screen."""
    app.page.wait_for_function(
        "() => { const image = document.querySelector('.view-slide[data-slide=now] > *'); "
        f"const scale = Number(/scale\\(([\\d.]+)\\)/.exec(image.style.transform)?.[1] ?? 1); return scale {test}; }}",
        **options,
    )


def tapped_twice(app, fingers, test):
    """Tap twice until it was quick enough to count as one: on a busy machine the second may come late."""
    for _ in range(4):
        app.page.wait_for_timeout(400)
        fingers.tap(200, 420, times=2)
        with suppress(Error):
            return scaled(app, test, timeout=2000)
    raise AssertionError(f"the picture never was {test} times as large")


def place(app, n, count):
    return viewer(app).locator("header").get_by_text(app.t("gallery.place", place=n, count=count), exact=True)


def test_fingers_lead_through_the_viewer(app):
    for seed in (1, 2, 3):
        ran(app, "Fingers", workflow(seed))
    app.show("gallery")
    chip(app, app.t("gallery.workflow")).click()
    app.entry("Fingers").click()
    expect(tiles(app)).to_have_count(3)
    opened(app)
    fingers = Fingers(app.page)
    expect(place(app, 1, 3)).to_be_visible()
    fingers.drag(((300, 420), (60, 425)))
    expect(place(app, 2, 3)).to_be_visible()
    fingers.drag(((60, 420), (300, 425)))
    expect(place(app, 1, 3)).to_be_visible()
    # Two fingers apart: larger. Then one finger moves the picture and turns no page.
    fingers.drag(((180, 420), (80, 420)), ((210, 420), (310, 420)))
    scaled(app, "> 2")
    fingers.drag(((300, 420), (60, 425)))
    expect(place(app, 1, 3)).to_be_visible()
    fingers.drag(((20, 420), (180, 420)), ((370, 420), (210, 420)))
    scaled(app, "=== 1")
    tapped_twice(app, fingers, "> 2")
    tapped_twice(app, fingers, "=== 1")
    # A tap clears the picture, another one brings the buttons back.
    app.page.wait_for_timeout(400)
    fingers.tap(200, 420)
    expect(viewer(app)).to_have_attribute("data-bars", "off")
    app.page.wait_for_timeout(400)
    fingers.tap(200, 420)
    expect(viewer(app)).to_have_attribute("data-bars", "on")
    fingers.drag(((200, 300), (205, 560)))
    app.closed()


def test_the_viewer_has_a_button_and_a_key_for_each_gesture(desktop):
    app = desktop
    for seed in (4, 5):
        ran(app, "Keys", workflow(seed))
    shown = opened(app)
    count = tiles(app).count()
    shown.get_by_role("button", name=app.t("gallery.next"), exact=True).click()
    expect(place(app, 2, count)).to_be_visible()
    shown.get_by_role("button", name=app.t("gallery.previous"), exact=True).click()
    expect(place(app, 1, count)).to_be_visible()
    shown.get_by_role("button", name=app.t("gallery.zoom_in"), exact=True).click()
    scaled(app, "> 2")
    shown.get_by_role("button", name=app.t("gallery.zoom_out"), exact=True).click()
    scaled(app, "=== 1")
    keys = app.page.keyboard
    keys.press("ArrowRight")
    expect(place(app, 2, count)).to_be_visible()
    keys.press("Home")
    expect(place(app, 1, count)).to_be_visible()
    app.page.wait_for_timeout(300)  # turning the page puts its size back, just after it is drawn
    keys.press("+")
    scaled(app, "=== 1.5")
    keys.press("0")
    scaled(app, "=== 1")
    keys.press("Escape")
    app.closed()
    expect(tiles(app).first).to_be_focused()


def test_filters_and_marks(app):
    ran(app, "Boats", workflow(11, "a green boat"))
    both = ran(app, "Trees", workflow(12, "a tree"))
    app.show("gallery")
    search = app.page.get_by_role("searchbox", name=app.t("gallery.search"))
    chip(app, app.t("gallery.workflow")).click()
    app.entry("Trees").click()
    expect(tiles(app)).to_have_count(1)
    shown = opened(app)
    for key in ("gallery.favourite", "gallery.choose"):
        mark = shown.get_by_role("button", name=app.t(key), exact=True)
        mark.click()
        expect(mark).to_have_attribute("aria-pressed", "true")
    shown.get_by_role("button", name=app.t("ui.close"), exact=True).click()
    chip(app, "Trees").click()
    app.entry(app.t("gallery.all_workflows")).click()
    chip(app, app.t("gallery.favourites")).click()
    expect(tiles(app)).to_have_count(1)
    expect(tiles(app).first).to_have_accessible_name(re.compile("Trees"))
    chip(app, app.t("gallery.rejected")).click()
    expect(app.page.get_by_text(app.t("gallery.no_match"))).to_be_visible()
    app.press_on_page("gallery.show_all")
    chip(app, app.t("gallery.chosen")).click()
    expect(tiles(app)).to_have_count(1)
    chip(app, app.t("gallery.chosen")).click()
    search.fill("boats")
    expect(tiles(app)).to_have_count(1)
    shown = opened(app)
    shown.get_by_role("button", name=app.t("gallery.more"), exact=True).click()
    app.entry(app.t("gallery.of_run")).click()
    app.closed()
    expect(tiles(app)).to_have_count(1)
    one = chip(app, app.t("gallery.one_run"))
    expect(one).to_have_attribute("aria-pressed", "true")
    one.click()
    expect(tiles(app).nth(1)).to_be_visible()
    # What was marked is what the export gives.
    app.page.get_by_role("banner").get_by_role("button", name=app.t("ui.more"), exact=True).click()
    app.entry(app.t("gallery.export")).click()
    with app.page.expect_download() as download:
        app.sheet().get_by_role("link", name=app.t("gallery.export_chosen")).click()
    lines = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert [line["id"] for line in lines] == [both]


def test_a_result_is_saved_shared_and_used_as_an_input(pages):
    app = pages()
    app.page.add_init_script(SHARING)
    app.goto()
    ran(app, "To be used", workflow(21, "kept in the file"))
    shown = opened(app)
    with app.page.expect_download() as download:
        shown.get_by_role("link", name=app.t("gallery.save"), exact=True).click()
    image = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert download.value.suggested_filename.endswith(".png")
    assert json.loads(image.text["prompt"])["2"]["inputs"]["text"] == "kept in the file"
    shown.get_by_role("button", name=app.t("gallery.share"), exact=True).click()
    app.page.wait_for_function("() => window.shared")
    assert app.page.evaluate("window.shared")[:2] == [download.value.suggested_filename, "image/png"]
    # With no workflow open, one begins; with one that has an input, that is asked for.
    shown.get_by_role("button", name=app.t("gallery.more"), exact=True).click()
    app.entry(app.t("gallery.use_as_input")).click()
    app.entry(app.t("gallery.start_with_loader")).click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    app.closed()
    name = f"{download.value.suggested_filename} [output]"
    assert [node["inputs"]["image"] for node in app.graph().values()] == [name]
    loads = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    app.open_graph({"1": loads, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}})
    shown = opened(app)
    shown.get_by_role("button", name=app.t("gallery.more"), exact=True).click()
    app.entry(app.t("gallery.use_as_input")).click()
    app.sheet().get_by_role("button", name=re.compile("#1")).click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    assert app.graph()["1"]["inputs"]["image"] == name
    app.run()
    app.ended()


def test_two_results_are_compared(app):
    for seed in (31, 32):
        ran(app, "Compared", workflow(seed))
    shown = opened(app)
    shown.get_by_role("button", name=app.t("gallery.more"), exact=True).click()
    app.entry(app.t("gallery.compare_with")).click()
    expect(app.page.get_by_text(app.t("gallery.pick_second"))).to_be_visible()
    tiles(app).nth(1).click()
    sheet = app.sheet()
    expect(sheet.get_by_role("heading", name=app.t("gallery.compare"), exact=True)).to_be_visible()
    edge = sheet.get_by_role("slider")
    expect(edge).to_have_value("50")
    box = sheet.locator(".compare-box").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = Fingers(app.page)
    fingers.drag(((x, y), (x - box["width"] / 4, y)))
    expect(edge).to_have_value("25")
    fingers.drag(((x - 20, y), (x - 100, y)), ((x + 20, y), (x + 100, y)))
    app.page.wait_for_function(
        "() => [...document.querySelectorAll('.compare img')].every((one) => one.style.transform.includes('scale'))"
    )
    app.press("gallery.zoom_out")
    expect(sheet.get_by_role("button", name=app.t("gallery.zoom_in"), exact=True)).to_be_visible()
    sheet.get_by_role("group", name=app.t("gallery.compare"), exact=True).press("+")
    app.press("gallery.zoom_out")
    app.press("gallery.what_differs")
    expect(app.sheet().get_by_text("seed", exact=True)).to_be_visible()


def test_nothing_of_the_viewer_leaves_a_small_screen(pages):
    app = pages({**PHONE, "viewport": {"width": 320, "height": 640}}).goto()
    ran(app, "Small", workflow(41))
    shown = opened(app)
    app.page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    for key in ("gallery.favourite", "gallery.delete", "gallery.more", "gallery.about"):
        button = shown.get_by_role("button", name=app.t(key), exact=True)
        expect(button).to_be_in_viewport(ratio=1)


def test_an_old_favourite_is_asked_of_the_server_and_two_deletions_are_undone_together(app):
    old = ran(app, "Long ago", workflow(31, "an old boat"))
    app.page.evaluate(
        "async (id) => { const {api} = await import(new URL('io/api.js', document.scripts[0].src)); "
        "await api.patch(`/ext/tasks/${id}/outputs/0`, {rating: 'rejected'}); }",
        old,
    )
    for seed in (32, 33, 34):
        ran(app, "Later", workflow(seed, "a newer boat"))
    # Pages of one task, so that the old one is far.
    app.page.route(
        "**/ext/tasks?*", lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=1"))
    )
    app.page.reload()
    app.ready()
    app.requests.clear()
    app.show("gallery")
    expect(tiles(app).first).to_have_accessible_name(re.compile("Later"))
    chip(app, app.t("gallery.rejected")).click()
    expect(tiles(app)).to_have_count(1)
    expect(tiles(app).first).to_have_accessible_name(re.compile("Long ago"))
    asked = [one for one in app.requests if "rating=rejected" in one]
    assert len(asked) == 1, asked
    chip(app, app.t("gallery.rejected")).click()
    expect(tiles(app).nth(3)).to_be_visible()
    count = tiles(app).count()
    for left in (1, 2):
        opened(app).get_by_role("button", name=app.t("gallery.delete"), exact=True).click()
        viewer(app).get_by_role("button", name=app.t("ui.close"), exact=True).click()
        expect(tiles(app)).to_have_count(count - left)
    app.press_on_page("gallery.undo")
    expect(tiles(app)).to_have_count(count)
