"""The frame around all screens: where the focus goes, what is said, what lies over what, what still stands when something breaks."""

import re

from browsing import DESKTOP, expect

FOCUS = """() => {
    const at = document.activeElement;
    const place = at.closest('dialog') ? 'sheet' : at.closest('main') ? 'main' : at.closest('nav') ? 'dock' : at.closest('header') ? 'top' : 'page';
    return `${place} ${at.tagName}`;
}"""


def focus(app):
    return app.page.evaluate(FOCUS)


def tabbed(app):
    app.page.keyboard.press("Tab")
    return focus(app)


def test_the_focus_and_the_place_follow_the_screen(pages):
    """The first Tab leads into what was opened; what is come back to stands where it stood."""
    app = pages(DESKTOP).goto()
    app.open_template("text_to_image_sd15")
    app.run()
    app.ended()
    for screen in ("tasks", "gallery", "models", "library", "settings"):
        link = app.page.get_by_role("navigation").get_by_role(
            "link", name=re.compile(f"^{app.t(f'nav.{screen}')}")
        )
        link.focus()
        app.page.keyboard.press("Enter")
        expect(app.page.locator(f".shell[data-screen={screen}]")).to_be_visible()
        expect(app.page.locator("[aria-busy=true]")).to_have_count(0)
        assert focus(app) == "main MAIN", screen
        assert tabbed(app).startswith("main "), screen
    app.show("tasks")
    app.page.locator(".task-open").first.press("Enter")
    expect(app.page.get_by_role("heading", name=app.t("tasks.results"))).to_be_visible()
    assert focus(app) == "main MAIN"
    assert tabbed(app).startswith("main ")
    app.show("flow")
    app.page.wait_for_function("() => document.documentElement.scrollHeight - innerHeight > 900")
    # What the app hears of it is an event, which comes with the next frame, however late that is.
    stood = app.page.evaluate(
        """() => new Promise((done) => {
        addEventListener('scroll', () => requestAnimationFrame(() => requestAnimationFrame(() => done(scrollY))), { once: true });
        scrollTo(0, 700);
    })"""
    )
    assert stood > 600
    app.show("gallery")
    app.page.wait_for_function("() => scrollY === 0")
    app.show("flow")
    app.page.wait_for_function("(stood) => Math.abs(scrollY - stood) < 3", arg=stood)


def test_a_sheet_is_left_by_the_back_button_and_gives_the_focus_back(app):
    app.open_template("text_to_image_sd15")
    here = app.page.url
    app.menu_button("5").focus()
    app.page.keyboard.press("Enter")
    assert focus(app) == "sheet H2"
    app.page.go_back()
    app.closed()
    assert app.page.url == here
    expect(app.menu_button("5")).to_be_focused()
    # What was pressed may be gone by then: on from the page's content, not from nowhere.
    app.page.evaluate(
        """async () => {
        const { confirm } = await import(new URL('ui/sheet.js', document.scripts[0].src));
        const button = document.querySelector('main').appendChild(document.createElement('button'));
        button.focus();
        void confirm({ title: 'Title', action: 'Do it' });
        button.remove();
    }"""
    )
    app.press("ui.cancel")
    app.closed()
    assert focus(app) == "main MAIN"


def test_messages_over_a_sheet_can_be_pressed_and_heard(app):
    app.open_template("text_to_image_sd15")
    app.menu("5", "flow.help")
    app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', document.scripts[0].src));
        store.toast({ key: 'edit.removed', params: { count: 3 }, action: { key: 'edit.undo', run: () => { globalThis.pressed = true; } } });
    }"""
    )
    spoken = app.page.locator(".sr-only[role=status]")
    expect(spoken).to_have_text(app.t("edit.removed", count=3))
    assert spoken.evaluate("(region) => region.closest('dialog[open]') !== null")
    app.page.locator(".toast").get_by_role("button", name=app.t("edit.undo"), exact=True).click()
    assert app.page.evaluate("() => globalThis.pressed")
    expect(app.sheet()).to_be_visible()
    app.press("ui.close")
    app.closed()
    assert spoken.evaluate("(region) => region.closest('dialog') === null")


def test_a_message_keeps_its_width_beside_large_letters(app):
    app.page.set_viewport_size({"width": 320, "height": 640})
    app.page.evaluate(
        """async () => {
        document.documentElement.style.fontSize = '200%';
        const store = await import(new URL('io/store.js', document.scripts[0].src));
        store.toast({ key: 'edit.removed', params: { count: 3 }, action: { key: 'edit.undo', run: () => {} } });
    }"""
    )
    toast = app.page.locator(".toast")
    box, text = toast.bounding_box(), toast.locator(".grow").bounding_box()
    assert text["width"] > box["width"] / 2
    assert box["height"] < 250


def test_a_run_is_told_a_quarter_at_a_time(app):
    said = app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', document.scripts[0].src));
        const region = document.querySelector('.sr-only[role=status]');
        const said = [];
        new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
        const task = { id: 'told', kind: 'run', created_at: new Date(store.serverNow()).toISOString() };
        const stand = async (part) => {
            store.tasks.value = new Map(store.tasks.value).set('told', { ...task, ...part });
            await new Promise((done) => setTimeout(done, 40));
        };
        for (let step = 0; step < 20; step += 1) await stand({ status: 'running', progress: step / 20 });
        await stand({ status: 'succeeded', progress: 1 });
        return said.filter(Boolean);
    }"""
    )
    assert said == [
        app.t("live.running"),
        *(app.t("live.progress", percent=part) for part in (25, 50, 75)),
        app.t("live.succeeded"),
    ]
    assert app.page.locator("[aria-live=polite], [role=status]").count() == 1


