/** "Missing for this workflow": what the open draft needs, where to get it, and the buttons that do. */
import { html, useEffect } from "../../vendor/preact.js";
import { bytes } from "../../core/format.js";
import { downloads, draft, FINISHED, locale, models, online, setParam, t, toast, toastError } from "../../io/store.js";
import { Badge, Button } from "../../ui/basics.js";
import { Icon } from "../../ui/icons.js";
import { askNeeds, hostOf, known, lookInto, needs, wanted } from "./needs.js";
import { openPlan } from "./paste.js";
import { begin } from "./progress.js";
import { Problem, webLink } from "./problem.js";
import { pieces, plainName } from "./state.js";

/** @typedef {import("./needs.js").Needed} Needed */
/** @typedef {import("./needs.js").Source} Source */

/** So many sources are asked about by themselves; the others when they are opened. */
const LOOK_INTO = 4;

/** Asks again when the workflow or the server's files changed, not at every letter that is typed. */
export function useNeeds() {
  const now = draft.value;
  const here = models.value;
  const reached = online.value;
  useEffect(() => {
    if (!reached) return;
    const timer = setTimeout(() => void askNeeds(now), 300);
    return () => clearTimeout(timer);
  }, [now?.id, now?.graph, here, reached]);
}

/** @param {Needed} one @returns {import("../../core/types.js").Task | undefined} */
function underWay(one) {
  const file = plainName(one.name).split("/").pop();
  return downloads.value.find((task) => !FINISHED.has(task.status) && plainName(task.download?.name ?? "").split("/").pop() === file);
}

/** @param {Needed} one @param {string} name */
async function use(one, name) {
  try {
    for (const place of one.nodes) await setParam(place.node_id, place.param, name);
    toast({ key: "models.now_used", params: { name }, tone: "good" });
  } catch (error) {
    toastError(error);
  }
}

