import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf } from "../../../web/app/core/fields.js";
import { flat, specs } from "./shared.mjs";

const make = (class_type, inputs = {}) => fieldsOf(specs.get(class_type), { class_type, inputs });
const field = (class_type, name, inputs = {}) => flat(make(class_type, inputs)).find((one) => one.name === name);
/** A class with one param. */
const about = (param, value) => {
  const spec = { name: "X", inputs: [], outputs: [], params: [{ name: "a", required: true, ...param }] };
  return fieldsOf(spec, { class_type: "X", inputs: value === undefined ? {} : { a: value } })[0];
};

test("a whole number: limits and step; a slider only where a thumb can set it", () => {
  const steps = field("KSampler", "steps", { steps: 25 });
  assert.deepEqual([steps.kind, steps.value, steps.min, steps.max, steps.step, steps.slider, steps.set], ["int", 25, 1, 10000, 1, false, true]);
  assert.equal(about({ type: "INT", min: 0, max: 200 }).slider, true);
  assert.equal(about({ type: "INT", min: 0, max: 201 }).slider, false);
  assert.equal(about({ type: "INT", min: 0 }).slider, false);
});

test("a number: as many decimals as its step, or as it has", () => {
  const cfg = field("KSampler", "cfg");
  assert.deepEqual([cfg.kind, cfg.value, cfg.step, cfg.digits, cfg.set], ["float", 8, 0.1, 2, false]);
  assert.equal(field("KSampler", "denoise", { denoise: 0.625 }).digits, 3);
  assert.equal(about({ type: "FLOAT", step: 1e-7 }).digits, 7);
  assert.equal(about({ type: "FLOAT" }, 5e-324).digits, 10);
});

test("a seed, by what the class says or by its name", () => {
  const seed = field("KSampler", "seed", { seed: 42 });
  assert.deepEqual([seed.kind, seed.control, seed.max, seed.limit], ["seed", "randomize", Number.MAX_SAFE_INTEGER, "18446744073709551615"]);
  assert.deepEqual([field("PrimitiveInt", "value").kind, field("PrimitiveInt", "value").control], ["seed", "fixed"]);
  assert.equal(about({ type: "INT", max: 10 }).kind, "int");
  assert.equal(fieldsOf({ inputs: [], outputs: [], params: [{ name: "a.noise_seed", type: "INT", required: true }] }, { inputs: {} })[0].kind, "seed");
});

test("a seed beyond 2^53 stays the text it is", () => {
  const seed = field("KSampler", "seed", { seed: "18446744073709551615" });
  assert.deepEqual([seed.kind, seed.value, seed.exact], ["seed", "18446744073709551615", true]);
});

test("a switch, with what it calls on and off", () => {
  const found = about({ type: "BOOLEAN", label_on: "yes", label_off: "no" }, true);
  assert.deepEqual([found.kind, found.value, found.label_on, found.label_off], ["switch", true, "yes", "no"]);
});

test("a few short options are beside each other, others in a list", () => {
  assert.equal(field("KSampler", "sampler_name").kind, "picker");
  assert.equal(about({ type: "COMBO", options: ["a", "b", "c", "d", "e"] }).kind, "segmented");
  assert.equal(about({ type: "COMBO", options: ["a", "b", "c", "d", "e", "f"] }).kind, "picker");
  assert.equal(about({ type: "COMBO", options: ["a name of some length", "another such name"] }).kind, "picker");
  assert.deepEqual([about({ type: "COMBO", options: [] }).kind, about({ type: "COMBO", options: [] }, "x").kind, about({ type: "COMBO", options: [] }, 5).kind], ["text", "text", "raw"]);
});

test("options of any JSON type keep it", () => {
  const found = field("LtxvApiTextToVideo", "duration", { duration: 8 });
  assert.equal(found.value, 8);
  assert.ok(found.options.includes(10) && !found.options.includes("10"));
  const odd = about({ type: "COMBO", options: [true, null, { a: 1 }] }, { a: 1 });
  assert.deepEqual([odd.kind, odd.value], ["segmented", { a: 1 }]);
});

test("several options are a list, wrapped in the workflow and unwrapped in the field", () => {
  const found = about({ type: "COMBO", options: ["a", "b", "c"], multiselect: true }, { __value__: ["a", "c"] });
  assert.deepEqual([found.kind, found.multiple, found.value], ["picker", true, ["a", "c"]]);
  assert.equal(about({ type: "COMBO", options: ["a"], multiselect: true }).value, undefined);
});