def test_what_breaks_does_not_take_the_rest_with_it(app):
    app.open_template("text_to_image_sd15")
    with app.expecting("drawn badly"):
        app.page.evaluate(
            """async () => {
            const { openSheet } = await import(new URL('ui/sheet.js', document.scripts[0].src));
            let tries = 0;
            openSheet((close) => { if (!tries++) throw new Error('drawn badly'); globalThis.drawn = true; close(); return null; });
        }"""
        )
        expect(app.sheet().get_by_text(app.t("ui.broken"))).to_be_visible()
    app.press("ui.try_again")
    app.closed()
    assert app.page.evaluate("() => globalThis.drawn")
    expect(app.card("5")).to_be_visible()
    with app.expecting("drawn badly"):
        app.page.evaluate(
            """async () => {
            const store = await import(new URL('io/store.js', document.scripts[0].src));
            globalThis.whole = store.draft.value;
            const inputs = new Proxy({}, { ownKeys() { throw new Error('drawn badly'); } });
            store.draft.value = { ...store.draft.value, graph: { 1: { class_type: 'KSampler', inputs } } };
        }"""
        )
        expect(app.page.locator("main").get_by_text(app.t("ui.broken"))).to_be_visible()
    expect(app.page.get_by_role("navigation")).to_be_visible()
    app.page.evaluate(
        "async () => { const store = await import(new URL('io/store.js', document.scripts[0].src)); store.draft.value = globalThis.whole; }"
    )
    app.press_on_page("ui.try_again")
    expect(app.page.locator("main").get_by_text(app.t("ui.broken"))).to_have_count(0)


def test_what_a_field_is_for_is_told_without_a_mouse(app):
    app.open_template("text_to_image_sd15")
    app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', document.scripts[0].src));
        const specs = new Map(store.catalog.value);
        const old = specs.get('KSampler');
        specs.set('KSampler', { ...old, params: old.params.map((one) => (one.name === 'cfg' ? { ...one, tooltip: 'How closely the prompt is kept to.' } : one)) });
        store.catalog.value = specs;
    }"""
    )
    about = app.card("5").get_by_role("button", name=app.t("field.about", label="cfg"), exact=True)
    about.tap()
    expect(about).to_have_attribute("aria-expanded", "true")
    expect(app.field("5", "cfg")).to_have_accessible_description("How closely the prompt is kept to.")
    about.tap()
    expect(app.card("5").get_by_text("How closely")).to_have_count(0)


def test_a_bar_takes_the_docks_place_while_text_is_typed(app):
    app.open_template("text_to_image_sd15")
    dock = app.page.get_by_role("navigation", name=app.t("nav.main"))
    app.field("2", "text").tap()
    expect(dock).to_be_hidden()
    app.page.get_by_role("button", name=app.t("ui.next_field"), exact=True).tap()
    expect(app.field("3", "text")).to_be_focused()
    app.page.get_by_role("button", name=app.t("ui.done"), exact=True).tap()
    expect(dock).to_be_visible()


def test_the_next_card_takes_the_focus_of_one_that_is_removed(app):
    app.open_template("text_to_image_sd15")
    before = [one.get_attribute("id") for one in app.page.locator("article").all()]
    app.menu("5", "flow.remove")
    app.press("flow.remove_apply")
    app.closed()
    expect(app.card("5")).to_have_count(0)
    expect(app.page.locator(f"#{before[before.index('node-5') + 1]}")).to_be_focused()


def test_the_bar_of_the_phone_has_the_color_of_the_page(app):
    """By the system at first, then by what is chosen; the colors in the page's head are those of its background."""
    bars = """() => [...document.querySelectorAll('meta[name="theme-color"]')].filter((one) => matchMedia(one.media).matches).map((one) => one.content)"""
    ground = """() => {
        const canvas = document.createElement('canvas').getContext('2d');
        canvas.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    }"""
    for system in ("light", "dark"):
        app.page.emulate_media(color_scheme=system)
        for theme in ("system", "light", "dark"):
            app.state(f"store.saveSettings({{theme: '{theme}'}})")
            chosen = "html:not([data-theme])" if theme == "system" else f"html[data-theme={theme}]"
            expect(app.page.locator(chosen)).to_have_count(1)
            [shown] = app.page.evaluate(bars)
            told = [int(shown[at : at + 2], 16) for at in (1, 3, 5)]
            painted = app.page.evaluate(ground)
            assert max(abs(a - b) for a, b in zip(told, painted, strict=True)) <= 2, (system, theme)
