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
    app.page.wait_for_function("() => { scrollTo(0, 700); return scrollY === 700; }")
    app.page.wait_for_timeout(60)
    app.show("gallery")
    app.page.wait_for_function("() => scrollY === 0")
    app.show("flow")
    app.page.wait_for_function("() => Math.abs(scrollY - 700) < 3")


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
        const { confirm } = await import(new URL('ui/sheet.js', location.href));
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
        const store = await import(new URL('io/store.js', location.href));
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


def test_a_run_is_told_a_quarter_at_a_time(app):
    said = app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', location.href));
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
            const { openSheet } = await import(new URL('ui/sheet.js', location.href));
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
            const store = await import(new URL('io/store.js', location.href));
            globalThis.whole = store.draft.value;
            const inputs = new Proxy({}, { ownKeys() { throw new Error('drawn badly'); } });
            store.draft.value = { ...store.draft.value, graph: { 1: { class_type: 'KSampler', inputs } } };
        }"""
        )
        expect(app.page.locator("main").get_by_text(app.t("ui.broken"))).to_be_visible()
    expect(app.page.get_by_role("navigation")).to_be_visible()
    app.page.evaluate(
        "async () => { const store = await import(new URL('io/store.js', location.href)); store.draft.value = globalThis.whole; }"
    )
    app.press_on_page("ui.try_again")
    expect(app.page.locator("main").get_by_text(app.t("ui.broken"))).to_have_count(0)


def test_what_a_field_is_for_is_told_without_a_mouse(app):
    app.open_template("text_to_image_sd15")
    app.page.evaluate(
        """async () => {
        const store = await import(new URL('io/store.js', location.href));
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
