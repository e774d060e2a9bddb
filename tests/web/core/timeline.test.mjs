import assert from "node:assert/strict";
import { test } from "node:test";
import { lastLine, left, rows, slowest } from "../../../web/app/core/timeline.js";

const at = (second) => new Date(Date.UTC(2026, 0, 31, 12, 0, second)).toISOString();
const node = (class_type, status, more = {}) => ({ class_type, title: null, status, ...more });

const task = {
  started_at: at(0),
  nodes: {
    3: node("KSampler", "done", { started_at: at(4), duration_s: 6, vram_peak: 5e9 }),
    9: node("SaveImage", "pending"),
    6: { ...node("CLIPTextEncode", "done", { started_at: at(1), duration_s: 1 }), title: "Prompt" },
    8: node("VAEDecode", "running", { started_at: at(10), duration_s: null }),
    4: node("CheckpointLoaderSimple", "cached"),
    "3.0": node("Inner", "done", { started_at: at(5), duration_s: 9, parent: "3" }),
    7: node("CLIPTextEncode", "done", { started_at: at(2), duration_s: 1 }),
  },
};

test("a row for each node, in the order in which they ran", () => {
  assert.deepEqual(
    rows(task).map((row) => [row.id, row.title, row.start_s, row.duration_s, row.state, row.cached, row.share]),
    [
      ["4", "CheckpointLoaderSimple", 0, null, "cached", true, 0],
      ["6", "Prompt", 1, 1, "done", false, 0.125],
      ["7", "CLIPTextEncode", 2, 1, "done", false, 0.125],
      ["3", "KSampler", 4, 6, "done", false, 0.75],
      ["3.0", "Inner", 5, 9, "done", false, 1],
      ["8", "VAEDecode", 10, null, "running", false, 0],
      ["9", "SaveImage", 0, null, "pending", false, 0],
    ],
  );
});

test("the slowest is one of the workflow's own nodes", () => {
  assert.equal(slowest(rows(task)).id, "3");
  assert.equal(slowest(rows({ ...task, nodes: { 4: task.nodes[4] } })), null);
});

test("a task that has not begun, or was not loaded whole", () => {
  assert.deepEqual(rows({ started_at: null }), []);
  assert.deepEqual(rows({ started_at: null, nodes: { 3: node("KSampler", "pending") } })[0].start_s, 0);
});

test("nodes are called what people call them", () => {
  const specs = new Map([["KSampler", { display_name: "K Sampler" }]]);
  const titles = (/** @type {any} */ title) => rows({ ...task, nodes: { 9: { class_type: "KSampler", title, status: "pending" } } }, /** @type {any} */ (specs)).map((row) => row.title);
  assert.deepEqual(titles(null), ["K Sampler"]);
  assert.deepEqual(titles("KSampler"), ["K Sampler"], "the server's title of a node without one is its class");
  assert.deepEqual(titles("Second pass"), ["Second pass"]);
});

test("an estimate grows old", () => {
  const now = Date.parse("2026-01-31T12:00:10Z");
  const run = /** @type {any} */ ({ eta_s: 12, eta_at: "2026-01-31T12:00:00Z" });
  assert.equal(left(run, now), 2);
  assert.equal(left(run, now + 5000), null, "what takes longer than was expected has no estimate");
  assert.equal(left({ ...run, eta_s: null }, now), null);
  assert.equal(left({ ...run, eta_at: undefined }, now), 12);
});

test("a failure is told by the last line of its traceback", () => {
  const error = /** @type {any} */ ({ code: "NODE_FAILED", exception_type: "torch.OutOfMemoryError", message: "tried\nto much\n" });
  assert.equal(lastLine(error), "OutOfMemoryError: to much");
  assert.equal(lastLine({ ...error, exception_type: null }), "to much");
});