/** @param {{plan: any, source: Source}} props */
function SourceLine({ plan, source }) {
  const size = plan?.size ?? source.size;
  return html`<p class="hint">
    ${hostOf(source.url)}${size ? ` · ${bytes(size, locale.value)}` : ""}${plan?.licence ? ` · ${t("models.licence_is", { licence: plan.licence })}` : ""}
    ${plan?.gated && html` <${Badge} tone="warn">${t("models.gated")}<//>`}
    ${source.from === "search" && html` <${Badge} tone="warn">${t("models.found_by_name")}<//>`}
  </p>`;
}

/** @param {{one: Needed, eager: boolean}} props */
function MissingModel({ one, eager }) {
  const source = one.sources[0];
  const asked = source ? known.value.get(source.url) : undefined;
  useEffect(() => {
    if (source && eager && source.from !== "search") void lookInto(source, one.folder);
  }, [source?.url, eager]);
  const elsewhere = one.status === "elsewhere" && one.here[0];
  const sameFolder = elsewhere && elsewhere.folder === one.folder;
  const closest = one.close_matches[0];
  const running = underWay(one);
  const first = asked?.plan?.problems?.[0];
  return html`<li class="need">
    <div class="need-head">
      <${Icon} name=${elsewhere ? "info" : "alert"} size=${18} />
      <div class="grow">
        <strong class="need-name">${pieces(one.name).map((part) => html`${part}<wbr />`)}</strong>
        <small>${[one.folder, t("models.for_nodes", { nodes: one.nodes.map((place) => `#${place.node_id}`).join(", "), count: one.nodes.length })].filter(Boolean).join(" · ")}</small>
      </div>
    </div>
    ${elsewhere && html`<p class="hint">${t("models.is_elsewhere", { folder: elsewhere.folder, name: elsewhere.name })}</p>`}
    ${!elsewhere && source && html`<${SourceLine} plan=${asked?.plan} source=${source} />`}
    ${!elsewhere && !source && html`<p class="hint">${t("models.no_source")}</p>`}
    ${first && html`<${Problem} tone="warn" error=${first} page=${asked?.plan?.page} />`}
    ${asked?.state === "failed" && html`<${Problem} tone="warn" error=${asked.error} />`}
    <div class="row wrap">
      ${running
        ? html`<${Badge} tone="accent">${t("models.on_its_way")}<//>`
        : html`${!elsewhere && source && html`<${Button} small tone="primary" icon="download" disabled=${!online.value} onClick=${() => begin(wanted(source, one.folder))}>${t("models.download")}<//>
            <${Button} small disabled=${!online.value} onClick=${() => openPlan(wanted(source, one.folder))}>${t("models.look")}<//>`}
          ${!elsewhere && !source && html`<${Button} small icon="link" disabled=${!online.value} onClick=${() => openPlan({ type: one.folder ?? "", filename: plainName(one.name).split("/").pop() ?? "" })}>${t("models.paste")}<//>`}
          ${sameFolder && html`<${Button} small icon="check" onClick=${() => use(one, elsewhere.name)}>${t("models.use_this_one")}<//>`}
          ${!elsewhere && closest && html`<${Button} small tone="quiet" onClick=${() => use(one, closest)}>${t("models.use_closest", { name: closest })}<//>`}`}
    </div>
  </li>`;
}

/** @param {{one: import("./needs.js").NeededNode}} props */
function MissingNode({ one }) {
  const link = webLink(one.pack?.repository) ?? webLink(one.pack?.registry);
  return html`<li class="need">
    <div class="need-head">
      <${Icon} name="alert" size=${18} />
      <div class="grow">
        <strong class="need-name">${one.class_type}</strong>
        <small>${one.pack ? t("models.from_pack", { pack: one.pack.id }) : t("models.pack_unknown")}</small>
      </div>
      ${link && html`<${Button} small icon="external" href=${link} target="_blank" rel="noreferrer noopener">${t("models.pack_page")}<//>`}
    </div>
  </li>`;
}

/** One after the other: the first that is refused for want of room stops the rest. @param {Needed[]} open */
async function getAll(open) {
  for (const one of open) if (!(await begin(wanted(one.sources[0], one.folder)))) return;
}

export function Missing() {
  const { state, models: lacking, nodes, error, searched } = needs.value;
  if (!draft.value) return null;
  if (state === "failed" && !lacking.length) return html`<${Problem} tone="warn" error=${error} />`;
  if (!lacking.length && !nodes.length) return null;
  const open = lacking.filter((one) => one.status === "missing" && one.sources.length && !underWay(one));
  const sourceless = lacking.some((one) => one.status === "missing" && !one.sources.length);
  const total = open.reduce((sum, one) => sum + (known.value.get(one.sources[0].url)?.plan?.size ?? one.sources[0].size ?? NaN), 0);
  const label = Number.isFinite(total) && total > 0
    ? t("models.download_all_of", { count: open.length, size: bytes(total, locale.value) })
    : t("models.download_all", { count: open.length });
  return html`<section class="panel" aria-labelledby="missing-title">
    <div class="panel-head">
      <h2 id="missing-title">${t("models.missing")}</h2>
      <small>${draft.value.name}</small>
    </div>
    <ul class="needs">
      ${lacking.map((one, n) => html`<${MissingModel} key=${`${one.folder}/${one.name}`} one=${one} eager=${online.value && n < LOOK_INTO} />`)}
      ${nodes.map((one) => html`<${MissingNode} key=${one.class_type} one=${one} />`)}
    </ul>
    ${(open.length > 1 || (sourceless && !searched)) &&
    html`<div class="row wrap">
      ${open.length > 1 && html`<${Button} tone="primary" icon="download" disabled=${!online.value} onClick=${() => getAll(open)}>${label}<//>`}
      ${sourceless && !searched && html`<${Button} icon="search" busy=${state === "asking"} disabled=${!online.value} onClick=${() => askNeeds(draft.value, { search: true })}>${t("models.search_web")}<//>`}
    </div>`}
    ${searched && sourceless && html`<p class="hint">${t("models.search_found_nothing")}</p>`}
  </section>`;
}
