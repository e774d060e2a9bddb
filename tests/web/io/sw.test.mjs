import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const SOURCE = await readFile(new URL("../../../web/app/sw.js", import.meta.url), "utf8");
const ROOT = "http://phone.test/ext/app/";

/** A browser with a worker of this version in it: what it keeps, and what its server answers. @param {{version?: string, shelves?: Map<string, Map<string, Response>>}} [given] */
function browser({ version = "1", shelves = new Map() } = {}) {
  /** @type {Record<string, (event: any) => void>} */
  const listeners = {};
  const net = { tag: version, down: false, status: 200, asked: /** @type {string[]} */ ([]), slow: /** @type {Promise<void> | null} */ (null) };
  const told = { skipped: 0, claimed: 0 };
  const hrefOf = (/** @type {any} */ asked) => (typeof asked === "string" ? asked : asked.url);
  const fetched = async (/** @type {any} */ asked) => {
    net.asked.push(hrefOf(asked));
    await net.slow;
    if (net.down) throw new TypeError("Failed to fetch");
    return new Response(`${hrefOf(asked)} of ${net.tag}`, { status: net.status, headers: { ETag: `"${net.tag}"` } });
  };
  const opened = (/** @type {string} */ name) => {
    if (!shelves.has(name)) shelves.set(name, new Map());
    const files = /** @type {Map<string, Response>} */ (shelves.get(name));
    return {
      match: async (/** @type {string} */ key) => files.get(key)?.clone(),
      addAll: async (/** @type {any[]} */ requests) => {
        const answers = await Promise.all(requests.map(fetched));
        if (answers.some((one) => !one.ok)) throw new TypeError("not all");
        requests.forEach((one, n) => files.set(hrefOf(one), answers[n]));
      },
    };
  };
  const self = {
    location: { href: `${ROOT}sw.js` },
    addEventListener: (/** @type {string} */ name, /** @type {any} */ run) => (listeners[name] = run),
    skipWaiting: () => (told.skipped += 1),
    clients: { claim: async () => void (told.claimed += 1) },
  };
  const caches = { open: async (/** @type {string} */ name) => opened(name), keys: async () => [...shelves.keys()], delete: async (/** @type {string} */ name) => shelves.delete(name) };
  const early = (/** @type {() => void} */ run) => setTimeout(run, 30);
  runInNewContext(SOURCE.replace(/const VERSION = ".*";/, `const VERSION = "${version}";`), { self, caches, fetch: fetched, URL, Request, Response, setTimeout: early, Promise, Set, Map });
  /** @param {string} name @param {any} [more] */
  const fire = async (name, more = {}) => {
    /** @type {Promise<any>[]} */
    const waited = [];
    /** @type {any} */
    let answer = null;
    listeners[name]({ ...more, waitUntil: (/** @type {Promise<any>} */ one) => waited.push(one), respondWith: (/** @type {any} */ one) => (answer = one) });
    const response = await answer;
    await Promise.all(waited);
    return response;
  };
  const get = (/** @type {string} */ path, { mode = "cors", client = "a" } = {}) =>
    fire("fetch", { request: { method: "GET", url: new URL(path, ROOT).href, mode }, clientId: mode === "navigate" ? "" : client, resultingClientId: client });
  const kept = () => shelves.get(`backplane-shell-${version}`);
  return { fire, get, net, told, shelves, kept };
}

const textOf = async (/** @type {Response} */ response) => (await response.text()).replace(ROOT, "");

test("all files of a version are kept, or none", async () => {
  const one = browser();
  one.net.status = 404;
  await assert.rejects(one.fire("install"));
  assert.equal(one.kept()?.size, 0);
  one.net.status = 200;
  await one.fire("install");
  assert.ok(/** @type {any} */ (one.kept()).size > 100);
});

test("a new version waits for its tap, and then clears what is older, and nothing of others", async () => {
  const shelves = new Map([["backplane-shell-0", new Map()], ["somebody-else", new Map()]]);
  const one = browser({ version: "2", shelves });
  await one.fire("install");
  assert.equal(one.told.skipped, 0);
  await one.fire("message", { data: { type: "something" } });
  assert.equal(one.told.skipped, 0);
  await one.fire("message", { data: { type: "skipWaiting" } });
  assert.equal(one.told.skipped, 1);
  await one.fire("activate");
  assert.deepEqual([...shelves.keys()].sort(), ["backplane-shell-2", "somebody-else"]);
});

test("the server's files come first; without it the kept page begins, and goes on without asking", async () => {
  const one = browser();
  await one.fire("install");
  assert.equal(await textOf(await one.get("main.js")), "main.js of 1");
  one.net.down = true;
  assert.equal(await textOf(await one.get("./?link=x", { mode: "navigate", client: "b" })), " of 1");
  const before = one.net.asked.length;
  assert.equal(await textOf(await one.get("main.js", { client: "b" })), "main.js of 1");
  assert.equal(await textOf(await one.get("@0123456789ab/main.js", { client: "b" })), "main.js of 1", "kept without its release");
  assert.equal(one.net.asked.length, before);
  assert.equal(await textOf(await one.get("main.js", { client: "a" })), "main.js of 1");
});

test("a server that hangs or fails is as good as none for the page", async () => {
  const one = browser();
  await one.fire("install");
  one.net.slow = new Promise(() => {});
  assert.equal(await textOf(await one.get("./", { mode: "navigate" })), " of 1");
  one.net.slow = null;
  one.net.status = 502;
  assert.equal(await textOf(await one.get("./", { mode: "navigate" })), " of 1");
});

test("a file that changed without a new version brings the whole anew, never a mixture", async () => {
  const one = browser();
  await one.fire("install");
  one.net.tag = "1b";
  assert.equal(await textOf(await one.get("main.js")), "main.js of 1b");
  for (const response of /** @type {any} */ (one.kept()).values()) assert.equal(response.headers.get("ETag"), '"1b"');
});

test("what is the server's own is not touched", async () => {
  const one = browser();
  await one.fire("install");
  for (const path of ["../models", "/view?filename=a.png", "nothing.js", "@0123456789ab/nothing.js"]) assert.equal(await one.get(path), null);
});
