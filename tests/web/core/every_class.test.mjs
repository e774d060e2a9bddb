import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf, parseValue, ports, unwrap, wrap } from "../../../web/app/core/fields.js";
import { isLink } from "../../../web/app/core/graph.js";
import { everySpec, flat } from "./shared.mjs";

const { all = [], skip } = everySpec();

/** The inputs of a new node: every field as it is shown, set. */
const defaults = (spec, inputs = {}) =>
  Object.fromEntries(
    flat(fieldsOf(spec, { class_type: spec.name, inputs })).filter((one) => one.value !== undefined).map((one) => [one.name, wrap(one.value)]),
  );

/** Sets of inputs that show everything a class may have: each value of each dynamic combo, all sockets linked. */
function* everyNode(spec) {
  const keys = spec.params.filter((one) => one.variants).flatMap((one) => Object.keys(one.variants).map((key) => [one.name, key]));
  for (const [name, key] of [[], ...keys]) {
    const inputs = defaults(spec, name === undefined ? {} : { [name]: key });
    const { inputs: sockets } = ports(spec, { class_type: spec.name, inputs }, {}, "1");
    for (const socket of sockets) inputs[socket.name] = ["2", 0];
    yield inputs;
  }
}

/** Each input is in one place: a field with its very value, or a port with its link. */
function checkWhole(spec, inputs) {
  const node = { class_type: spec.name, inputs };
  const fields = flat(fieldsOf(spec, node));
  const sockets = ports(spec, node, { 1: node }, "1").inputs.filter((one) => one.link);
  const names = [...fields.filter((one) => one.set), ...sockets].map((one) => one.name);
  assert.deepEqual([...names].sort(), Object.keys(inputs).sort(), spec.name);
  for (const one of fields.filter((each) => each.set)) {
    if (one.kind === "linked") assert.deepEqual([one.source.node, one.source.slot], inputs[one.name], `${spec.name} ${one.name}`);
    else assert.deepEqual(one.value, unwrap(inputs[one.name]), `${spec.name} ${one.name}`);
  }
}

test("no input of any class is lost", { skip }, () => {
  let nodes = 0;
  for (const spec of all) {
    for (const inputs of everyNode(spec)) {
      checkWhole(spec, inputs);
      checkWhole(spec, { ...inputs, "not.known": { a: 1 }, neither: ["3", 1], list: { __value__: [1, 2] }, bad: ["3", 0.5], nothing: null });
      const linked = Object.fromEntries(Object.keys(inputs).map((name) => [name, ["2", 0]]));
      checkWhole(spec, linked);
      const odd = Object.fromEntries(Object.keys(inputs).map((name, at) => [name, [null, { a: [] }, { __value__: [["4", 0]] }, "text", -1, true][at % 6]]));
      checkWhole(spec, odd);
      nodes += 1;
    }
  }
  assert.ok(all.length > 800 && nodes > all.length, `${all.length} classes, ${nodes} nodes`);
});

const WITHOUT_EDITOR = new Set(["COLORS", "CURVE", "BOUNDING_BOX", "BOUNDING_BOXES", "LOAD_3D", "IMAGECOMPARE", "COMPOSITOR", "AUDIO_RECORD", "WEBCAM"]);

test("every param has an editor of its own, but for types that need ComfyUI's page", { skip }, () => {
  for (const spec of all) {
    for (const inputs of everyNode(spec)) {
      for (const field of flat(fieldsOf(spec, { class_type: spec.name, inputs }))) {
        if (field.kind === "raw") assert.ok(WITHOUT_EDITOR.has(field.type), `${spec.name} ${field.name}: ${field.type}`);
        assert.ok(field.label, `${spec.name} ${field.name}`);
      }
    }
  }
});

test("what is shown, typed again as it is, is the same value", { skip }, () => {
  for (const spec of all) {
    for (const field of flat(fieldsOf(spec, { class_type: spec.name, inputs: defaults(spec) }))) {
      if (field.value === undefined || !["int", "float", "seed", "text", "multiline"].includes(field.kind)) continue;
      assert.deepEqual(parseValue(field, String(field.value)), { value: field.value }, `${spec.name} ${field.name}`);
    }
  }
});

test("links stand in fields only where a widget would", { skip }, () => {
  for (const spec of all) {
    for (const inputs of everyNode(spec)) {
      const fields = flat(fieldsOf(spec, { class_type: spec.name, inputs }));
      assert.ok(fields.every((one) => !isLink(one.value)), spec.name);
    }
  }
});

/** Nodes as ComfyUI's own templates have them, with what its page keeps beside the widgets. */
const REAL = [
  [{ class_type: "CustomCombo", inputs: { choice: "b", index: 1, option1: "a", option2: "b", option3: "" } }, { choice: "text", option1: "text", index: "raw" }],
  [{ class_type: "SaveGLB", inputs: { filename_prefix: "mesh/x", image: "", mesh: ["9", 0] } }, { filename_prefix: "text", image: "text" }],
  [{ class_type: "Load3D", inputs: { clear: "clear", width: 64, height: 64, image: { camera_info: { far: 1 }, model_3d_info: [] }, model_file: "toy.glb", "upload 3d model": "x" } }, { image: "raw", width: "int", "upload 3d model": "text" }],
  [{ class_type: "BuildJsonPromptIdeogram", inputs: { color_palette: { __value__: ["#0a1628", "#ffffff"] }, background: "dark", element: ["9", 2] } }, { color_palette: "colors", background: "multiline" }],
  [{ class_type: "ResizeImageMaskNode", inputs: { input: ["8", 0], resize_type: "scale dimensions", "resize_type.crop": "center", "resize_type.width": 64, "resize_type.height": 64, scale_method: "lanczos" } }, { resize_type: "dynamic", "resize_type.crop": "segmented", "resize_type.width": "int" }],
  [{ class_type: "PreviewAny", inputs: { source: ["1", 0] } }, {}],
  [{ class_type: "EmptyImage", inputs: { width: 64, height: 64, batch_size: 1, color: 255 } }, { color: "color" }],
];

test("nodes as templates have them keep every value, each in an editor of its kind", { skip }, () => {
  for (const [node, kinds] of REAL) {
    const spec = all.find((one) => one.name === node.class_type);
    checkWhole(spec, node.inputs);
    const found = Object.fromEntries(flat(fieldsOf(spec, node)).map((one) => [one.name, one.kind]));
    for (const [name, kind] of Object.entries(kinds)) assert.equal(found[name], kind, `${node.class_type} ${name}`);
  }
});
