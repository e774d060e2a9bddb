import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fakeFetch, fakeStorage, fakeWindow, pause, refusal, until } from "./fakes.mjs";

fakeWindow();
const stored = fakeStorage({ "backplane.settings": '{"language": "en", "textSize": 115}' });
const store = await import("../../../web/app/io/store.js");
const { saveNow } = await import("../../../web/app/io/store/draft.js");
const db = await import("../../../web/app/io/db.js");
const { draft, findings, history, tasks, toasts } = store;

const SPECS = [
  {
    name: "KSampler",
    display_name: "KSampler",
    category: "sampling",
    description: "",
    pack: "core",
    inputs: [],
    params: [
      { name: "seed", type: "INT", required: true, default: 0, min: 0, max: 2 ** 64, control_after_generate: true },
      { name: "steps", type: "INT", required: true, default: 20, min: 1, max: 10000 },
    ],
    outputs: [{ name: "LATENT", type: "LATENT" }],
    flags: { output_node: false, deprecated: false, experimental: false, api_node: false },
  },
  {
    name: "Resize",
    display_name: "Resize",
    category: "image",
    description: "",
    pack: "core",
    inputs: [],
    params: [
      {
        name: "mode",
        type: "COMBO",
        required: true,
        options: ["to", "by"],
        variants: { to: { inputs: [], params: [{ name: "mode.width", type: "INT", required: true }] }, by: { inputs: [], params: [] } },
      },
    ],
    outputs: [],
    flags: { output_node: false, deprecated: false, experimental: false, api_node: false },
  },
];
const GRAPH = {
  3: { class_type: "KSampler", inputs: { seed: 7, steps: 20 } },
  9: { class_type: "Resize", inputs: { mode: "to", "mode.width": 64 } },
};
const GOOD = { valid: true, outputs: ["9"], findings: [], warnings: [] };
/** @param {Partial<import("../../../web/app/core/types.js").Finding>} [part] */
const finding = (part) => ({ code: "VALUE_OUT_OF_RANGE", severity: "error", message: "", node_id: "3", input: "steps", class_type: "KSampler", hint: null, details: {}, fix: null, ...part });

/** Answers by path; anything else is a fault of the test. @param {Record<string, (asked: any) => any>} answers */
function serve(answers) {
  return fakeFetch((asked) => {
    const path = asked.path.split("?")[0];
    const answer = answers[`${asked.method} ${path}`] ?? (path === "/ext/workflow/validate" ? () => GOOD : null);
    if (!answer) throw new Error(`nothing for ${asked.method} ${asked.path}`);
    return answer(asked);
  });
}

/** A patch engine that does what the test says. @param {(graph: any) => any} change @param {any[]} [changes] */
const engine = (change, changes = [{ op: 0, kind: "input_set", node_id: "3", class_type: "KSampler" }]) => ({ body }) => ({ workflow: change(body.workflow), changes, created: [], inverse: [] });

beforeEach(() => {
  serve({});
  store.online.value = true;
  store.catalog.value = new Map(SPECS.map((one) => [one.name, /** @type {any} */ (one)]));
  for (const one of toasts.value) store.dismiss(one.id);
  store.openDraft({ name: "Test", graph: structuredClone(GRAPH) });
});

const graph = () => /** @type {any} */ (draft.value?.graph);

test("settings are kept, and language and key take effect", () => {
  assert.equal(store.settings.value.textSize, 115);
  assert.equal(store.settings.value.haptics, true);
  assert.equal(store.locale.value, "en");
  store.setTexts("en", { "a.b": "{n} left" });
  store.setTexts("zh", { "a.b": "剩 {n}" });
  assert.equal(store.t("a.b", { n: 2 }), "2 left");
  store.saveSettings({ language: "zh" });
  assert.equal(store.t("a.b", { n: 2 }), "剩 2");
  assert.equal(JSON.parse(stored.get("backplane.settings") ?? "").language, "zh");
  store.saveSettings({ language: "auto", hostLocale: "zh-TW" });
  assert.equal(store.locale.value, "zh");
  store.saveSettings({ language: "en", hostLocale: "" });
});

test("what another tab chose is not written over", () => {
  stored.set("backplane.settings", JSON.stringify({ ...store.settings.value, apiKey: "theirs" }));
  store.saveSettings({ hostLocale: "zh" });
  assert.deepEqual([JSON.parse(stored.get("backplane.settings")).apiKey, store.settings.value.hostLocale], ["theirs", "zh"]);
  store.saveSettings({ apiKey: "", hostLocale: "" });
});

