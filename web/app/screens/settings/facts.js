/** What the server says of itself, and how well it is. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { bytes } from "../../core/format.js";
import { api, errorOf, headers } from "../../io/api.js";
import { ApiError, lastReached, locale, online, server, t, told } from "../../io/store.js";
import { Badge, Banner, Button, Skeleton } from "../../ui/basics.js";

/** @param {{label: string, children?: any}} props */
export const Fact = ({ label, children }) =>
  children === null || children === undefined || children === "" ? null : html`<div><dt>${label}</dt><dd>${children}</dd></div>`;

/** A failing health check answers 503 with the same body; told apart from a server that does not answer by its `checks`. */
async function health() {
  const response = await fetch(api.url("/ext/health"), { cache: "no-store", headers: headers() }).catch(() => null);
  if (!response) throw new ApiError("OFFLINE", "The server cannot be reached.");
  const body = await response.clone().json().catch(() => null);
  if (!Array.isArray(body?.checks)) throw await errorOf(response);
  return body;
}

/** @type {Record<string, string>} */
const CHECKS = {
  prompt_worker: "settings.check_worker",
  task_store: "settings.check_tasks",
  session_store: "settings.check_sessions",
  disk: "settings.check_disk",
  hook_progress: "settings.check_hook_progress",
  hook_messages: "settings.check_hook_messages",
  hook_queue: "settings.check_hook_queue",
  hook_outputs: "settings.check_hook_outputs",
};

/** What the server says of itself while all is well; a failure comes in its own words, which a search engine knows. @type {Record<string, string>} */
const DETAILS = {
  running: "settings.detail_running",
  "takes prompts": "settings.detail_running",
  "the prompt worker has ended": "settings.detail_stopped",
  "stopped: nothing will run until ComfyUI is restarted": "settings.detail_stopped",
  writable: "settings.detail_writable",
  "not in use": "settings.detail_unused",
  installed: "settings.detail_installed",
  "off by setting: polling": "settings.detail_off",
};

/** @param {{name: string, detail: string}} check */
function detailOf({ name, detail }) {
  const room = name === "disk" && /^(\d+) MiB free$/.exec(detail);
  if (room) return t("settings.detail_free", { size: bytes(Number(room[1]) * 2 ** 20, locale.value) });
  return Object.hasOwn(DETAILS, detail) ? t(DETAILS[detail]) : html`<span lang="en">${detail}</span>`;
}

/** @param {{found: any}} props */
function Health({ found }) {
  return html`<ul class="checks">
    ${found.checks.map((/** @type {any} */ one) => html`<li key=${one.name}>
      <${Badge} tone=${one.ok ? "good" : "bad"}>${t(one.ok ? "settings.ok" : "settings.not_ok")}<//>
      <span class="grow">${CHECKS[one.name] ? t(CHECKS[one.name]) : html`<span lang="en">${one.name}</span>`}<small>${detailOf(one)}</small></span>
    </li>`)}
  </ul>`;
}

/** @param {{free: number, total: number}} props */
const Room = ({ free, total }) => html`${t("settings.free_of", { free: bytes(free, locale.value), total: bytes(total, locale.value) })}`;

export function ServerFacts() {
  const [state, setState] = useState(/** @type {{system: any, health: any, error: unknown}} */ ({ system: null, health: null, error: null }));
  const [turn, setTurn] = useState(0);
  const reached = online.value;
  useEffect(() => {
    if (!reached) return;
    let here = true;
    Promise.all([api.get("/ext/system"), health()]).then(
      ([system, found]) => here && setState({ system, health: found, error: null }),
      (error) => here && setState((old) => ({ ...old, error })),
    );
    return () => {
      here = false;
    };
  }, [reached, turn]);
  const { system, health: found, error } = state;
  const about = server.value;
  const again = html`<${Button} small icon="retry" disabled=${!reached} onClick=${() => setTurn(turn + 1)}>${t("settings.refresh")}<//>`;
  return html`<section class="panel" aria-labelledby="set-server">
    <div class="panel-head"><h2 id="set-server">${t("settings.server")}</h2>${again}</div>
    ${!reached && html`<${Banner} tone="warn">${lastReached.value ? t("settings.last_seen", { time: new Date(lastReached.value).toLocaleTimeString(locale.value === "zh" ? "zh-CN" : "en") }) : t("settings.not_reached")}<//>`}
    ${error && html`<${Banner} tone="bad" title=${told(error).title} />`}
    ${!system && !error && reached && html`<${Skeleton} lines=${5} />`}
    ${about?.host === "sandbox" && html`<${Banner} tone="warn">${t("settings.sandbox")}<//>`}
    <dl class="fact-list">
      <${Fact} label=${t("settings.address")}>${location.origin}<//>
      ${about && html`<${Fact} label=${about.host === "sandbox" ? t("settings.host_sandbox") : "ComfyUI"}>${about.host_version}<//>
        <${Fact} label="Backplane">${about.version}<//>
        <${Fact} label=${t("settings.mode")}>${about.locked ? t("settings.locked") : null}<//>`}
      ${system && html`
        <${Fact} label="Python">${[system.python, system.os].filter(Boolean).join(" · ")}<//>
        <${Fact} label="PyTorch">${system.torch}<//>
        ${(system.devices ?? []).map((/** @type {any} */ one) => html`<${Fact} key=${one.name} label=${t("settings.device")}>${one.name}<small><${Room} free=${one.vram_free} total=${one.vram_total} /></small><//>`)}
        <${Fact} label=${t("settings.memory")}><${Room} free=${system.ram_free} total=${system.ram_total} /><//>
        <${Fact} label=${t("settings.disk")}><${Room} free=${system.disk_free} total=${system.disk_total} /><//>
        <${Fact} label=${t("settings.queue")}>${t("settings.queue_is", { running: system.queue?.running ?? 0, pending: system.queue?.pending ?? 0 })}<//>`}
    </dl>
    ${found && html`<${Health} found=${found} />`}
  </section>`;
}
