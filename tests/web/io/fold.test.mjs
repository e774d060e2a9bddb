import assert from "node:assert/strict";
import { test } from "node:test";
import { fold, merge, stub } from "../../../web/app/io/store/fold.js";

const NOW = "2026-01-31T12:00:00.000Z";
const NODES = {
  1: { class_type: "Load", title: null, status: "pending" },
  2: { class_type: "KSampler", title: "Sample", status: "pending" },
};

/** @param {any} task @param {...[string, any]} events */
const told = (task, ...events) => events.reduce((now, [name, data]) => fold(now, name, data, NOW), task);

test("a run is told event by event", () => {
  const task = told(
    { ...stub("a"), nodes_total: 2, nodes_done: 0, nodes: NODES },
    ["status", { status: "running", attempt: 1 }],
    ["nodes", { cached: ["1"] }],
    ["node", { node_id: "2", class_type: "KSampler", status: "running", parent: null, duration_s: null, progress: 0.5 }],
    ["progress", { node_id: "2", value: 3, max: 20, progress: 0.6 }],
    ["preview", { node_id: "2", url: "/ext/tasks/a/preview" }],
  );
  assert.equal(task.status, "running");
  assert.equal(task.started_at, NOW);
  assert.equal(task.nodes_done, 1);
  assert.deepEqual(task.current, ["2"]);
  assert.deepEqual(task.nodes["2"], { class_type: "KSampler", title: "Sample", status: "running", parent: null, started_at: NOW, duration_s: null, value: 3, max: 20 });
  assert.equal(task.progress, 0.6);
  assert.equal(task.preview.url, "/ext/tasks/a/preview");
  const done = told(task, ["node", { node_id: "2", class_type: "KSampler", status: "done", parent: null, duration_s: 4.5, progress: 0.99 }]);
  assert.deepEqual(done.current, []);
  assert.equal(done.nodes["2"].duration_s, 4.5);
  assert.equal(done.nodes_done, 2);
});

test("an end never changes again", () => {
  const ended = told(stub("a"), ["status", { status: "succeeded", finished_at: 1769860800, error: null, progress: 1 }]);
  assert.equal(ended.finished_at, "2026-01-31T12:00:00.000Z");
  const later = told(ended, ["status", { status: "running", attempt: 1 }], ["progress", { node_id: "2", value: 1, max: 2, progress: 0.1 }]);
  assert.equal(later, ended);
});

test("another attempt begins from the start", () => {
  const first = told({ ...stub("a"), nodes: NODES }, ["status", { status: "running", attempt: 1 }], ["node", { node_id: "1", status: "done", duration_s: 1, progress: 0.7 }]);
  const again = told(first, ["status", { status: "queued", attempt: 1, error: { code: "OUT_OF_MEMORY" } }], ["status", { status: "running", attempt: 2 }]);
  assert.equal(again.progress, 0);
  assert.equal(again.nodes["1"].status, "pending");
});

test("a task being cancelled stays so until it has really ended", () => {
  const asked = told(stub("a"), ["status", { status: "running", attempt: 1 }], ["status", { status: "canceling" }]);
  assert.equal(asked.status, "canceling");
  assert.equal(merge(asked, { ...asked, status: "running" }).status, "canceling");
  assert.equal(told(asked, ["status", { status: "cancelled", finished_at: 1769860800 }]).status, "cancelled");
});

test("outputs keep their order", () => {
  const one = told(stub("a"), ["output", { n: 0, output: { filename: "a.png" } }]);
  assert.equal(one.outputs.length, 1);
  assert.equal(told(one, ["output", { n: 2, output: {} }]), one);
});

test("a download's bytes are told", () => {
  const task = told({ ...stub("dl-1"), download: { folder: "loras" } }, [
    "progress",
    { task_id: "dl-1", phase: "downloading", received: 5, size: 10, speed: 2, eta_s: 3, connections: 4, note: null, progress: 0.5 },
  ]);
  assert.equal(task.kind, "download");
  assert.equal(task.status, "running");
  assert.deepEqual(task.download, { folder: "loras", phase: "downloading", received: 5, size: 10, speed: 2, connections: 4, note: null });
  assert.equal(task.eta_s, 3);
  const ended = told(task, ["status", { status: "succeeded", finished_at: 1769860800, progress: 1 }]);
  assert.equal(ended.download.phase, "completed");
});

test("an answer that was on its way while events came takes nothing back", () => {
  const known = told({ ...stub("a"), nodes: NODES, attempt: 1 }, ["node", { node_id: "2", status: "done", duration_s: 2, progress: 0.9 }]);
  const read = { ...stub("a"), attempt: 1, progress: 0.4, nodes_total: 2, nodes: { ...NODES, 2: { ...NODES[2], status: "running" } } };
  const both = merge(known, /** @type {any} */ (read));
  assert.equal(both.progress, 0.9);
  assert.equal(both.nodes["2"].status, "done");
  assert.equal(both.nodes["2"].title, "Sample");
  assert.equal(both.nodes_total, 2);
});

test("what a list leaves out stays known", () => {
  const whole = merge(undefined, /** @type {any} */ ({ ...stub("a"), nodes: NODES }));
  assert.deepEqual(merge(whole, { ...stub("a"), progress: 0.2 }).nodes, NODES);
  const over = { ...whole, status: /** @type {const} */ ("failed") };
  assert.equal(merge(over, { ...stub("a"), status: "running" }), over);
});

test("frames come no faster than a phone can fetch them", () => {
  const first = told({ ...stub("a"), status: "running" }, ["preview", { node_id: "2", url: "/p" }]);
  assert.equal(told(first, ["preview", { node_id: "2", url: "/p" }]), first);
  const later = fold(first, "preview", { node_id: "2", url: "/p" }, "2026-01-31T12:00:00.400Z");
  assert.equal(later.preview?.at, "2026-01-31T12:00:00.400Z");
});
