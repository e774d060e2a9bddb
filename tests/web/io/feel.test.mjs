import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeStorage, fakeWindow } from "./fakes.mjs";

fakeWindow();
fakeStorage();
const { saveSettings } = await import("../../../web/app/io/store/settings.js");
const { ran, tasks } = await import("../../../web/app/io/store/state.js");
const { followFeel } = await import("../../../web/app/io/store/feel.js");
const { noteVersion, updateReady } = await import("../../../web/app/io/pwa.js");

/** @type {any[]} */
const felt = [];
const page = new EventTarget();
let touched = true;
Object.defineProperty(globalThis, "navigator", {
  value: { vibrate: (/** @type {any} */ how) => felt.push(how), userActivation: { get hasBeenActive() { return touched; } } },
  configurable: true,
});
Object.defineProperty(globalThis, "document", { value: page, configurable: true });
followFeel();

/** @param {string} name @param {any} target */
function happens(name, target) {
  const event = new Event(name);
  Object.defineProperty(event, "target", { value: target });
  page.dispatchEvent(event);
}

/** @param {string} id @param {string} status */
const told = (id, status) => {
  tasks.value = new Map(tasks.value).set(id, /** @type {any} */ ({ id, status }));
};

test("values that snap and the run that ends are felt, until that is switched off", () => {
  happens("input", { type: "range" });
  happens("input", { type: "text" });
  happens("click", { closest: () => ({}) });
  happens("click", { closest: () => null });
  assert.equal(felt.length, 2);
  ran.value = /** @type {any} */ ({ task_id: "a", graph: {} });
  told("a", "queued");
  told("a", "running");
  assert.equal(felt.length, 2);
  told("a", "succeeded");
  told("b", "failed");
  assert.equal(felt.length, 3);
  ran.value = /** @type {any} */ ({ task_id: "b", graph: {} });
  assert.equal(felt.length, 3, "what had ended before is no news");
  touched = false;
  happens("input", { type: "range" });
  touched = true;
  saveSettings({ haptics: false });
  happens("input", { type: "range" });
  assert.equal(felt.length, 3);
});

test("a server that was updated under an open page is told once it says so", () => {
  noteVersion("1.0.0");
  noteVersion("1.0.0");
  noteVersion(undefined);
  assert.equal(updateReady.value, false);
  noteVersion("1.0.1");
  assert.equal(updateReady.value, true);
});