test("a value is set at once, steps in quick succession are one, and undo brings the same back", async () => {
  const before = graph();
  await store.setParam("3", "steps", 21);
  await store.setParam("3", "steps", 22);
  assert.equal(graph()["3"].inputs.steps, 22);
  assert.equal(graph()["9"], before["9"], "what was not touched is the same object");
  store.undo();
  assert.deepEqual(graph(), GRAPH);
  store.redo();
  assert.equal(graph()["3"].inputs.steps, 22);
  await store.setParam("3", "notes", [1, 2]);
  assert.deepEqual(graph()["3"].inputs.notes, { __value__: [1, 2] });
  await store.setParam("3", "notes", undefined);
  assert.ok(!("notes" in graph()["3"].inputs));
});

test("a reload keeps the draft and its history", async () => {
  await store.setParam("3", "steps", 30);
  store.renameDraft("Renamed");
  await saveNow();
  const id = draft.value?.id ?? "";
  await store.closeDraft();
  assert.equal(draft.value, null);
  assert.equal(await store.openSaved(id), true);
  assert.equal(draft.value?.name, "Renamed");
  assert.equal(graph()["3"].inputs.steps, 30);
  store.undo();
  assert.deepEqual(graph(), GRAPH);
  assert.equal(store.drafts.value[0].id, id);
});

test("a draft that was deleted can be put back", async () => {
  await saveNow();
  const id = draft.value?.id ?? "";
  const restore = await store.deleteDraft(id);
  assert.equal(draft.value, null);
  assert.equal(await store.openSaved(id), false);
  await restore();
  assert.ok(store.drafts.value.some((one) => one.id === id));
  assert.equal(await store.openSaved(id), true);
});

test("a structural edit is one step", async () => {
  const asked = serve({ "POST /ext/workflow/patch": engine((old) => ({ ...old, 10: { class_type: "New", inputs: {} } })) });
  const result = await store.patch([{ op: "add_node", class_type: "New" }]);
  assert.equal(result?.changes.length, 1);
  assert.ok(graph()["10"]);
  assert.deepEqual(asked[0].body, { workflow: GRAPH, ops: [{ op: "add_node", class_type: "New" }], validate: false, dry_run: false });
  store.undo();
  assert.deepEqual(graph(), GRAPH);
});

test("a patch under which the workflow changed is done anew, on the new one", async () => {
  let count = 0;
  serve({
    "POST /ext/workflow/patch": (asked) => {
      count += 1;
      if (count === 1) void store.setParam("3", "steps", 99);
      return engine((old) => ({ ...old, 10: { class_type: "New", inputs: {} } }))(asked);
    },
  });
  await store.patch([{ op: "add_node", class_type: "New" }]);
  assert.equal(count, 2);
  assert.equal(graph()["3"].inputs.steps, 99);
  assert.ok(graph()["10"]);
});

test("patches wait for each other", async () => {
  const add = (/** @type {any} */ asked) => {
    const id = String(Object.keys(asked.body.workflow).length + 100);
    return engine((old) => ({ ...old, [id]: { class_type: "New", inputs: {} } }))(asked);
  };
  const asked = serve({ "POST /ext/workflow/patch": add });
  await Promise.all([store.patch([{ op: "add_node" }]), store.patch([{ op: "add_node" }])]);
  assert.equal(asked.filter(({ path }) => path.endsWith("/patch")).length, 2);
  assert.equal(Object.keys(graph()).length, 4);
});

test("a dry run changes nothing, and a refusal leaves the draft as it is", async () => {
  serve({ "POST /ext/workflow/patch": ({ body }) => (body.dry_run ? engine(() => ({}))({ body }) : refusal(422, "TYPE_MISMATCH")) });
  assert.deepEqual((await store.patch([{ op: "x" }], { dryRun: true }))?.workflow, {});
  await assert.rejects(store.patch([{ op: "x" }]), { code: "TYPE_MISMATCH" });
  assert.deepEqual(graph(), GRAPH);
  assert.equal(store.patching.value, false);
});

test("a patch of a draft that was left changes nothing of the next one", async () => {
  serve({
    "POST /ext/workflow/patch": (asked) => {
      store.openDraft({ name: "Other", graph: {} });
      return engine(() => ({ 1: { class_type: "New", inputs: {} } }))(asked);
    },
  });
  assert.equal(await store.patch([{ op: "x" }]), null);
  assert.deepEqual(graph(), {});
});

test("a patch that waits for another is not done to a draft that was opened meanwhile", async () => {
  const asked = serve({
    "POST /ext/workflow/patch": (given) => {
      store.openDraft({ name: "Other", graph: structuredClone(GRAPH) });
      return engine((old) => old, [])(given);
    },
  });
  assert.deepEqual(await Promise.all([store.patch([{ op: "a" }]), store.patch([{ op: "b" }])]), [null, null]);
  assert.equal(asked.filter(({ path }) => path.endsWith("/patch")).length, 1);
});

