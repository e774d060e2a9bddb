import assert from "node:assert/strict";
import { test } from "node:test";
import { api, ApiError, check, configure, randomId, serverNow, url } from "../../../web/app/io/api.js";
import { fakeFetch, refusal } from "./fakes.mjs";

test("an answer of the server's form becomes an ApiError", async () => {
  fakeFetch(() => refusal(422, "TYPE_MISMATCH", { op: 1 }));
  await assert.rejects(api.post("/ext/workflow/patch", {}), (error) => {
    assert.ok(error instanceof ApiError);
    const { code, message, hint, details, status } = error;
    assert.deepEqual({ code, message, hint, details, status }, { code: "TYPE_MISMATCH", message: "It is TYPE_MISMATCH.", hint: "Do this.", details: { op: 1 }, status: 422 });
    return true;
  });
});

test("ComfyUI's own errors, a proxy's page and plain text are told as what they are", async () => {
  const answers = [
    [Response.json({ error: { type: "x", message: "No such file" } }, { status: 400 }), "HTTP_ERROR", "No such file"],
    [new Response("<html>Bad gateway</html>", { status: 502 }), "OFFLINE", "The server does not answer (502)."],
    [new Response("<html>nginx</html>", { status: 413, statusText: "Too Large" }), "HTTP_ERROR", "413 Too Large"],
    [new Response("no", { status: 403 }), "HTTP_ERROR", "no"],
    [refusal(503, "STORE_BUSY"), "STORE_BUSY", "It is STORE_BUSY."],
  ];
  for (const [response, code, message] of answers) {
    fakeFetch(() => response);
    await assert.rejects(api.get("/x"), { code, message });
  }
});

