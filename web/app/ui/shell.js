import { computed, createContext, html, signal, useContext, useEffect, useErrorBoundary, useRef, useState } from "../vendor/preact.js";
import {
  canRedo,
  canUndo,
  draft,
  go,
  locale,
  online,
  redo,
  renameDraft,
  route,
  run,
  running,
  settings,
  t,
  tasks,
  toast,
  toastError,
  undo,
} from "../io/store.js";
import { Banner, Broken, Button, IconButton, Ring, Skeleton } from "./basics.js";
import { Icon } from "./icons.js";
import { closeSheets, openMenu, openSheet, Sheet, Sheets } from "./sheet.js";
import { showInTab } from "./tabicon.js";
import { usePlace } from "./place.js";
import { DoneBar, useTyping } from "./typing.js";
import { showMessages } from "./toast.js";

/** @typedef {import("../vendor/preact.js").ComponentChildren} Children */
/** @typedef {() => Promise<{default: (props: any) => any}>} Load */
/** @typedef {{id: string, label: string, icon?: string, hint?: string, tone?: string, disabled?: boolean, onClick: () => void}} MenuEntry */
/** @typedef {{title?: string, back?: string, actions?: Children, menu?: MenuEntry[]}} Top */

const DOCK = ["flow", "tasks", "gallery", "models"];
const MORE = ["library", "settings"];

/** What the screen that is shown puts into the top bar. @type {import("../vendor/preact.js").Signal<Top>} */
const top = signal({});

/** A screen that stands beside another has no say in the bar above both. */
const Aside = createContext(false);

/** What Run does instead of queueing the draft right away, as long as a screen is there that shows findings first. */
export const runHandler = signal(/** @type {(() => unknown)|null} */ (null));

/**
 * For a screen: its own title, a path to go back to, buttons, and entries of the ⋯ menu.
 * @param {Top} given
 * @param {unknown[]} [changes] draw anew when one of these changes
 */
export function useTopbar(given, changes = []) {
  const aside = useContext(Aside);
  useEffect(() => {
    if (aside) return;
    top.value = given;
    return () => {
      if (top.value === given) top.value = {};
    };
  }, changes);
}

/** The part of the work under way that is done, 0 to 1; null if nothing runs. */
const activity = computed(() => {
  const at = [...tasks.value.values()].filter((task) => task.status === "running" || task.status === "canceling");
  if (!at.length) return null;
  return at.reduce((sum, task) => sum + (task.progress ?? 0), 0) / at.length;
});

const waiting = computed(() => [...tasks.value.values()].filter((task) => task.status === "queued" || task.status === "running").length);

async function rename() {
  const name = await openSheet(
    (close) => html`<${Sheet} open title=${t("ui.rename")} onClose=${() => close()}>
      <form
        class="stack"
        onSubmit=${(/** @type {any} */ event) => {
          event.preventDefault();
          close(event.target.elements.name.value.trim());
        }}
      >
        <label class="label" for="rename-name">${t("ui.name")}</label>
        <input class="input" id="rename-name" name="name" autocomplete="off" maxlength="120" value=${draft.value?.name} />
        <${Button} tone="primary" type="submit">${t("ui.rename_action")}<//>
      </form>
    <//>`,
  );
  if (name) renameDraft(name);
}

async function showMenu() {
  const own = top.value.menu ?? [];
  const name = route.value.screen;
  const items = [
    ...own,
    ...(name === "flow" && draft.value ? [{ id: "rename", label: t("ui.rename"), icon: "edit", onClick: rename }] : []),
    ...MORE.filter((screen) => screen !== name).map((screen) => ({
      id: screen,
      label: t(`nav.${screen}`),
      icon: screen,
      onClick: () => go(`/${screen}`),
    })),
  ];
  const chosen = await openMenu({ title: t("ui.more"), items });
  items.find((item) => item.id === chosen)?.onClick();
}

function TopBar() {
  const { title, back, actions } = top.value;
  const name = route.value.screen;
  const onFlow = name === "flow";
  const shown = title ?? (onFlow ? draft.value?.name : null) ?? t(`nav.${name}`);
  return html`<header class="top">
    ${back && html`<${IconButton} icon="back" label=${t("ui.back")} onClick=${() => go(back)} />`}
    <h1 title=${shown}>${shown}</h1>
    <div class="top-tools">
      ${actions}
      ${onFlow && draft.value && html`<${IconButton} icon="undo" label=${t("ui.undo")} disabled=${!canUndo.value} onClick=${() => undo()} />
        <${IconButton} icon="redo" label=${t("ui.redo")} disabled=${!canRedo.value} onClick=${() => redo()} />`}
      <${IconButton} icon="more" label=${t("ui.more")} onClick=${showMenu} aria-haspopup="dialog" />
    </div>
  </header>`;
}

function RunButton() {
  const reason = !draft.value ? t("ui.run_no_draft") : !online.value ? t("ui.run_offline") : null;
  const start = async () => {
    if (reason) return toast({ key: draft.value ? "ui.run_offline" : "ui.run_no_draft", tone: "warn" });
    try {
      await (runHandler.value ?? run)();
    } catch (error) {
      toastError(error);
      // What is wrong is told on the cards.
      void go("/flow");
    }
  };
  return html`<${Button} tone="primary" icon="play" class="button run" busy=${running.value !== null} aria-disabled=${reason ? "true" : null} title=${reason} onClick=${start}>
    ${t("ui.run")}
  <//>`;
}