test("after something was removed a toast takes it back, until the next edit", async () => {
  const remove = [{ op: 0, kind: "node_removed", node_id: "9", class_type: "Resize" }];
  serve({ "POST /ext/workflow/patch": engine(({ 9: _, ...rest }) => rest, remove) });
  await store.patch([{ op: "remove_node", node_id: "9" }]);
  assert.equal(toasts.value[0].key, "edit.removed");
  toasts.value[0].action?.run();
  assert.deepEqual(graph(), GRAPH);
  assert.deepEqual(toasts.value, []);
  await store.patch([{ op: "remove_node", node_id: "9" }]);
  assert.equal(toasts.value.length, 1);
  await store.setParam("3", "steps", 5);
  assert.deepEqual(toasts.value, []);
});

test("a value that brings other ports is the server's to set", async () => {
  const asked = serve({ "POST /ext/workflow/patch": engine((old) => ({ ...old, 9: { class_type: "Resize", inputs: { mode: "by" } } })) });
  await store.setParam("9", "mode", "by");
  assert.deepEqual(asked[0].body.ops, [{ op: "set_param", node_id: "9", param: "mode", value: "by" }]);
  assert.deepEqual(graph()["9"].inputs, { mode: "by" });
});

test("offline, values can be set, and structure says why not", async () => {
  fakeFetch(() => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(store.patch([{ op: "add_node" }]), { code: "OFFLINE" });
  assert.equal(store.online.value, false);
  assert.equal(store.whyNoRun.value, "run.offline");
  await store.setParam("3", "steps", 3);
  assert.equal(graph()["3"].inputs.steps, 3);
});

test("edits are judged once they pause, and only the last answer counts", async () => {
  /** @type {any[]} */
  const waiting = [];
  serve({ "POST /ext/workflow/validate": (asked) => new Promise((done) => waiting.push({ asked, done })) });
  await store.setParam("3", "steps", 1);
  await store.setParam("3", "steps", 2);
  assert.equal(store.validation.value, "stale");
  await until(() => waiting.length === 1);
  assert.equal(waiting[0].asked.body.workflow["3"].inputs.steps, 2);
  await store.setParam("3", "steps", 0);
  await until(() => waiting.length === 2);
  waiting[1].done({ ...GOOD, valid: false, findings: [finding()], warnings: [finding({ severity: "warning", node_id: null })] });
  await until(() => store.validation.value === "current");
  waiting[0].done(GOOD);
  await pause(10);
  assert.equal(findings.value.length, 2);
  assert.equal(store.valid.value, false);
  assert.equal(store.findingsOf("3").length, 1);
  assert.equal(store.findingsOf(null).length, 1);
  assert.equal(store.findingsOf("9").length, 0);
});

test("what could not be judged is judged when the server is back", async () => {
  fakeFetch(() => {
    throw new TypeError("Failed to fetch");
  });
  await store.setParam("3", "steps", 4);
  await until(() => store.validation.value === "failed");
  serve({});
  store.online.value = true;
  await until(() => store.validation.value === "current");
});

test("a run is sent once, with what was tapped, and its seed is turned after it", async () => {
  let tries = 0;
  const asked = serve({
    "POST /ext/tasks": () => {
      tries += 1;
      if (tries === 1) throw new TypeError("the answer did not come");
      return Response.json({ id: "t-1", kind: "prompt", status: "queued", metadata: {} }, { status: 202 });
    },
  });
  const steps = history.value?.steps.length;
  const [task, second] = await Promise.all([store.run(), store.run()]);
  assert.equal(second, null, "a second tap while the first is sent does nothing");
  assert.equal(task?.id, "t-1");
  const posts = asked.filter(({ path }) => path === "/ext/tasks");
  assert.equal(posts.length, 2);
  assert.equal(posts[0].headers.get("Idempotency-Key"), posts[1].headers.get("Idempotency-Key"));
  assert.deepEqual(posts[1].body.workflow, GRAPH);
  assert.deepEqual(posts[1].body.metadata, { draft: draft.value?.id, name: "Test" });
  assert.notEqual(graph()["3"].inputs.seed, 7);
  assert.ok(Number.isSafeInteger(graph()["3"].inputs.seed));
  assert.equal(history.value?.steps.length, steps, "a seed that a run turned is no step");
  assert.equal(store.lastUsed("3", "seed"), 7);
  assert.equal(store.lastRun.value?.id, "t-1");
  assert.equal(store.running.value, null);
});

test("who taps Run again after no answer came means the same run", async () => {
  const ids = new Map();
  let broken = true;
  const asked = fakeFetch(({ path, headers }) => {
    if (path === "/ext/workflow/validate") return GOOD;
    if (path === "/ext/live") return {};
    const key = headers.get("Idempotency-Key");
    if (!ids.has(key)) ids.set(key, `run-${ids.size}`);
    if (broken) throw new TypeError("the answer did not come");
    return { id: ids.get(key), kind: "prompt", status: "queued", metadata: {} };
  });
  await assert.rejects(store.run(), { code: "CONNECTION_LOST" });
  broken = false;
  assert.equal((await store.run())?.id, "run-0");
  assert.equal((await store.run())?.id, "run-1", "an answered one is over");
  assert.ok(asked.length > 5);
});

test("seeds are turned as the user chose", async () => {
  const send = { "POST /ext/tasks": () => ({ id: "t-2", kind: "prompt", status: "queued", metadata: {} }) };
  serve(send);
  store.setSeedMode("3", "seed", "fixed");
  await store.run();
  assert.equal(graph()["3"].inputs.seed, 7);
  store.setSeedMode("3", "seed", "increment");
  await store.run();
  assert.equal(graph()["3"].inputs.seed, 8);
  store.setSeedMode("3", "seed", "decrement");
  await store.run();
  assert.equal(graph()["3"].inputs.seed, 7);
});

test("a model that came, or a node class, has the workflow judged again", async () => {
  serve({ "POST /ext/workflow/validate": () => ({ ...GOOD, valid: false, findings: [finding({ code: "MODEL_FILE_MISSING" })] }) });
  await store.validate();
  assert.equal(findings.value.length, 1);
  serve({});
  store.models.value = { checkpoints: ["new.safetensors"] };
  await until(() => findings.value.length === 0);
  const asked = serve({});
  store.catalog.value = new Map(store.catalog.value);
  await until(() => asked.some(({ path }) => path === "/ext/workflow/validate"));
});

test("a workflow that would not run is not sent, and shows why", async () => {
  const asked = serve({ "POST /ext/workflow/validate": () => ({ ...GOOD, valid: false, findings: [finding()] }) });
  assert.equal(await store.run(), null);
  assert.equal(findings.value.length, 1);
  assert.ok(!asked.some(({ path }) => path === "/ext/tasks"));
});

test("what only the server's own check refuses is shown, too", async () => {
  serve({ "POST /ext/tasks": () => refusal(422, "VALUE_REFUSED", { findings: [finding({ code: "VALUE_REFUSED" })] }) });
  assert.equal(await store.run(), null);
  assert.equal(store.findingsOf("3")[0].code, "VALUE_REFUSED");
  assert.equal(graph()["3"].inputs.seed, 7);
  serve({ "POST /ext/tasks": () => refusal(429, "QUEUE_FULL") });
  await assert.rejects(store.run(), { code: "QUEUE_FULL" });
});

test("a common error is told in the user's words, others in the server's", () => {
  store.setTexts("en", { "error.QUEUE_FULL": "The queue is full.", "error.QUEUE_FULL.hint": "Wait." });
  const { ApiError } = store;
  assert.deepEqual(store.told(new ApiError("QUEUE_FULL", "x")), { title: "The queue is full.", hint: "Wait.", code: "QUEUE_FULL" });
  assert.deepEqual(store.told(new ApiError("RARE", "It is rare.", { hint: "Look." })), { title: "It is rare.", hint: "Look.", code: "RARE" });
  store.toastError(new ApiError("RARE", "It is rare.", { hint: "Look." }));
  assert.equal(toasts.value[0].text, "It is rare. Look.");
});

test("a cancel is honest", async () => {
  serve({
    "POST /ext/tasks/c-1/cancel": () => Response.json({ id: "c-1", kind: "prompt", status: "canceling" }, { status: 202 }),
    "POST /ext/tasks/c-2/cancel": () => refusal(409, "TASK_FINISHED"),
    "GET /ext/tasks/c-2": () => ({ id: "c-2", kind: "prompt", status: "succeeded" }),
  });
  assert.equal((await store.cancel("c-1")).status, "canceling");
  assert.equal(tasks.value.get("c-1")?.status, "canceling");
  assert.equal((await store.cancel("c-2")).status, "succeeded");
});

test("a task's workflow becomes a draft, and leaves no session behind", async () => {
  const asked = serve({
    "POST /ext/workflow/sessions": () => Response.json({ id: "s-1", workflow: GRAPH }, { status: 201 }),
    "DELETE /ext/workflow/sessions/s-1": () => new Response(null, { status: 204 }),
  });
  await store.openTask("t-1");
  assert.deepEqual(graph(), GRAPH);
  assert.equal(draft.value?.source, "task:t-1");
  assert.ok(asked.some(({ method }) => method === "DELETE"));
});

test("drafts can be read by their names in the store", async () => {
  await saveNow();
  assert.equal((await db.load(`drafts/${draft.value?.id}`)).name, "Test");
});