test("no answer is OFFLINE, and the app hears of it", async () => {
  /** @type {boolean[]} */
  const heard = [];
  configure({ onReach: (reached) => heard.push(reached) });
  fakeFetch(() => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(api.get("/ext"), { code: "OFFLINE", status: 0 });
  fakeFetch(() => ({ name: "backplane" }));
  await api.get("/ext");
  fakeFetch(() => refusal(404, "NOT_FOUND"));
  await assert.rejects(api.get("/ext/nothing"));
  assert.deepEqual(heard, [false, true, true]);
  configure({ onReach: () => {} });
});

test("a connection that broke is no server that is gone: what may be sent twice is, and the app stays online", async () => {
  /** @type {boolean[]} */
  const heard = [];
  configure({ onReach: (reached) => heard.push(reached) });
  let cuts = 0;
  const asked = fakeFetch(({ path }) => {
    if (path !== "/ext/live" && cuts > 0) {
      cuts -= 1;
      throw new TypeError("Failed to fetch");
    }
    return { ok: true };
  });
  cuts = 1;
  assert.deepEqual(await api.get("/ext/queue"), { ok: true });
  cuts = 1;
  assert.deepEqual(await api.post("/ext/workflow/validate", {}), { ok: true });
  cuts = 1;
  assert.deepEqual(await api.post("/ext/tasks", {}, { key: "k" }), { ok: true });
  cuts = 1;
  await assert.rejects(api.post("/ext/tasks", {}), { code: "CONNECTION_LOST" });
  cuts = 2;
  await assert.rejects(api.get("/ext/queue"), { code: "CONNECTION_LOST" });
  assert.deepEqual(heard.includes(false), false);
  cuts = 4;
  const before = asked.length;
  await Promise.all([1, 2, 3, 4].map(() => api.get("/ext/queue")));
  assert.equal(asked.slice(before).filter(({ path }) => path === "/ext/live").length, 1);
  configure({ onReach: () => {} });
});

test("a server that hangs is as good as gone; one that refuses is there", async (t) => {
  /** @type {boolean[]} */
  const heard = [];
  configure({ onReach: (reached) => heard.push(reached) });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  fakeFetch(({ signal }) => new Promise((_, no) => signal?.addEventListener("abort", () => no(new DOMException("aborted", "AbortError")))));
  const asked = check();
  for (const ms of [300, 9_000]) {
    t.mock.timers.tick(ms);
    await new Promise(setImmediate);
  }
  assert.deepEqual(heard, []);
  t.mock.timers.tick(1_000);
  await asked;
  fakeFetch(() => refusal(401, "UNAUTHORIZED"));
  const again = check();
  t.mock.timers.tick(300);
  await again;
  assert.deepEqual(heard, [false, true]);
  configure({ onReach: () => {} });
});

test("a request that was given up is not a server that is gone", async () => {
  const stop = new AbortController();
  fakeFetch(() => {
    stop.abort();
    return {};
  });
  await assert.rejects(api.get("/ext", { signal: stop.signal }), { name: "AbortError" });
});

test("keys, bodies and prefixes are sent as they should be", async () => {
  configure({ key: "secret", root: "/comfy/api" });
  const asked = fakeFetch(() => ({}));
  await api.post("/ext/tasks", { a: 1 }, { key: "k" });
  await api.post("/ext/queue/pause");
  await api.del("/ext/tasks/1");
  await api.post("/ext/workflow/convert", new Blob(["x"], { type: "image/png" }));
  configure({ key: "", root: "" });
  assert.equal(asked[0].path, "/comfy/api/ext/tasks");
  assert.equal(asked[0].headers.get("Authorization"), "Bearer secret");
  assert.equal(asked[0].headers.get("Idempotency-Key"), "k");
  assert.deepEqual(asked[0].body, { a: 1 });
  assert.equal(asked[1].headers.get("Content-Type"), null);
  assert.equal(asked[2].method, "DELETE");
  assert.equal(asked[3].headers.get("Content-Type"), "image/png");
  assert.equal(url("https://example.com/a"), "https://example.com/a");
  fakeFetch(() => ({}));
  await api.get("/ext");
});

test("what did not change costs no body", async () => {
  fakeFetch(({ headers }) =>
    headers.get("If-None-Match") === '"1"' ? new Response(null, { status: 304 }) : Response.json([1], { headers: { ETag: '"1"' } }),
  );
  assert.deepEqual(await api.fresh("/ext/catalog", null), { body: [1], etag: '"1"' });
  assert.equal(await api.fresh("/ext/catalog", '"1"'), null);
});

test("an upload answers with the name that a param takes", async () => {
  const asked = fakeFetch(() => ({ name: "cat.png", subfolder: "phone", type: "input" }));
  assert.equal(await api.upload(new File(["x"], "cat.png"), { subfolder: "phone" }), "phone/cat.png");
  assert.equal(asked[0].path, "/upload/image");
  assert.equal(asked[0].body.get("image").name, "cat.png");
});

test("a body that breaks off is no answer; one that is not JSON is a bad one", async () => {
  const broken = new ReadableStream({ start: (out) => out.error(new TypeError("cut")) });
  fakeFetch(({ path }) => (path === "/ext/live" ? {} : new Response(broken)));
  await assert.rejects(api.get("/ext"), { code: "CONNECTION_LOST" });
  fakeFetch(() => new Response("<html>"));
  await assert.rejects(api.get("/ext"), { code: "BAD_ANSWER" });
});

test("the server's clock is believed where the device's is off", async () => {
  const at = Date.now() + 3_600_000;
  fakeFetch(() => Response.json({}, { headers: { Date: new Date(at).toUTCString() } }));
  await api.get("/ext");
  assert.ok(Math.abs(serverNow() - at) < 2000);
  fakeFetch(() => Response.json({}, { headers: { Date: new Date().toUTCString() } }));
  await api.get("/ext");
  assert.ok(Math.abs(serverNow() - Date.now()) < 5);
});

test("ids are drawn without a secure context", () => {
  assert.match(randomId(), /^[0-9a-f]{24}$/);
  assert.notEqual(randomId(), randomId());
});