/** @param {{name: string}} props */
function NavLink({ name }) {
  const progress = name === "tasks" ? activity.value : null;
  const count = name === "tasks" ? waiting.value : 0;
  return html`<a class="nav-link" href=${`#/${name}`} aria-current=${route.value.screen === name ? "page" : null}>
    ${progress === null ? html`<${Icon} name=${name} size=${22} />` : html`<${Ring} value=${progress} />`}
    <span class="nav-text">${t(`nav.${name}`)}</span>
    ${count > 0 && html`<span class="nav-count" aria-hidden="true">${count}</span><span class="sr-only">${t("ui.tasks_waiting", { count })}</span>`}
  </a>`;
}

/** The dock of a phone and the rail of a wide screen are one element; the styles say which it is. */
function Dock() {
  const bar = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    const element = bar.current;
    if (!element) return;
    // What lies over the end of the page: two rows with big letters, nothing as a rail.
    const watch = new ResizeObserver(() => {
      const over = getComputedStyle(element).position === "fixed" ? element.offsetHeight : 0;
      document.documentElement.style.setProperty("--dock-height", `${over}px`);
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return html`<nav ref=${bar} class="dock" aria-label=${t("nav.main")}>
    <div class="dock-links">
      ${DOCK.map((name) => html`<${NavLink} key=${name} name=${name} />`)}
      ${MORE.map((name) => html`<span class="rail-only" key=${name}><${NavLink} name=${name} /></span>`)}
    </div>
    <${RunButton} />
  </nav>`;
}

/**
 * A screen, or a part of one: fetched when it is first shown, and kept from taking the rest of the page down with it.
 * @param {{load: Load, aside?: boolean}} props
 */
export function Screen({ load, aside }) {
  const [loaded, setLoaded] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState(/** @type {unknown} */ (null));
  const [attempt, setAttempt] = useState(0);
  const [error, reset] = useErrorBoundary((caught) => console.error(caught));
  useEffect(() => {
    let here = true;
    load().then(
      (module) => here && setLoaded(() => module.default),
      (reason) => here && setFailed(reason),
    );
    return () => {
      here = false;
    };
  }, [load, attempt]);
  if (error || failed) {
    const again = () => {
      setFailed(null);
      reset();
      setAttempt((n) => n + 1);
    };
    return html`<${Broken} error=${error ?? failed} again=${again} />`;
  }
  if (!loaded) return html`<${Skeleton} cards=${3} />`;
  return html`<${Aside.Provider} value=${aside === true}><${loaded} aside=${aside} route=${route.value} /><//>`;
}

/** @param {string} query */
function useMedia(query) {
  const [on, setOn] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = () => setOn(list.matches);
    list.addEventListener("change", change);
    change();
    return () => list.removeEventListener("change", change);
  }, [query]);
  return on;
}

/** Root attributes, title of the tab: what lies outside of what Preact draws. */
function useDocument() {
  const { theme, textSize } = settings.value;
  const language = locale.value;
  const done = activity.value;
  useEffect(() => {
    const root = document.documentElement;
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    // The bar of the browser or of the phone has the page's colour, and that is by choice, not only by the system.
    for (const meta of /** @type {NodeListOf<HTMLMetaElement>} */ (document.querySelectorAll('meta[name="theme-color"]'))) {
      const { of } = meta.dataset;
      meta.media = theme !== "light" && theme !== "dark" ? `(prefers-color-scheme: ${of})` : of === theme ? "all" : "not all";
    }
    root.dataset.text = String(textSize ?? 100);
    root.lang = language === "zh" ? "zh-CN" : "en";
  }, [theme, textSize, language]);
  useEffect(() => {
    const title = top.value.title ?? t(`nav.${route.value.screen}`);
    document.title = `${done === null ? "" : `${Math.floor(done * 100)} % · `}${title} · Backplane`;
  }, [done, top.value, route.value, language]);
  // Each twentieth is enough: every change makes the browser draw its tabs anew.
  const shown = done === null ? null : Math.floor(done * 20) / 20;
  useEffect(() => showInTab(shown), [shown]);
}

/** @param {{screens: Record<string, Load>}} props */
export function Shell({ screens }) {
  const main = useRef(/** @type {HTMLElement|null} */ (null));
  const wide = useMedia("(min-width: 900px)");
  const name = route.value.screen in screens ? route.value.screen : "flow";
  const before = useRef(name);
  const typing = useTyping();
  useDocument();
  usePlace(main, `${name}/${name === "flow" ? draft.value?.id : route.value.id}`);
  useEffect(showMessages, []);
  useEffect(() => {
    if (before.current === name) return;
    before.current = name;
    closeSheets();
  }, [name]);
  return html`<a class="skip button" data-tone="primary" href="#main" onClick=${(/** @type {Event} */ event) => {
      event.preventDefault();
      main.current?.focus();
    }}>${t("ui.skip")}</a>
    <div class="shell" data-screen=${name} data-split=${wide && name === "flow" ? "true" : null}>
      <${TopBar} />
      <main id="main" tabindex="-1" ref=${main}>
        ${!online.value && html`<${Banner} tone="warn" title=${t("ui.offline")}>${t("ui.offline_text")}<//>`}
        <${Screen} key=${name} load=${screens[name]} />
      </main>
      ${wide && name === "flow" && html`<aside class="aside" aria-label=${t("nav.tasks")}><${Screen} load=${screens.tasks} aside /></aside>`}
      <${Dock} />
      ${typing && html`<${DoneBar} />`}
    </div>
    <${Sheets} />`;
}
