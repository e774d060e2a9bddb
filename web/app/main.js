import { h, render } from "./vendor/preact.js";
import { idle } from "./io/idle.js";
import { boot, settings } from "./io/store.js";
import { Shell } from "./ui/shell.js";

const screens = {
  flow: () => import("./screens/flow.js"),
  tasks: () => import("./screens/tasks.js"),
  gallery: () => import("./screens/gallery.js"),
  models: () => import("./screens/models.js"),
  library: () => import("./screens/library.js"),
  settings: () => import("./screens/settings.js"),
};

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
// Texts and settings come first: without them every label would be its key for a moment.
await boot();
// What stood there meanwhile: Preact would leave it beside what it draws.
root.replaceChildren();
render(h(Shell, { screens }), root);
// All the rest, before it is asked for: the server may be gone by then, and on plain http nothing else keeps it.
void idle().then(async () => {
  for (const load of [() => import("./screens/flow/board.js"), ...Object.values(screens)]) await load().catch(() => {});
});
// Who has notifications on wants them whichever screen is open.
if (/** @type {any} */ (settings.value).notify) (await import("./screens/settings/notify.js")).followRuns();
