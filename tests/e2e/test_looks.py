"""Whoever looks: both themes, both languages and a third that is longer, small screens, large text, no thumb."""

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from browsing import DESKTOP, PHONE, App, expect, overflowing
from tour import DRAWN, SCREENS, go, screens, sheets

SERVER = {"options": ["--step-seconds", "0.005"]}


@pytest.fixture(scope="module", autouse=True)
def ran(browser, server):
    """Have runs and results there, so that no screen is empty."""
    context = browser.new_context(**PHONE, locale="en-US")
    app = App(context.new_page(), server.url).goto()
    app.open_template("text_to_image_sd15")
    for _ in range(2):
        app.run()
        app.until("store.lastRun.value && !store.FINISHED.has(store.lastRun.value.status)")
        app.ended()
    context.close()


def filled(pages, profile=PHONE, *, settings=None, **options):
    """Open a page with a draft that has been run and has a finding, and settings as wanted."""
    app = pages(profile, **options).goto()
    app.until("[...store.tasks.value.values()].some((task) => task.status === 'succeeded')")
    app.page.evaluate(
        """async (settings) => {
        const store = await import(new URL('io/store.js', document.scripts[0].src));
        if (settings) store.saveSettings(settings);
        const found = [...store.tasks.value.values()].find((task) => task.status === 'succeeded');
        await store.openTask(found.id);
        await store.go('/flow');
        const specs = new Map(store.catalog.value);
        const sampler = specs.get('KSampler');
        specs.set('KSampler', {...sampler, params: sampler.params.map((one) => ({...one, tooltip: `What ${one.name} does, in a whole sentence.`}))});
        store.catalog.value = specs;
        store.setParam('5', 'cfg', 1000);
        await store.validate();
    }""",
        settings,
    )
    app.page.locator("main fieldset").first.locator("label").nth(1).click()
    expect(app.page.locator("article").first).to_be_visible()
    expect(app.page.locator(".finding").first).to_be_visible()
    # What is far down is looked at as well, not only what the browser draws.
    app.page.evaluate(
        """() => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync('* { content-visibility: visible !important; }');
        document.adoptedStyleSheets = [sheet];
    }"""
    )
    return app


ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def problems(app, rules=None):
    """Give what axe finds on the page, or in the sheet that lies over it, one line each; rules: only these."""
    return app.page.evaluate(
        """async ([script, options]) => {
        if (!globalThis.axe) (0, eval)(script);
        const box = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
        const found = await axe.run(box, options);
        return found.violations.flatMap((one) => one.nodes.slice(0, 4).map((node) => `${one.id} (${one.impact}): ${node.html.slice(0, 140)} — ${(node.failureSummary ?? '').split('\\n').at(-1).slice(0, 160)}`));
    }""",
        [
            AXE_SCRIPT,
            # Only a rule about the device's orientation reads whole style sheets, and it is among ALL.
            {"runOnly": rules or ALL, "resultTypes": ["violations"], "preload": rules is None},
        ],
    )


SMALL = """() => {
    const box = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    return [...box.querySelectorAll('button, a[href], select, textarea, summary, input:not([type=hidden], [type=file])')].flatMap((one) => {
        if (one.matches('.skip, .sr-only') || one.closest('.sr-only, [inert]') || (box === document && one.closest('dialog'))) return [];
        // A choice is pressed by its label; a link within a text is as high as its line.
        const all = one.matches('[type=radio], [type=checkbox]') ? [one.closest('label')] : [one];
        if (one.matches('p a, dd a, li p a')) return [];
        const boxes = all.map((each) => each.getBoundingClientRect());
        const after = getComputedStyle(one, '::after');
        let { width, height } = boxes[0];
        if (!width || !height || getComputedStyle(one).visibility === 'hidden') return [];
        if (after.position === 'absolute' && after.content !== 'none') [width, height] = [Math.max(width, parseFloat(after.width) || 0), Math.max(height, parseFloat(after.height) || 0)];
        return width >= 43.5 && height >= 43.5 ? [] : [`${one.outerHTML.slice(0, 130)}: ${Math.round(width)} by ${Math.round(height)}`];
    });
}"""

