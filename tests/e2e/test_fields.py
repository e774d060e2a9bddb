"""Fields and the flow around them: each kind by thumb, presets, the order of a chain, and what outlives a reload."""

import re
from pathlib import Path

from browsing import App, expect, overflowing

PICTURE = Path(__file__).resolve().parents[2] / "web" / "app" / "icons" / "icon-192.png"


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def lora(model, clip):
    return node(
        "LoraLoader", lora_name="x.safetensors", strength_model=1, strength_clip=1, model=model, clip=clip
    )


def chosen_view(app, key):
    app.page.get_by_role("radio", name=app.t(key)).locator("xpath=..").click()


def test_the_chosen_view_and_the_values_changed_most_outlive_a_reload(app):
    app.open_template("text_to_image_sd15")
    sampler = next(key for key, one in app.graph().items() if one["class_type"] == "KSampler")
    app.field(sampler, "cfg").fill("3")
    app.field(sampler, "cfg").press("Enter")
    chosen_view(app, "flow.view_lines")
    expect(app.card(sampler)).to_contain_text("cfg 3")
    assert overflowing(app.page) == []
    app.page.reload()
    app.ready()
    expect(app.page.get_by_role("radio", name=app.t("flow.view_lines"))).to_be_checked()
    expect(app.card(sampler)).to_contain_text("cfg 3")
    chosen_view(app, "flow.view_simple")
    app.page.reload()
    app.ready()
    expect(app.page.get_by_role("radio", name=app.t("flow.view_simple"))).to_be_checked()


def test_two_tabs_of_one_draft_follow_each_other(app):
    app.open_graph({"1": node("EmptyImage", width=64, height=64, batch_size=1, color=255)})
    app.until("!(await (await import(new URL('io/store/draft.js', document.scripts[0].src))).saveNow()) && 1")
    second = App(app.page.context.new_page(), app.url)
    second.goto()
    second.field("1", "width").fill("128")
    second.field("1", "width").press("Enter")
    expect(app.field("1", "width")).to_have_value("128")
    app.page.get_by_role("banner").get_by_role("button", name=app.t("ui.undo"), exact=True).click()
    expect(second.field("1", "width")).to_have_value("64")
    second.page.close()
    assert second.faults == []


def test_a_color_a_number_and_a_text_of_an_unknown_node_are_edited_as_what_they_are(app):
    app.open_graph(
        {
            "1": node("EmptyImage", width=64, height=64, batch_size=1, color=255),
            "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
            "3": node("NoSuchNode", prompt="one\ntwo", on=True, number=4),
        }
    )
    card = app.card("1")
    card.get_by_label(app.t("field.pick_color", label="color")).fill("#ff8800")
    assert app.graph()["1"]["inputs"]["color"] == 0xFF8800
    typed = app.field("1", "color")
    expect(typed).to_have_value("#ff8800")
    typed.fill("nothing")
    typed.press("Enter")
    expect(card.get_by_text(app.t("field.not_a_color"))).to_be_visible()
    assert app.graph()["1"]["inputs"]["color"] == 0xFF8800
    app.field("1", "width").fill("１２８")
    app.field("1", "width").press("Enter")
    assert app.graph()["1"]["inputs"]["width"] == 128
    app.field("3", "prompt").fill("one\nthree")
    app.card("3").get_by_role("switch", name="on").click()
    assert app.graph()["3"]["inputs"] == {"prompt": "one\nthree", "on": False, "number": 4}


def test_a_preset_is_kept_and_put_into_another_prompt(app):
    app.open_graph(
        {"1": node("CLIPTextEncode", text="oil painting"), "2": node("CLIPTextEncode", text="a boat")}
    )
    app.card("1").get_by_role("button", name=app.t("preset.of", label="text")).click()
    app.press("preset.save")
    app.sheet().get_by_role("button", name=app.t("ui.close")).click()
    app.closed()
    app.page.reload()
    app.ready()
    app.card("2").get_by_role("button", name=app.t("preset.of", label="text")).click()
    app.sheet().get_by_role("button", name="oil painting", exact=True).click()
    app.closed()
    assert app.graph()["2"]["inputs"]["text"] == "a boat, oil painting"
    app.card("2").get_by_role("button", name=app.t("field.enlarge", label="text")).click()
    editor = app.sheet().get_by_role("textbox", name="text")
    editor.evaluate("(box) => { box.focus(); box.setSelectionRange(2, 6); }")
    app.press("field.stronger")
    expect(editor).to_have_value("a (boat:1.1), oil painting")
    editor.evaluate("(box) => box.setSelectionRange(box.value.length, box.value.length)")
    app.press("preset.title")
    app.sheet().get_by_role("button", name=app.t("preset.remove", text="oil painting")).click()
    expect(app.sheet().get_by_text(app.t("preset.none"), exact=True)).to_be_visible()
    app.sheet().get_by_role("button", name=app.t("ui.close")).click()
    app.press("ui.done")
    app.closed()
    assert app.graph()["2"]["inputs"]["text"] == "a (boat:1.1), oil painting"


def test_a_seed_is_drawn_kept_and_taken_from_the_last_run(app):
    app.open_graph({"1": node("ContractSeed", seed=7), "2": node("ContractShow", value=["1", 0])})
    card = app.card("1")
    card.get_by_role("combobox", name=app.t("field.after_run")).select_option("fixed")
    app.run()
    app.ended()
    app.show("flow")
    assert app.graph()["1"]["inputs"]["seed"] == 7
    card.get_by_role("button", name=app.t("field.draw", label="seed")).click()
    drawn = app.graph()["1"]["inputs"]["seed"]
    assert drawn != 7
    assert 0 <= drawn < 2**32
    card.get_by_role("button", name=app.t("field.use_last", value="7")).click()
    assert app.graph()["1"]["inputs"]["seed"] == 7


