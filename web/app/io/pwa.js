/**
 * Installing the app, and its service worker. Both need a secure context: HTTPS, or the machine itself. On plain
 * http in a LAN there is neither, and Settings explains how to get there.
 */
import { signal } from "../vendor/preact.js";
import { home } from "./home.js";

/**
 * `insecure`: not possible at this address. `ready`: `install()` asks the browser. `manual`: by the browser's own
 * menu (Safari's "Add to Home Screen"). `installed`: it runs as an app.
 * @type {import("../vendor/preact.js").Signal<"insecure" | "ready" | "manual" | "installed">}
 */
export const installState = signal("insecure");

/** Whether a new version of the app waits for `applyUpdate()`. */
export const updateReady = signal(false);

/**
 * Whether the app starts without its server. `refused`: the address is secure, and yet the browser keeps nothing,
 * as with a certificate that the device does not trust.
 * @type {import("../vendor/preact.js").Signal<"unknown" | "kept" | "refused">}
 */
export const startsAlone = signal("unknown");

const REGISTER_MS = 3000;
/** An app that stays open for days looks for a new version at most so often. */
const LOOK_MS = 3_600_000;

/** @typedef {Event & {prompt: () => Promise<void>, userChoice: Promise<{outcome: string}>}} InstallEvent */

/** @type {InstallEvent | null} */
let offer = null;
/** @type {ServiceWorker | null} */
let waiting = null;
let updating = false;
/** @type {ServiceWorkerRegistration | null} */
let registered = null;
/** The server's version when this page began to talk to it. @type {string | null} */
let begunWith = null;

/** Registers the worker where there can be one, and watches whether the app can be installed. */
export function followInstall() {
  const standalone = matchMedia("(display-mode: standalone)");
  const judge = () => {
    const own = standalone.matches || /** @type {any} */ (navigator).standalone === true;
    installState.value = own ? "installed" : !isSecureContext ? "insecure" : offer ? "ready" : "manual";
  };
  judge();
  standalone.addEventListener("change", judge);
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = /** @type {InstallEvent} */ (event);
    judge();
  });
  addEventListener("appinstalled", () => {
    offer = null;
    installState.value = "installed";
  });
  // The worker fetches every file of the app: not while the first screen needs the line and the processor.
  if (isSecureContext && "serviceWorker" in navigator) setTimeout(() => void register(), REGISTER_MS);
}

async function register() {
  const workers = navigator.serviceWorker;
  try {
    const made = await workers.register(new URL("sw.js", home), { updateViaCache: "none" });
    registered = made;
    void workers.ready.then(() => {
      startsAlone.value = "kept";
    });
    let looked = Date.now();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible" || Date.now() - looked < LOOK_MS) return;
      looked = Date.now();
      void made.update().catch(() => {});
    });
    if (made.waiting && workers.controller) offerUpdate(made.waiting);
    made.addEventListener("updatefound", () => {
      const next = made.installing;
      next?.addEventListener("statechange", () => {
        // Without a controller it is the first one, and no update.
        if (next.state === "installed" && workers.controller) offerUpdate(next);
      });
    });
    let controlled = workers.controller !== null;
    workers.addEventListener("controllerchange", () => {
      if (updating) location.reload();
      // Another tab took the new version: the files of this one's are no longer kept.
      else if (controlled) updateReady.value = true;
      controlled = true;
    });
  } catch (error) {
    // A certificate that the device does not trust, for one: the app works, but for a start without the server.
    console.info("The app cannot start offline here:", error);
    startsAlone.value = "refused";
  }
}

/**
 * The server was updated while the page was open: its worker is looked for at once; where there is none, a reload is
 * all that it takes.
 * @param {unknown} version Of the server, as it says now.
 */
export function noteVersion(version) {
  if (typeof version !== "string") return;
  begunWith ??= version;
  if (version === begunWith) return;
  begunWith = version;
  if (registered) void registered.update().catch(() => {});
  else updateReady.value = true;
}

/** @param {ServiceWorker} worker */
function offerUpdate(worker) {
  waiting = worker;
  updateReady.value = true;
}

/** Takes the new version, and starts the app anew with it. */
export function applyUpdate() {
  updating = true;
  // Another tab may have taken it already.
  if (waiting?.state === "installed") waiting.postMessage({ type: "skipWaiting" });
  else location.reload();
}

/** Asks the browser to install the app. @returns {Promise<boolean>} Whether the user agreed. */
export async function install() {
  if (!offer) return false;
  const asked = offer;
  offer = null;
  await asked.prompt();
  const { outcome } = await asked.userChoice;
  installState.value = outcome === "accepted" ? "installed" : "manual";
  return outcome === "accepted";
}
