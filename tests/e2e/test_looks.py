"""Whoever looks: both themes, both languages and a third that is longer, small screens, large text, no thumb."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import DESKTOP, PHONE, App, expect, overflowing

SERVER = {"options": ["--step-seconds", "0.01"]}
SCREENS = ["flow", "tasks", "gallery", "models", "library", "settings"]


@pytest.fixture(scope="module", autouse=True)
def ran(browser, server):
    """Have a run, a result and a saved workflow there, so that no screen is empty."""
    context = browser.new_context(**PHONE, locale="en-US")
    app = App(context.new_page(), server.url).goto()
    app.open_template("text_to_image_sd15")
    app.run()
    app.ended()
    context.close()


def filled(pages, profile=PHONE, *, search="", settings=None, **options):
    """Open a page with a draft that has been run and has a finding, and settings as wanted."""
    app = pages(profile, **options).goto(search=search)
    if settings:
        app.page.evaluate(
            "async (part) => (await import(new URL('io/store.js', location.href))).saveSettings(part)",
            settings,
        )
    app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', location.href));
        const found = [...store.tasks.value.values()].find((task) => task.status === 'succeeded');
        await store.openTask(found.id);
        await store.go('/flow');
    }"""
    )
    expect(app.page.locator("article, .simple").first).to_be_visible()
    return app


def problems(app):
    """Give what axe finds, one line each."""
    found = Axe().run(
        app.page,
        options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    )
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:140]} — {(node['failureSummary'] or '').splitlines()[-1][:160]}"
        for one in found.response["violations"]
        for node in one["nodes"][:4]
    ]


def go(app, screen):
    """Go to a screen whatever language the page speaks."""
    app.page.evaluate("(path) => { location.hash = path; }", f"#/{screen}")
    expect(app.page.locator(f".shell[data-screen={screen}]")).to_be_visible()
    expect(app.page.locator("[aria-busy=true]")).to_have_count(0)
    app.page.wait_for_timeout(150)