FAINT = """() => {
    // Contrast of the edges of what is typed into, switched or pressed, against what is around them.
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgb = (colour, below = [0, 0, 0]) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b].map((part, n) => (part * a + below[n] * (255 - a)) / 255);
    };
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => { const x = part / 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const around = (node) => { const way = []; for (let at = node.parentElement; at; at = at.parentElement) way.unshift(getComputedStyle(at).backgroundColor); return way.reduce((below, colour) => rgb(colour, below), rgb('white')); };
    const box = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    return [...box.querySelectorAll('.input, .pick, .stepper, .segments, .search-box, .switch-track, select, .swatch, button.chip, .port-pair, .button:not(:disabled, [aria-disabled=true])')].flatMap((one) => {
        const style = getComputedStyle(one);
        if (!one.getBoundingClientRect().width || style.borderTopStyle === 'none' || /, 0\\)$|transparent/.test(style.borderTopColor)) return [];
        const out = around(one);
        const [a, b] = [light(rgb(style.borderTopColor, out)), light(out)].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        return contrast >= 3 ? [] : [`${one.outerHTML.slice(0, 100)}: ${contrast.toFixed(2)}`];
    });
}"""


def test_everything_is_clean_in_both_themes(pages):
    """What axe finds, the size of targets, the contrast of edges: on all screens and sheets."""
    app = filled(pages, color_scheme="light")
    found = []

    def look(name):
        found.extend(f"{name}: small: {one}" for one in app.page.evaluate(SMALL))
        for theme, rules in (("light", None), ("dark", ["color-contrast"])):
            app.page.evaluate(
                f"(theme) => {{ document.documentElement.dataset.theme = theme; return ({DRAWN})(); }}", theme
            )
            found.extend(f"{name}, {theme}: {one}" for one in problems(app, rules))
            found.extend(f"{name}, {theme}: faint: {one}" for one in app.page.evaluate(FAINT))

    with app.expecting("403: POST .*/models/resolve"):
        for walk in (screens, sheets):
            for name in walk(app):
                look(name)
    assert not found, "\n".join(dict.fromkeys(found))


def test_axe_finds_nothing_in_a_wide_window(pages):
    app = filled(pages, DESKTOP)
    found = [f"{name}: {one}" for name in screens(app) for one in problems(app)]
    assert not found, "\n".join(found)


SIZES = {"390 px": (390, 844), "320 px": (320, 640), "on its side": (844, 390)}


def cramped(app, sizes):
    """Give what does not fit into one of the sizes, or at the last of them with text of twice the size."""
    page, found = app.page, []
    for name, (width, height) in sizes.items():
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(DRAWN)
        found += [f"{name}: {one}" for one in overflowing(page)]
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate(f"() => {{ document.documentElement.style.fontSize = '200%'; return ({DRAWN})(); }}")
    found += [f"200 %: {one}" for one in overflowing(page)]
    page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
    return found


def test_nothing_sticks_out(pages):
    """In a language that is a third longer than English, on small screens, and with large text."""
    app = filled(pages, settings={"language": "qps"})
    found = []
    with app.expecting("403: POST .*/models/resolve"):
        for walk in (screens, sheets):
            for name in walk(app):
                found += [f"{name}: {one}" for one in cramped(app, SIZES)]
    assert not found, "\n".join(dict.fromkeys(found))


def test_nothing_sticks_out_of_a_wide_window(pages):
    app = filled(pages, DESKTOP, settings={"language": "qps"})
    found = [f"{name}: {one}" for name in screens(app) for one in overflowing(app.page)]
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