def test_a_lora_moves_in_its_chain_and_asks_which_clip_it_takes(app):
    app.open_graph(
        {
            "1": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors"),
            "9": node("DualCLIPLoader", clip_name1="a.safetensors", clip_name2="b.safetensors", type="sdxl"),
            "10": lora(["1", 0], ["1", 1]),
            "11": lora(["10", 0], ["10", 1]),
            "12": node("DifferentialDiffusion", model=["11", 0]),
            "2": node("CLIPTextEncode", text="x", clip=["11", 1]),
            "3": node("CLIPTextEncode", text="y", clip=["9", 0]),
            "13": node("UNETLoader", unet_name="c.safetensors", weight_dtype="default"),
            "14": node("DifferentialDiffusion", model=["13", 0]),
        }
    )
    before = app.graph()
    app.menu("11", "flow.move_earlier")
    app.press("flow.move_apply")
    app.closed()
    after = app.graph()
    assert after["11"]["inputs"]["model"] == ["1", 0]
    assert after["10"]["inputs"]["model"] == ["11", 0]
    assert (after["12"]["inputs"]["model"], after["2"]["inputs"]["clip"]) == (["10", 0], ["10", 1])
    app.page.keyboard.press("Control+z")
    assert app.graph() == before
    app.page.keyboard.press("Control+Shift+Z")
    assert app.graph() == after
    app.page.keyboard.press("Control+z")
    app.card("14").get_by_role("button", name=app.t("flow.inputs_fold", count=1)).click()
    app.card("14").get_by_role("button", name=app.t("flow.input_menu", input="model")).click()
    app.entry(app.t("flow.insert_here")).click()
    with app.expecting("422: POST .*/ext/workflow/patch"):
        app.sheet().get_by_role("searchbox").fill("LoRA")
        app.sheet().get_by_role("button", name="Load LoRA (Model and CLIP)").first.click()
        expect(app.sheet().get_by_text(app.t("flow.which_for", input="clip"))).to_be_visible()
    app.sheet().get_by_role("button", name=re.compile("#9")).click()
    app.press("flow.insert_apply")
    app.closed()
    made = app.graph()[app.graph()["14"]["inputs"]["model"][0]]
    assert (made["inputs"]["model"], made["inputs"]["clip"]) == (["13", 0], ["9", 0])
    app.card("13").get_by_role("button", name=app.t("fix.get"), exact=True).first.click()
    expect(app.page.locator(".shell[data-screen=models]")).to_be_visible()


def test_a_value_is_taken_from_another_node_and_back(app):
    app.open_graph(
        {
            "1": node("PrimitiveInt", value=128),
            "2": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
            "3": node("SaveImage", images=["2", 0], filename_prefix="x"),
        }
    )
    app.menu("2", "flow.wire_value")
    app.entry("width").click()
    app.sheet().get_by_role("button", name="#1").first.click()
    app.press("flow.connect_apply")
    app.closed()
    assert app.graph()["2"]["inputs"]["width"] == ["1", 0]
    app.card("2").get_by_role("button", name=app.t("field.unlink", label="width")).click()
    app.until("!Array.isArray(store.draft.value.graph['2'].inputs.width) && 1")


def test_a_dynamic_combo_brings_its_fields_and_a_picture_is_there_at_once(app):
    with app.expecting("filename=missing.png"):
        app.open_graph(
            {
                "1": node("LoadImage", image="missing.png"),
                "2": node(
                    "ResizeImageMaskNode",
                    input=["1", 0],
                    scale_method="area",
                    resize_type="scale by multiplier",
                ),
            }
        )
        expect(app.card("1").get_by_role("button", name=re.compile(f"^{app.t('fix.use')}"))).to_be_visible()
        app.field("1", "image").click()
        with app.page.expect_file_chooser() as chooser:
            app.press("image.upload_image")
        chooser.value.set_files(PICTURE)
        app.closed()
        name = app.graph()["1"]["inputs"]["image"]
        app.field("1", "image").click()
        expect(app.sheet().get_by_role("button", name=name, pressed=True)).to_be_visible()
        app.page.go_back()
        app.closed()
        app.field("2", "resize_type").click()
        app.sheet().get_by_role("button", name="scale dimensions").click()
        app.closed()
        expect(app.card("2").get_by_label("width", exact=True).first).to_be_visible()
        assert app.graph()["2"]["inputs"]["resize_type"] == "scale dimensions"


def test_node_classes_that_cannot_be_read_are_told_with_a_way_on(pages):
    app = pages()
    graph = {"1": node("EmptyImage", width=64, height=64, batch_size=1, color=0)}
    with app.expecting("ext/catalog", "ext/events"):
        app.page.route("**/ext/catalog", lambda route: route.fulfill(status=500, body="broken"))
        app.goto()
        app.open_graph(graph)
        banner = app.page.locator(".banner", has_text=app.t("flow.no_catalog"))
        expect(banner.locator("code")).to_be_visible()
        expect(banner.get_by_role("button", name=app.t("flow.copy_details"))).to_be_visible()
        expect(app.card("1").get_by_label("width", exact=True)).to_have_value("64")
        app.page.unroute("**/ext/catalog")
    banner.get_by_role("button", name=app.t("ui.try_again")).click()
    expect(app.card("1").get_by_label(app.t("field.pick_color", label="color"))).to_be_visible()
