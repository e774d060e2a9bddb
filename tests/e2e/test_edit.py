"""Editing: every operation by thumb, each undone to the same JSON, and nothing lost by a reload."""

import copy

import pytest
from browsing import expect


@pytest.fixture
def flow(app):
    """A template of seven nodes, open as cards."""
    app.open_template("text_to_image_sd15")
    return app


def undone(app, before, steps=1):
    """Undo so many times and see the same workflow as before."""
    for _ in range(steps):
        app.page.get_by_role("banner").get_by_role("button", name=app.t("ui.undo"), exact=True).click()
    assert app.graph() == before
    return app


def node_of(graph, class_type):
    return next((node_id, node) for node_id, node in graph.items() if node["class_type"] == class_type)


def pick(app, name):
    """Choose a node class by its name in the sheet that is open."""
    app.sheet().get_by_role("searchbox", name=app.t("flow.search_nodes")).fill(name)
    app.sheet().get_by_role("list", name=app.t("flow.search_results")).get_by_role(
        "button", name=name
    ).first.click()


def applied(app, key):
    """Wait for the dry run, do what it says, and wait until the sheet is gone."""
    expect(app.sheet().get_by_role("list", name=app.t("flow.plan"))).to_be_visible()
    app.press(key)
    app.closed()


def test_a_template_opens_as_cards_in_the_order_of_the_work(flow):
    titles = flow.page.get_by_role("article").evaluate_all(
        "all => all.map((one) => one.id.replace('node-', ''))"
    )
    graph = flow.graph()
    assert sorted(titles) == sorted(graph)
    for node_id, node in graph.items():
        for value in node["inputs"].values():
            if isinstance(value, list):
                assert titles.index(value[0]) < titles.index(node_id)
    assert graph[titles[0]]["class_type"] == "CheckpointLoaderSimple"


def test_values_are_edited_and_undone_field_by_field(flow):
    before = flow.graph()
    sampler, _ = node_of(before, "KSampler")
    prompt, _ = node_of(before, "CLIPTextEncode")
    field = flow.field(sampler, "steps")
    field.fill("12")
    field.press("Enter")
    flow.field(prompt, "text").fill("a red boat")
    flow.field(prompt, "text").blur()
    flow.card(sampler).get_by_role("button", name=flow.t("ui.greater", label="cfg")).click()
    after = flow.graph()
    assert (after[sampler]["inputs"]["steps"], after[prompt]["inputs"]["text"]) == (12, "a red boat")
    assert after[sampler]["inputs"]["cfg"] > before[sampler]["inputs"]["cfg"]
    undone(flow, before, 3)
    for _ in range(3):
        flow.page.get_by_role("banner").get_by_role("button", name=flow.t("ui.redo"), exact=True).click()
    assert flow.graph() == after


def test_a_number_beyond_the_limits_is_drawn_back(flow):
    sampler, _ = node_of(flow.graph(), "KSampler")
    field = flow.field(sampler, "denoise")
    stepper = flow.card(sampler).get_by_role("textbox", name="denoise")
    stepper.fill("7")
    stepper.press("Enter")
    assert flow.graph()[sampler]["inputs"]["denoise"] == 1
    assert field is not None


def test_a_choice_is_made_in_a_sheet_with_a_search(flow):
    before = flow.graph()
    sampler, _ = node_of(before, "KSampler")
    flow.field(sampler, "sampler_name").click()
    flow.sheet().get_by_role("searchbox").fill("eul")
    flow.sheet().get_by_role("button", name="euler", exact=True).click()
    flow.closed()
    assert flow.graph()[sampler]["inputs"]["sampler_name"] == "euler"
    undone(flow, before)


def test_a_node_is_added_behind_another(flow):
    before = flow.graph()
    decode, _ = node_of(before, "VAEDecode")
    flow.menu(decode, "flow.add_behind")
    pick(flow, "Preview Image")
    applied(flow, "flow.add_apply")
    made, node = node_of(flow.graph(), "PreviewImage")
    assert node["inputs"]["images"] == [decode, 0]
    expect(flow.card(made)).to_be_in_viewport()
    undone(flow, before)


def test_a_node_is_inserted_into_a_link(flow):
    before = flow.graph()
    decode, _ = node_of(before, "VAEDecode")
    save, _ = node_of(before, "SaveImage")
    flow.card(decode).get_by_role("button", name=flow.t("flow.output_menu", output="IMAGE")).click()
    flow.entry(flow.t("flow.insert_all")).click()
    pick(flow, "Invert Image")
    applied(flow, "flow.insert_apply")
    after = flow.graph()
    made, node = node_of(after, "ImageInvert")
    assert node["inputs"]["image"] == [decode, 0]
    assert after[save]["inputs"]["images"] == [made, 0]
    undone(flow, before)


def test_a_branch_is_put_beside_a_node(flow):
    before = flow.graph()
    decode, _ = node_of(before, "VAEDecode")
    flow.menu(decode, "flow.parallel")
    applied(flow, "flow.parallel_apply")
    after = flow.graph()
    assert [node["class_type"] for node in after.values()].count("VAEDecode") == 2
    assert [node["class_type"] for node in after.values()].count("SaveImage") == 2
    undone(flow, before)


def test_a_node_is_replaced_and_keeps_what_fits(flow):
    before = flow.graph()
    save, node = node_of(before, "SaveImage")
    flow.menu(save, "flow.replace")
    pick(flow, "Preview Image")
    expect(flow.sheet().get_by_text(flow.t("flow.keeps"))).to_be_visible()
    applied(flow, "flow.replace_apply")
    after = flow.graph()[save]
    assert (after["class_type"], after["inputs"]["images"]) == ("PreviewImage", node["inputs"]["images"])
    undone(flow, before)