test("options that the server gives elsewhere; without them the name can be typed", () => {
  const remote = { type: "COMBO", remote: { route: "/internal/files/output" } };
  assert.deepEqual([about(remote, "a.png").kind, about(remote, "a.png").remote], ["text", "/internal/files/output"]);
  const spec = { inputs: [], outputs: [], params: [{ name: "a", required: true, ...remote }] };
  const live = { remote: { "/internal/files/output": ["a.png", "a rather long name of a file.png", "b.png"] } };
  const [found] = fieldsOf(spec, { class_type: "X", inputs: {} }, live);
  assert.deepEqual([found.kind, found.value], ["picker", "a.png"]);
});

test("models by folder, files by kind", () => {
  const model = field("CheckpointLoaderSimple", "ckpt_name", { ckpt_name: "gone.safetensors" });
  assert.deepEqual([model.kind, model.folder, model.value], ["model", "checkpoints", "gone.safetensors"]);
  assert.equal(field("LoadImage", "image").kind, "image");
  assert.equal(field("LoadImageOutput", "image", { image: "a.png [output]" }).kind, "image");
  assert.equal(field("LoadAudio", "audio").kind, "audio");
  assert.equal(field("LoadVideo", "file").kind, "video");
  assert.equal(about({ type: "COMBO", upload: "file", options: [] }).kind, "file");
  assert.equal(field("Painter", "mask").kind, "image");
});

test("texts of one line and of several", () => {
  assert.equal(field("SaveImage", "filename_prefix").kind, "text");
  assert.equal(field("CLIPTextEncode", "text", { text: "x" }).kind, "multiline");
  assert.deepEqual([field("ColorToRGBInt", "color").kind, field("ColorToRGBInt", "color").value], ["color", "#ffffff"]);
  assert.equal(about({ type: "MARKDOWN" }, "# Note").kind, "multiline");
});

test("what is hidden or advanced says so", () => {
  assert.equal(field("Painter", "width").hidden, true);
  assert.equal(about({ type: "INT", advanced: true }).advanced, true);
});

test("a dynamic combo has the fields of its value inside it", () => {
  const inputs = { resize_type: "scale dimensions", "resize_type.width": 640, "resize_type.height": 480, "resize_type.crop": "center" };
  const found = field("ResizeImageMaskNode", "resize_type", inputs);
  assert.equal(found.kind, "dynamic");
  assert.deepEqual(Object.fromEntries(found.children.map((one) => [one.name, [one.label, one.value]])), {
    "resize_type.crop": ["crop", "center"],
    "resize_type.height": ["height", 480],
    "resize_type.width": ["width", 640],
  });
  assert.deepEqual(field("ResizeImageMaskNode", "resize_type").children.map((one) => one.set), [false, false, false]);
  assert.deepEqual(field("ResizeImageMaskNode", "resize_type", { resize_type: "toString" }).children, []);
});

test("what another value of a dynamic combo left behind is still there", () => {
  const found = make("ResizeImageMaskNode", { resize_type: "scale width", "resize_type.width": 640, "resize_type.multiplier": 2 });
  const left = found.find((one) => one.name === "resize_type.multiplier");
  assert.deepEqual([left.kind, left.value, left.unknown], ["raw", 2, true]);
});

test("dynamic combos within dynamic combos", () => {
  const spec = specs.get("SaveVideo");
  const [outer] = spec.params.filter((one) => one.variants);
  const key = Object.keys(outer.variants).find((each) => outer.variants[each].params.some((one) => one.variants));
  const inner = outer.variants[key].params.find((one) => one.variants);
  const found = field("SaveVideo", outer.name, { [outer.name]: key });
  const within = found.children.find((one) => one.name === inner.name);
  assert.equal(within.kind, "dynamic");
  assert.ok(within.children);
});

test("a dynamic slot has further fields once it is linked", () => {
  const variants = { linked: { inputs: [], params: [{ name: "a.strength", type: "FLOAT", required: true, default: 1 }] } };
  const spec = { inputs: [{ name: "a", type: "IMAGE", required: false, variants }], outputs: [], params: [] };
  assert.deepEqual(fieldsOf(spec, { class_type: "X", inputs: {} }), []);
  const found = fieldsOf(spec, { class_type: "X", inputs: { a: ["1", 0], "a.strength": 0.5 } });
  assert.deepEqual(found.map((one) => [one.name, one.kind, one.value]), [["a.strength", "float", 0.5]]);
});

