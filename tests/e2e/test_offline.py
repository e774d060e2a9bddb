"""Without the server: what is kept on the device can be used, and what cannot says why."""

import json
import re

from browsing import ARGUMENTS, PHONE, App, chromium, expect

GONE = ("ERR_", "fetch", "^console.warning", "^console.error")


def test_the_open_app_goes_on_without_its_server(app):
    app.open_template("text_to_image_sd15")
    kept = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/screens/settings.js'))"
    app.until(kept)  # the last of the screens, which are fetched once nothing else is to be done
    with app.expecting(*GONE):
        app.page.context.set_offline(True)
        expect(app.page.get_by_text(app.t("ui.offline"))).to_be_visible()
        run = app.page.get_by_role("navigation").get_by_role("button", name=app.t("ui.run"), exact=True)
        expect(run).to_have_attribute("aria-disabled", "true")
        app.card("2").get_by_label("text", exact=True).fill("edited offline")
        app.show("models")
        expect(app.page.get_by_text("v1-5-pruned-emaonly-fp16.safetensors")).to_be_visible()
        app.show("library")
        expect(app.page.get_by_text(app.t("library.offline"))).to_be_visible()
        rows = app.page.get_by_role("region", name=app.t("library.group_templates")).get_by_role("button")
        other = rows.filter(has_text=app.t("template.blend_images"))
        expect(other).to_have_attribute("aria-disabled", "true")
        expect(other).to_contain_text(app.t("library.not_here"))
        app.page.get_by_role(
            "button",
            name=re.compile(
                f"^{re.escape(app.t('library.show_all_of', title=app.t('library.group_templates'), count=13))}"
            ),
        ).click()
        opened = rows.filter(has_text=app.t("template.text_to_image_sd15"))
        expect(opened).not_to_have_attribute("aria-disabled", "true")
        app.show("settings")
        app.show("tasks")
        app.show("gallery")
        app.show("flow")
        expect(app.card("2").get_by_label("text", exact=True)).to_have_value("edited offline")
        app.page.context.set_offline(False)
        expect(app.page.get_by_text(app.t("ui.offline"))).to_have_count(0, timeout=20_000)
    app.run()
    app.ended()


def test_a_secure_page_starts_without_its_server(app):
    """127.0.0.1 counts as secure, so the service worker is there."""
    app.open_template("text_to_image_sd15")
    app.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    with app.expecting(*GONE):
        app.page.context.set_offline(True)
        app.page.reload()
        expect(app.page.get_by_text(app.t("ui.offline"))).to_be_visible(timeout=20_000)
        app.all_cards()
        for screen in ("library", "models", "settings", "tasks", "gallery"):
            app.show(screen)
            expect(app.page.get_by_role("main")).not_to_contain_text(app.t("ui.broken"))


def test_an_insecure_page_works_and_promises_nothing(browser, server):
    """A phone in the network meets plain http: no worker, no clipboard, no random UUIDs."""
    port = server.url.rpartition(":")[2]
    other = browser.browser_type.launch(
        executable_path=chromium(),
        args=[*ARGUMENTS, "--host-resolver-rules=MAP comfy.lan 127.0.0.1"],
    )
    try:
        context = other.new_context(**PHONE, locale="en-US")
        app = App(context.new_page(), f"http://comfy.lan:{port}").goto()
        assert app.page.evaluate("() => window.isSecureContext") is False
        app.open_template("text_to_image_sd15")
        app.run()
        app.ended()
        app.show("settings")
        expect(
            app.page.get_by_role("button", name=app.t("settings.install_action"), exact=True)
        ).to_have_count(0)
        expect(app.page.get_by_text(app.t("settings.install_ways"))).to_be_visible()
        app.page.get_by_role("button", name=app.t("models.copy_one", text=app.url), exact=True).click()
        expect(app.page.get_by_text(app.t("models.copied", text=app.url)).first).to_be_visible()
        context.close()
        app.check()
    finally:
        other.close()


def test_a_draft_is_exported_and_imported_again(app, tmp_path):
    app.open_template("text_to_image_sd15")
    before = app.graph()
    app.show("library")
    app.press_on_page("library.export")
    with app.page.expect_download() as download:
        app.entry(app.t("library.export_api")).click()
    path = tmp_path / "exported.json"
    download.value.save_as(path)
    assert json.loads(path.read_text(encoding="utf-8")) == before
    app.page.locator("input[type=file]").first.set_input_files(path)
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    assert app.graph() == before


def test_a_workflow_is_saved_to_the_server_and_listed(app, server):
    app.open_template("text_to_image_sd15")
    app.show("library")
    app.press_on_page("library.save")
    app.sheet().get_by_label(app.t("library.save_label")).fill("boats/first")
    app.press("library.save_action")
    expect(app.page.get_by_text(app.t("library.saved", name="boats/first.json")).first).to_be_visible()
    saved = server.data / "user" / "default" / "workflows" / "boats" / "first.json"
    document = json.loads(saved.read_text(encoding="utf-8"))
    assert "nodes" in document
    app.show("flow")
    app.show("library")
    group = app.page.get_by_role("region", name=app.t("library.group_server"))
    group.get_by_role("button", name="first boats").click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    app.all_cards()


def test_comfyuis_own_templates_are_asked_for_once_in_each_language(app):
    def asked(name):
        return sum(one.endswith(f"/templates/{name}") for one in app.requests)

    app.show("library")
    group = app.page.get_by_role("region", name=app.t("library.group_comfy"))
    expect(group.get_by_role("button", name="Plain picture")).to_be_visible()
    app.show("flow")
    app.show("library")
    app.state("store.saveSettings({language: 'zh'})")
    expect(app.page.get_by_role("button", name="纯色图片")).to_be_visible()
    app.state("store.saveSettings({language: 'en'})")
    group.get_by_role("button", name="Plain picture").click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    assert [node["class_type"] for node in app.graph().values()] == ["EmptyImage", "SaveImage"]
    assert (asked("index.json"), asked("index.zh.json")) == (2, 1)


def test_the_settings_clear_what_can_be_read_again_and_offer_an_update(app):
    app.page.evaluate("() => navigator.serviceWorker.ready.then(() => caches.open('of another page'))")
    app.show("settings")
    app.page.get_by_text(app.t("settings.licences")).click()
    app.press_on_page("settings.notices")
    expect(app.sheet().get_by_text("Permission is hereby granted").first).to_be_visible()
    app.press("ui.close")
    app.press_on_page("settings.clear")
    app.press("settings.clear")
    expect(app.page.get_by_text(app.t("settings.cleared")).first).to_be_visible()
    kept = app.page.evaluate("() => caches.keys()")
    assert "of another page" in kept
    assert any(name.startswith("backplane-shell-") for name in kept)
    app.show("flow")
    app.state("store.updateReady.value = true")
    app.page.evaluate("() => { window.before = true; }")
    app.page.get_by_role("button", name=app.t("settings.update"), exact=True).click()
    app.page.wait_for_function("() => !window.before")
    app.ready()
