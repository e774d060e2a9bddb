import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fakeFetch, fakeStorage, fakeWindow, pause, until } from "./fakes.mjs";

fakeWindow();
fakeStorage();
const store = await import("../../../web/app/io/store.js");
const { queueMoved, reconcile, settle, told, unfinished } = await import("../../../web/app/io/store/tasks.js");
const { tasks } = store;

/** @param {string} id @param {string} status @param {Record<string, any>} [more] */
const task = (id, status, more) => /** @type {any} */ ({ id, kind: id.startsWith("dl-") ? "download" : "prompt", status, progress: 0, ...more });

/** @type {Map<string, any>} */
let server;
/** @type {import("./fakes.mjs").Asked[]} */
let asked;

beforeEach(() => {
  server = new Map();
  tasks.value = new Map();
  asked = fakeFetch(({ path }) => {
    const url = new URL(path, "http://x");
    if (url.pathname === "/ext/queue") return { paused: false, length: 1 };
    const ids = url.searchParams.get("ids")?.split(",");
    const found = ids ? ids.flatMap((id) => server.get(id) ?? []) : [...server.values()].map(({ nodes, ...rest }) => rest);
    return { items: found, next_cursor: null };
  });
});

test("a task that an event names for the first time is read whole", async () => {
  server.set("a", task("a", "running", { nodes: { 1: { class_type: "X", title: null, status: "running" } }, metadata: { name: "N" } }));
  server.set("b", task("b", "queued"));
  told("a", "status", { status: "running", attempt: 1 });
  told("b", "status", { status: "queued" });
  assert.equal(tasks.value.get("a")?.status, "running");
  await until(() => tasks.value.get("a")?.metadata?.name === "N");
  assert.equal(asked.length, 1, "both in one request");
});

test("the end of a task brings its outputs", async () => {
  tasks.value = new Map([["a", task("a", "running")]]);
  server.set("a", task("a", "succeeded", { progress: 1, outputs: [{ url: "/x" }], nodes: {} }));
  told("a", "status", { status: "succeeded", finished_at: 1769860800, progress: 1 });
  await until(() => tasks.value.get("a")?.outputs?.length === 1);
});

test("nothing is lost while the phone slept", async () => {
  tasks.value = new Map([
    ["ran", task("ran", "running", { progress: 0.5 })],
    ["gone", task("gone", "queued")],
    ["old", task("old", "succeeded")],
  ]);
  server.set("ran", task("ran", "failed", { error: { code: "OUT_OF_MEMORY", message: "" }, nodes: {} }));
  server.set("new", task("new", "running", { nodes: { 1: { class_type: "X", title: null, status: "running" } } }));
  await reconcile();
  assert.equal(tasks.value.get("ran")?.status, "failed");
  assert.equal(tasks.value.get("ran")?.error?.code, "OUT_OF_MEMORY");
  assert.ok(!tasks.value.has("gone"), "what the server forgot is not shown as waiting for ever");
  assert.ok(tasks.value.has("old"));
  assert.equal(store.queue.value.length, 1);
  await until(() => tasks.value.get("new")?.nodes);
  assert.deepEqual(unfinished(), ["new"]);
});

test("tasks are in the order of the queue, then the newest first", () => {
  const at = (/** @type {number} */ minute) => `2026-01-31T12:0${minute}:00.000Z`;
  settle(
    [],
    [
      task("done-1", "succeeded", { finished_at: at(1) }),
      task("waits-2", "queued", { queue_position: 2, created_at: at(1) }),
      task("done-2", "failed", { finished_at: at(2) }),
      task("runs", "running", { started_at: at(3) }),
      task("waits-1", "queued", { queue_position: 1, created_at: at(2) }),
      task("dl-1", "running", { started_at: at(4) }),
    ],
  );
  assert.deepEqual(store.taskOrder.value, ["runs", "dl-1", "waits-1", "waits-2", "done-2", "done-1"]);
  assert.deepEqual(store.downloads.value.map((one) => one.id), ["dl-1"]);
});

test("when the queue moves, the places of what waits are read", async () => {
  tasks.value = new Map([["q", task("q", "queued", { queue_position: 3 })]]);
  server.set("q", task("q", "queued", { queue_position: 2 }));
  queueMoved();
  await until(() => tasks.value.get("q")?.queue_position === 2);
});

test("downloads are begun, held and gone on with as tasks", async () => {
  const sent = fakeFetch(({ path }) => {
    if (path === "/ext/models/download") return { status: "queued", task_id: "dl-9", task: task("dl-9", "queued", { download: { phase: "queued" } }) };
    const phase = path.endsWith("pause") ? "paused" : "queued";
    return task("dl-9", "queued", { download: { phase } });
  });
  await store.download({ url: "https://huggingface.co/x" });
  assert.equal(store.downloads.value[0].download?.phase, "queued");
  await store.pause("dl-9");
  assert.equal(store.downloads.value[0].download?.phase, "paused");
  await store.resume("dl-9");
  assert.deepEqual(sent.map(({ path }) => path), ["/ext/models/download", "/ext/tasks/dl-9/pause", "/ext/tasks/dl-9/resume"]);
  assert.ok(sent[0].headers.get("Idempotency-Key"));
});

test("toasts go by themselves unless they are held", async () => {
  const id = store.toast({ key: "a" });
  store.toast({ key: "a" });
  assert.equal(store.toasts.value.length, 1, "the same words twice say no more");
  store.holdToast(store.toasts.value[0].id, true);
  await pause(10);
  assert.equal(store.toasts.value.length, 1);
  store.dismiss(id);
  store.dismiss(store.toasts.value[0].id);
  assert.equal(store.toasts.value.length, 0);
});

test("the estimate of a run is asked for again while it goes on", async (context) => {
  const begun = Date.now();
  let now = begun;
  context.mock.method(Date, "now", () => now);
  server.set("est", task("est", "running", { eta_s: 30, nodes: {} }));
  told("est", "status", { status: "running", attempt: 1 });
  await until(() => tasks.value.get("est")?.eta_s === 30);
  const step = (/** @type {number} */ value) => told("est", "progress", { node_id: "1", value, max: 9, progress: value / 10 });
  step(1);
  await pause(150);
  assert.equal(asked.length, 1);
  now = begun + 6000;
  server.set("est", task("est", "running", { eta_s: 9, nodes: {} }));
  step(2);
  step(3);
  await until(() => tasks.value.get("est")?.eta_s === 9);
  assert.equal(asked.length, 2);
  assert.equal(Date.parse(tasks.value.get("est")?.eta_at ?? ""), now);
});