def sheets(app):
    """Open one sheet after another; give the name of each while it is open."""
    page = app.page
    go(app, "flow")
    page.get_by_role("radio", name=app.t("flow.view_cards")).locator("xpath=..").click()
    card = page.locator("article", has_text="#5").first
    card.locator("header").get_by_role("button").last.click()
    yield "menu of a node"
    for key in (
        "flow.add_behind",
        "flow.replace",
        "flow.parallel",
        "flow.remove",
        "flow.rename",
        "flow.help",
    ):
        if page.locator("dialog[open]").count() == 0:
            card.locator("header").get_by_role("button").last.click()
        app.entry(app.t(key)).click()
        expect(page.locator("dialog[open] h2").first).to_be_visible()
        page.wait_for_timeout(400)
        yield key
        app.sheet().get_by_role("button", name=app.t("ui.close"), exact=True).click()
        app.closed()
    card.get_by_label("sampler_name", exact=True).click()
    yield "picker"
    app.press("ui.close")
    page.locator("article").first.get_by_label("ckpt_name", exact=True).click()
    yield "model picker"
    app.press("ui.close")
    page.get_by_role("button", name=app.t("field.enlarge", label="text")).first.click()
    yield "text editor"
    page.locator("dialog[open]").last.press("Escape")
    app.closed()
    page.get_by_role("banner").get_by_role("button", name=app.t("ui.more"), exact=True).click()
    yield "menu of the page"
    app.press("ui.close")
    app.closed()
    go(app, "library")
    page.get_by_role("region", name=app.t("library.group_templates")).get_by_role(
        "listitem"
    ).first.get_by_role("button").click()
    expect(app.sheet().get_by_role("button", name=app.t("library.open_flow"))).to_be_enabled()
    yield "template"
    app.press("ui.close")
    app.closed()
    go(app, "models")
    page.get_by_role("button", name=app.t("models.paste"), exact=True).click()
    yield "paste a link"
    app.press("ui.close")
    app.closed()
    page.get_by_role("button", name=re.compile("v1-5-pruned")).first.click()
    page.wait_for_timeout(300)
    yield "model"
    app.press("ui.close")
    app.closed()
    go(app, "gallery")
    page.locator(".grid-cells").get_by_role("button").first.click()
    expect(page.locator("dialog.viewer")).to_be_visible()
    yield "viewer"
    page.get_by_role("dialog").get_by_role("button", name=app.t("gallery.about")).click()
    page.wait_for_timeout(300)
    yield "facts"
    app.sheet().get_by_role("button", name=app.t("ui.close"), exact=True).click()
    page.locator("dialog.viewer").get_by_role("button", name=app.t("ui.close"), exact=True).click()
    app.closed()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_screen(pages, theme):
    app = filled(pages, color_scheme=theme)
    found = {}
    for screen in SCREENS:
        go(app, screen)
        if problems_here := problems(app):
            found[screen] = problems_here
    task = app.state("[...store.tasks.value.keys()][0]")
    app.page.evaluate("(path) => { location.hash = path; }", f"#/tasks/{task}")
    app.page.wait_for_timeout(500)
    if problems_here := problems(app):
        found["a task"] = problems_here
    assert not found, "\n".join(f"{name}: {one}" for name, all_ in found.items() for one in all_)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_sheet(pages, theme):
    app = filled(pages, color_scheme=theme)
    found = [f"{name}: {one}" for name in sheets(app) for one in problems(app)]
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_a_wide_window(pages):
    app = filled(pages, DESKTOP)
    found = []
    for screen in SCREENS:
        go(app, screen)
        found += [f"{screen}: {one}" for one in problems(app)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "profile", "settings"),
    [
        ("zh", PHONE, {"language": "zh"}),
        ("qps", PHONE, {"language": "qps"}),
        ("320 px", {**PHONE, "viewport": {"width": 320, "height": 640}}, None),
        ("320 px, qps", {**PHONE, "viewport": {"width": 320, "height": 640}}, {"language": "qps"}),
        ("largest text", PHONE, {"textSize": 130}),
        ("wide, qps", DESKTOP, {"language": "qps"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_sticks_out(pages, name, profile, settings):
    app = filled(pages, profile, settings=settings)
    found = []
    for screen in SCREENS:
        go(app, screen)
        found += [f"{screen}: {one}" for one in overflowing(app.page)]
    assert not found, "\n".join(found)


def test_text_of_twice_the_size_fits(pages):
    """As browsers do it: the root's font grows."""
    app = filled(pages)
    app.page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    found = []
    for screen in SCREENS:
        go(app, screen)
        found += [f"{screen}: {one}" for one in overflowing(app.page)]
    assert not found, "\n".join(found)


def test_no_text_is_left_in_english_in_chinese(pages):
    """In the pseudo-locale every text of ours has brackets: what has none was not translated."""
    app = filled(pages, settings={"language": "qps"})
    names = re.compile(
        r"^[\W\d\s]*$|[\[~\]]|safetensors|#\d|^v?\d|ComfyUI|Backplane|English|简体中文|KSampler|CLIP|VAE|MODEL|LATENT|IMAGE"
    )
    found = set()
    for screen in ("tasks", "gallery", "models", "settings"):
        go(app, screen)
        for label in app.page.get_by_role("button").evaluate_all(
            "all => all.map((one) => one.getAttribute('aria-label') || one.textContent.trim())"
        ):
            if not names.search(label):
                found.add(f"{screen}: {label}")
    # Names of models, folders and workflows are nobody's to translate.
    data = {"loras", "checkpoints"}
    assert {one for one in found if not any(word in one for word in data)} == set()


def test_the_whole_app_in_chinese(pages):
    app = filled(pages, language="zh")
    expect(app.page.locator("html")).to_have_attribute("lang", "zh-CN")
    for screen in SCREENS:
        app.show(screen)
        expect(app.page.get_by_role("heading", level=1)).to_be_visible()
    assert app.page.title()


def test_a_theme_that_is_chosen_stays(app):
    app.show("settings")
    for theme in ("dark", "light"):
        app.page.get_by_role("radio", name=app.t(f"settings.theme_{theme}")).locator("xpath=..").click()
        expect(app.page.locator("html")).to_have_attribute("data-theme", theme)
    app.page.reload()
    app.ready()
    expect(app.page.locator("html")).to_have_attribute("data-theme", "light")


def test_by_keyboard_alone(pages):
    """Open a template, change a value, add a node, undo, and run: Tab, arrows, Enter and Escape."""
    app = pages(DESKTOP).goto()
    page = app.page

    def tab_to(check, most=250, key="Tab"):
        for _ in range(most):
            page.keyboard.press(key)
            found = page.evaluate(
                "() => { const one = document.activeElement; return one ? `${one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent || ''}|${one.closest('article')?.id ?? ''}|${one.tagName}`.trim() : ''; }"
            )
            if re.search(check, found):
                return found
        raise AssertionError(f"Tab does not lead to {check}")

    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent.trim()") == app.t("ui.skip")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    tab_to(f"^{app.t('flow.open_library')}")
    page.keyboard.press("Enter")
    expect(page.locator(".shell[data-screen=library]")).to_be_visible()
    tab_to(f"^{app.t('library.search')}")
    page.keyboard.type("SD 1.5")
    tab_to("^" + re.escape(app.t("template.text_to_image_sd15")))
    page.keyboard.press("Enter")
    expect(app.sheet()).to_be_visible()
    tab_to(f"^{app.t('library.open_flow')}")
    page.keyboard.press("Enter")
    expect(page.locator(".shell[data-screen=flow]")).to_be_visible()
    app.closed()
    expect(page.locator("#main")).to_be_focused()
    expect(page.get_by_role("radio", name=app.t("flow.view_simple"))).to_be_visible()
    tab_to(f"^{app.t('flow.view_simple')}\\|\\|INPUT")
    page.keyboard.press("ArrowRight")
    expect(page.locator("article").first).to_be_visible()
    before = app.graph()
    tab_to(r"^steps\|node-5\|INPUT")
    page.keyboard.press("Control+a")
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    assert app.graph()["5"]["inputs"]["steps"] == 8
    tab_to(r"\|node-6\|BUTTON")
    page.keyboard.press("Enter")
    expect(app.sheet()).to_be_visible()
    tab_to(f"^{app.t('flow.duplicate')}")
    page.keyboard.press("Enter")
    expect(page.locator("article")).to_have_count(len(before) + 1)
    expect(page.locator(".toast")).to_have_count(0, timeout=15_000)
    # Whatever has the focus can be seen: the dock and the bars cover nothing.
    for _ in range(40):
        page.keyboard.press("Tab")
        covered = page.evaluate(
            """() => { const one = document.activeElement; if (!one || one === document.body) return null;
            const box = one.getBoundingClientRect(); if (!box.width) return null;
            const x = Math.min(Math.max(box.left + Math.min(box.width / 2, 20), 1), innerWidth - 1), y = box.top + Math.min(box.height / 2, 20);
            if (y < 0 || y > innerHeight) return `outside: ${one.outerHTML.slice(0, 120)}`;
            const top = document.elementFromPoint(x, y);
            return top && (one.contains(top) || top.contains(one) || top.closest('label')?.contains(one)) ? null : `covered: ${one.outerHTML.slice(0, 120)} by ${top?.outerHTML.slice(0, 80)}`; }"""
        )
        assert covered is None, covered
    tab_to(f"^{app.t('ui.undo')}\\|\\|", key="Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert app.graph() == before
    tab_to(f"^{app.t('ui.run')}\\|\\|BUTTON")
    page.keyboard.press("Enter")
    app.ended()


def test_targets_are_large_enough_for_a_thumb(pages):
    app = filled(pages)
    small = []
    for screen in SCREENS:
        go(app, screen)
        small += app.page.evaluate(
            """(screen) => [...document.querySelectorAll('button, a[href], select, input:not([type=radio]):not([type=hidden]), summary')].flatMap((one) => {
            const box = one.getBoundingClientRect(); const style = getComputedStyle(one);
            if (!box.width || !box.height || style.visibility === 'hidden' || one.closest('p, .sr-only, .skip, [inert]') || one.matches('.skip, .sr-only')) return [];
            const after = getComputedStyle(one, '::after');
            const grown = after.position === 'absolute' ? Math.max(parseFloat(after.height) || 0, box.height) : box.height;
            return grown >= 43.5 && box.width >= 43.5 - (after.position === 'absolute' ? 20 : 0) ? [] : [`${screen}: ${one.outerHTML.slice(0, 110)} ${Math.round(box.width)} by ${Math.round(box.height)}`];
        })""",
            screen,
        )
    assert not small, "\n".join(sorted(set(small))[:25])