def test_an_input_is_connected_to_something_else(flow):
    before = flow.graph()
    sampler, node = node_of(before, "KSampler")
    negative = node["inputs"]["negative"][0]
    flow.card(sampler).get_by_role("button", name=flow.t("flow.inputs_fold", count=4)).click()
    flow.card(sampler).get_by_role("button", name=flow.t("flow.input_menu", input="positive")).click()
    flow.entry(flow.t("flow.rewire")).click()
    flow.sheet().get_by_role("button", name=f"#{negative},").first.click()
    applied(flow, "flow.connect_apply")
    assert flow.graph()[sampler]["inputs"]["positive"] == [negative, 0]
    undone(flow, before)


def test_an_input_is_disconnected_and_the_finding_offers_it_back(flow):
    before = flow.graph()
    decode, node = node_of(before, "VAEDecode")
    flow.card(decode).get_by_role("button", name=flow.t("flow.inputs_fold", count=2)).click()
    flow.card(decode).get_by_role("button", name=flow.t("flow.input_menu", input="vae"), exact=True).click()
    flow.entry(flow.t("flow.disconnect")).click()
    applied(flow, "flow.disconnect_apply")
    assert "vae" not in flow.graph()[decode]["inputs"]
    expect(flow.card(decode)).to_have_attribute("data-state", "invalid")
    flow.card(decode).get_by_role("button", name=flow.pattern("fix.connect")).or_(
        flow.card(decode).get_by_role("button", name=flow.t("fix.connect"))
    ).first.click()
    expect(flow.card(decode)).not_to_have_attribute("data-state", "invalid")
    assert flow.graph()[decode]["inputs"]["vae"] == node["inputs"]["vae"]


def test_a_node_is_removed_bridged_and_brought_back_by_the_toast(flow):
    before = flow.graph()
    decode, _ = node_of(before, "VAEDecode")
    flow.menu(decode, "flow.add_behind")
    pick(flow, "Invert Image")
    applied(flow, "flow.add_apply")
    between = flow.graph()
    invert, _ = node_of(between, "ImageInvert")
    flow.menu(invert, "flow.remove")
    applied(flow, "flow.remove_apply")
    assert invert not in flow.graph()
    toast = flow.page.get_by_role("button", name=flow.t("edit.undo"), exact=True).last
    toast.click()
    assert flow.graph() == between
    undone(flow, before)


def test_a_node_is_bypassed_duplicated_renamed_and_all_is_undone(flow):
    before = flow.graph()
    steps = copy.deepcopy(before)
    prompt, _ = node_of(before, "CLIPTextEncode")
    flow.menu(prompt, "flow.duplicate")
    expect(flow.page.locator("article")).to_have_count(len(before) + 1)
    decode, _ = node_of(before, "VAEDecode")
    flow.menu(decode, "flow.rename")
    flow.sheet().get_by_label(flow.t("flow.title")).fill("To pixels")
    flow.press("flow.rename_apply")
    flow.closed()
    expect(flow.page.get_by_role("article", name="To pixels")).to_be_visible()
    assert steps == before
    undone(flow, before, 2)


def test_a_card_can_be_found_by_search_and_by_its_chips(flow):
    sampler, _ = node_of(flow.graph(), "KSampler")
    loader, _ = node_of(flow.graph(), "CheckpointLoaderSimple")
    flow.card(loader).get_by_role("button", name=flow.pattern("port.leads_to", name="MODEL")).click()
    expect(flow.card(sampler)).to_be_in_viewport()
    box = flow.page.get_by_role("searchbox", name=flow.t("flow.search_cards"))
    box.fill("sampler")
    expect(flow.page.locator("article")).to_have_count(1)
    box.fill("")
    expect(flow.page.locator("article")).to_have_count(len(flow.graph()))


def test_a_reload_in_mid_edit_keeps_the_draft_and_its_history(flow):
    before = flow.graph()
    sampler, _ = node_of(before, "KSampler")
    decode, _ = node_of(before, "VAEDecode")
    field = flow.field(sampler, "steps")
    field.fill("9")
    field.press("Enter")
    flow.menu(decode, "flow.add_behind")
    pick(flow, "Preview Image")
    applied(flow, "flow.add_apply")
    prompt, _ = node_of(before, "CLIPTextEncode")
    flow.field(prompt, "text").fill("typed and not left")
    now = flow.graph()
    flow.page.reload()
    flow.ready()
    assert flow.graph() == now
    assert now[prompt]["inputs"]["text"] == "typed and not left"
    undone(flow, before, 3)


def test_the_back_button_closes_a_sheet_and_not_the_page(flow):
    sampler, _ = node_of(flow.graph(), "KSampler")
    trigger = flow.menu_button(sampler)
    trigger.click()
    expect(flow.sheet()).to_be_visible()
    flow.page.go_back()
    flow.closed()
    expect(flow.card(sampler)).to_be_visible()
    expect(trigger).to_be_focused()


def test_an_unknown_node_keeps_its_values_and_can_be_replaced(app):
    graph = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255},
        },
        "2": {
            "class_type": "NoSuchNode",
            "inputs": {"image": ["1", 0], "strange": {"a": [1, 2]}, "number": 4},
        },
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    app.open_graph(graph)
    assert app.graph() == graph
    expect(app.card("2")).to_have_attribute("data-state", "invalid")
    expect(app.card("2").get_by_label("strange")).to_be_visible()
    app.menu("2", "flow.replace")
    pick(app, "Invert Image")
    applied(app, "flow.replace_apply")
    assert app.graph()["2"]["class_type"] == "ImageInvert"
    undone(app, graph)
