import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as ops from "../../../web/app/core/ops.js";
import { translator } from "../../../web/app/core/i18n.js";
import { specs, textToImage } from "./shared.mjs";

const texts = (language) => JSON.parse(readFileSync(new URL(`../../../web/app/locales/en.json`.replace("en.", `${language}.`), import.meta.url), "utf8"));
const english = translator("en", texts("en"));
const chinese = translator("zh", texts("zh"));

const say = (changes, { created = [], workflow = textToImage() } = {}) => {
  const lines = ops.summary({ changes: changes.map((one) => ({ op: 0, ...one })), created, workflow, inverse: [] }, specs);
  for (const { key, params } of lines) {
    const text = chinese(key, params);
    assert.ok(/\p{Script=Han}/u.test(text) && !/[{}]/.test(text), text);
  }
  return lines.map(({ key, params }) => english(key, params));
};

test("a value is set as docs/patching.md has it", () => {
  assert.deepEqual(ops.setParam("3", "cfg", 7), { op: "set_param", node_id: "3", param: "cfg", value: 7 });
});

test("a node that is put in: what it is and what it is wired by", () => {
  const node = { class_type: "LoraLoader", inputs: { lora_name: "x", model: ["4", 0], clip: ["4", 1] } };
  const changes = [
    { kind: "node_added", node_id: "10", class_type: "LoraLoader", new: node },
    { kind: "input_set", node_id: "10", class_type: "LoraLoader", input: "strength_model", new: 1 },
    { kind: "input_set", node_id: "3", class_type: "KSampler", input: "model", old: ["4", 0], new: ["10", 0] },
  ];
  const workflow = { ...textToImage(), 10: node };
  assert.deepEqual(say(changes, { created: [{ node_id: "10", class_type: "LoraLoader" }], workflow }), [
    `Adds ${specs.get("LoraLoader").display_name}`,
    "Wires MODEL, CLIP",
  ]);
});

test("many nodes are counted", () => {
  const classes = ["KSampler", "KSampler", "VAEDecode", "SaveImage", "LoadImage", "A", "B", "C"];
  const changes = classes.map((class_type, at) => ({ kind: "node_removed", node_id: `${20 + at}`, class_type, old: { class_type, inputs: {} } }));
  assert.deepEqual(say(changes), ["Removes KSampler × 2, VAE Decode, Save Image, Load Image, A + 2"]);
});

test("what is lost, taken back and set, by the names that people gave", () => {
  const workflow = textToImage();
  workflow[3]._meta = { title: "Main pass" };
  const at3 = { node_id: "3", class_type: "KSampler" };
  assert.deepEqual(
    say(
      [
        { kind: "class_changed", ...at3, old: "KSamplerAdvanced", new: "KSampler" },
        { kind: "input_dropped", ...at3, input: "noise_seed", old: 5, reason: "…" },
        { kind: "input_removed", ...at3, input: "model", old: ["4", 0] },
        { kind: "input_removed", ...at3, input: "extra", old: 1 },
        { kind: "input_set", ...at3, input: "steps", old: ["9", 0], new: 20 },
        { kind: "input_set", ...at3, input: "cfg", old: 8, new: 7.5 },
        { kind: "input_set", ...at3, input: "text", new: "x".repeat(99) },
        { kind: "input_set", ...at3, input: "list", new: { __value__: [1] } },
      ],
      { workflow },
    ),
    [
      "Replaces KSamplerAdvanced with KSampler",
      "Drops noise_seed of Main pass",
      "Unlinks model of Main pass",
      "Clears extra of Main pass",
      "Unlinks steps of Main pass",
      "Sets cfg of Main pass to 7.5",
      `Sets text of Main pass to ${"x".repeat(39)}…`,
      "Sets list of Main pass to [1]",
    ],
  );
});

test("titles, bypassing and what is put back", () => {
  const at3 = { node_id: "3", class_type: "KSampler" };
  assert.deepEqual(
    say([
      { kind: "meta_set", ...at3, key: "title", new: "Main" },
      { kind: "meta_set", ...at3, key: "title", old: "Main" },
      { kind: "meta_set", ...at3, key: "bypassed", new: [] },
      { kind: "meta_set", ...at3, key: "bypassed", old: [] },
      { kind: "node_restored", ...at3, old: {}, new: {} },
    ]),
    ["Names it Main", "Names it KSampler", "Leads around KSampler", "Uses KSampler again", "Restores KSampler"],
  );
});