def test_what_comes_with_the_app_speaks_chinese(pages):
    """The picks of the empty flow, the nodes of a template, what the server says of its health."""
    app = pages(language="zh").goto()
    pick = app.page.locator(".no-draft .pick").first
    expect(pick).to_contain_text(app.t("template.text_to_image_sdxl"))
    expect(pick).to_contain_text(app.t("template.text_to_image_sdxl.about"))
    app.open_template("text_to_image_sd15")
    expect(app.card("5").get_by_role("heading")).to_contain_text(app.t("node.sampler"))
    assert app.graph()["5"]["_meta"]["title"] == app.t("node.sampler")
    app.show("settings")
    checks = app.page.locator(".checks")
    expect(checks).to_contain_text(app.t("settings.detail_running"))
    expect(checks.locator("[lang=en]")).to_have_count(0)
    expect(app.page.locator(".segment [lang=en]")).to_have_text("English")
    expect(app.page.locator(".segment [lang=zh-CN]")).to_have_text("简体中文")


def test_two_ports_fit_beside_each_other(app):
    app.open_template("text_to_image_sd15")
    tops = [chip.bounding_box()["y"] for chip in app.card("1").locator(".card-ports > *").all()]
    assert abs(tops[0] - tops[1]) < 2 < tops[2] - tops[0]


def test_what_deletes_a_model_looks_dangerous(app):
    app.show("models")
    app.page.locator(".model > .item").first.click()
    color = "(node) => getComputedStyle(node).color"
    [delete, move] = [
        app.sheet().get_by_role("button", name=app.t(key), exact=True)
        for key in ("models.delete", "models.move")
    ]
    wanted = app.page.evaluate(
        "() => { const one = document.body.appendChild(document.createElement('i')); one.style.color = 'var(--bad)'; return getComputedStyle(one).color; }"
    )
    assert delete.evaluate(color) == wanted != move.evaluate(color)


def test_a_list_of_colors_is_swatches(app):
    app.open_graph({"1": {"class_type": "EmptyImage", "inputs": {"tints": {"__value__": ["#112233"]}}}})
    app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', document.scripts[0].src));
        const specs = new Map(store.catalog.value);
        const old = specs.get('EmptyImage');
        specs.set('EmptyImage', { ...old, params: [...old.params, { name: 'tints', type: 'COLORS', required: true }] });
        store.catalog.value = specs;
    }"""
    )
    card = app.card("1")
    card.get_by_label(app.t("field.color_n", label="tints", n=1)).fill("#445566")
    card.get_by_role("button", name=app.t("field.color_add", label="tints")).click()
    card.get_by_label(app.t("field.color_n", label="tints", n=2)).fill("#ff8800")
    assert app.graph()["1"]["inputs"]["tints"] == {"__value__": ["#445566", "#ff8800"]}
    card.get_by_role("button", name=app.t("field.color_remove", label="tints", n=1)).click()
    assert app.graph()["1"]["inputs"]["tints"] == {"__value__": ["#ff8800"]}


def test_a_theme_that_is_chosen_stays(app):
    app.show("settings")
    for theme in ("dark", "light"):
        app.page.get_by_role("radio", name=app.t(f"settings.theme_{theme}")).locator("xpath=..").click()
        expect(app.page.locator("html")).to_have_attribute("data-theme", theme)
    app.page.reload()
    app.ready()
    expect(app.page.locator("html")).to_have_attribute("data-theme", "light")


def test_by_keyboard_alone(pages):
    """Open a template, change a value, add a node, undo, run, and look at the result: Tab, arrows, Enter and Escape."""
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
    tab_to(f"^{app.t('nav.gallery')}\\|\\|A", key="Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".shell[data-screen=gallery]")).to_be_visible()
    expect(page.locator(".grid-cells button").first).to_be_visible()
    tab_to(f"^{app.t('gallery.kind_image')} ")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.viewer")).to_be_visible()
    tab_to(f"^{app.t('gallery.about')}")
    page.keyboard.press("Escape")
    app.closed()
    expect(page.locator(".grid-cells button").first).to_be_focused()
