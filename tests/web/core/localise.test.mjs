import assert from "node:assert/strict";
import { test } from "node:test";
import { titleOf } from "../../../web/app/core/graph.js";
import { localised } from "../../../web/app/core/localise.js";

const SPEC = {
  name: "Resize.Node",
  display_name: "Resize",
  category: "image",
  description: "Resizes.",
  pack: "core",
  inputs: [{ name: "image", type: "IMAGE", required: true, tooltip: "What to resize." }],
  params: [
    {
      name: "mode",
      type: "COMBO",
      required: true,
      options: ["to"],
      variants: { to: { inputs: [], params: [{ name: "mode.width", type: "INT", required: true }] } },
    },
  ],
  outputs: [{ name: "IMAGE", type: "IMAGE" }],
  flags: { output_node: false, deprecated: false, experimental: false, api_node: false },
  search_aliases: ["scale"],
};
const NAMES = {
  Resize_Node: {
    display_name: "缩放",
    inputs: { image: { name: "图像" }, mode: { name: "模式", tooltip: "怎样缩放。" }, mode_width: { name: "宽度" } },
    outputs: { 0: { name: "图像", tooltip: "结果。" } },
  },
};

test("a class, its ports and those of its variants have their names", () => {
  const made = localised(SPEC, NAMES);
  assert.equal(made.display_name, "缩放");
  assert.equal(made.description, "Resizes.");
  assert.deepEqual(made.inputs, [{ ...SPEC.inputs[0], display_name: "图像" }]);
  assert.deepEqual([made.params[0].display_name, made.params[0].tooltip], ["模式", "怎样缩放。"]);
  assert.equal(made.params[0].variants.to.params[0].display_name, "宽度");
  assert.deepEqual(made.outputs, [{ name: "IMAGE", type: "IMAGE", tooltip: "结果。" }]);
});

test("the English name still finds it, and is no title that somebody gave", () => {
  const made = localised(SPEC, NAMES);
  assert.deepEqual(made.search_aliases, ["scale", "Resize"]);
  assert.equal(titleOf({ class_type: SPEC.name, inputs: {}, _meta: { title: "Resize" } }, made), "缩放");
  assert.equal(titleOf({ class_type: SPEC.name, inputs: {}, _meta: { title: "Mine" } }, made), "Mine");
});

test("what a dictionary lacks, or has in another form, leaves the class as it is", () => {
  assert.equal(localised(SPEC, {}), SPEC);
  assert.equal(localised({ ...SPEC, name: "constructor" }, {}).display_name, "Resize");
  for (const names of [null, "缩放", { inputs: null, outputs: null, display_name: 7 }, { inputs: { image: { name: "" } } }]) {
    const made = localised(SPEC, { Resize_Node: names });
    assert.equal(made.display_name, "Resize");
    assert.equal(made.inputs[0].display_name, undefined);
  }
});