test("a widget that is linked says where to, whatever its type", () => {
  for (const [name, value] of [["steps", ["10", 0]], ["sampler_name", ["12:3", 2]]]) {
    const found = field("KSampler", name, { [name]: value });
    assert.deepEqual([found.kind, found.source, found.type], ["linked", { node: value[0], slot: value[1] }, name === "steps" ? "INT" : "COMBO"]);
  }
});

test("links into sockets are ports, but a value in a socket's place is a field", () => {
  assert.equal(field("KSampler", "model", { model: ["4", 0] }), undefined);
  const found = field("KSampler", "model", { model: "text" });
  assert.deepEqual([found.kind, found.value, found.unknown], ["raw", "text", undefined]);
  const grown = make("GLSLShader", { "floats.u_float0": 0.5, "floats.u_float2": ["3", 0], "bools.u_bool0": true });
  const shown = grown.filter((one) => /u_/.test(one.name)).map((one) => [one.name, one.label, one.kind, one.value]);
  assert.deepEqual(shown, [["floats.u_float0", "u_float0", "float", 0.5], ["bools.u_bool0", "u_bool0", "switch", true]]);
});

test("types without an editor, names that nobody knows and values that are no such type are raw, and all there", () => {
  const curve = field("CurveEditor", "curve");
  assert.deepEqual([curve.kind, curve.value.points.length], ["raw", 2]);
  const found = make("KSampler", { steps: { a: 1 }, cfg: "much", denoise: null, sampler_name: [1, 2, 3], extra: { __value__: [1] }, toString: 5 });
  const raw = Object.fromEntries(found.filter((one) => one.kind === "raw").map((one) => [one.name, [one.value, one.unknown ?? false]]));
  assert.deepEqual(raw, { steps: [{ a: 1 }, false], cfg: ["much", false], denoise: [null, false], extra: [[1], true], toString: [5, true] });
  assert.deepEqual(found.find((one) => one.name === "sampler_name").value, [1, 2, 3]);
});

test("texts that ComfyUI reads as numbers are numbers", () => {
  assert.deepEqual([field("KSampler", "steps", { steps: "20" }).kind, field("KSampler", "steps", { steps: "" }).kind], ["int", "raw"]);
});

test("a node of a class that is not installed shows every value", () => {
  const found = fieldsOf(undefined, { class_type: "Gone", inputs: { a: 1, b: ["4", 0], c: { __value__: [] }, d: ["4", 0.5] } });
  assert.deepEqual(found.map((one) => [one.name, one.kind, one.value]), [["a", "raw", 1], ["c", "raw", []], ["d", "raw", ["4", 0.5]]]);
  assert.deepEqual(fieldsOf(undefined, { class_type: "Broken" }), []);
});

test("what nothing is known of is edited as what it is, and a long text as a prompt", () => {
  const inputs = { short: "a cat", long: "a cat ".repeat(9), lines: "a\nb", on: true, number: 4, none: null, list: { __value__: ["x"] } };
  const found = fieldsOf(undefined, { class_type: "Gone", inputs });
  const kinds = { short: "text", long: "multiline", lines: "multiline", on: "switch", number: "raw", none: "raw", list: "raw" };
  assert.deepEqual(Object.fromEntries(found.map((one) => [one.name, one.kind])), kinds);
  assert.ok(found.every((one) => !one.unknown), "the card says it once for the whole class");
});

test("a number that means a color is one", () => {
  assert.equal(about({ type: "INT", display: "color" }, 255).kind, "color");
  assert.equal(about({ type: "INT", display: "color" }, "much").kind, "raw");
});

test("a list of colors is one as long as all of it are texts", () => {
  assert.equal(about({ type: "COLORS" }, { __value__: ["#fff", "red"] }).kind, "colors");
  assert.equal(about({ type: "COLORS" }).kind, "colors");
  assert.equal(about({ type: "COLORS" }, { __value__: ["#fff", 4] }).kind, "raw");
  assert.equal(about({ type: "COLORS" }, "red").kind, "raw");
});

test("where nothing is set, there is what ComfyUI's page has", () => {
  assert.equal(about({ type: "INT", min: 5 }).value, 5);
  assert.equal(about({ type: "INT", min: -5, max: -1 }).value, -1);
  assert.equal(about({ type: "INT", min: -5 }).value, 0);
  assert.equal(about({ type: "STRING" }).value, "");
  assert.equal(about({ type: "BOOLEAN" }).value, false);
  assert.equal(about({ type: "COMBO", options: [3, 4] }).value, 3);
  assert.equal(about({ type: "INT", default: 0, min: 5 }).value, 0);
});
