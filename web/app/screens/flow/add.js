/** Adding: a node after another, before one, into a link, or by itself; or a building block of several. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { users } from "../../core/graph.js";
import { api } from "../../io/api.js";
import { catalog, t } from "../../io/store.js";
import { Badge, Button, Segmented } from "../../ui/basics.js";
import { MenuItem, openSheet, Sheet } from "../../ui/sheet.js";
import { passes, spotsOf } from "./choices.js";
import { useAnswer } from "../../ui/answer.js";
import { NodePicker, suggestions } from "./pick.js";
import { ApplyButton, PlanView, usePlan } from "./plan.js";
import { classNameOf, graph, nameOf, noteRecent } from "./state.js";

/** @typedef {import("../../core/types.js").Operation} Operation */
/** @typedef {import("./pick.js").Fit} Fit */
/**
 * Where something is added: behind *after* (of it, behind output *slot*), and before *before* (there, at *input*).
 * @typedef {{after?: string, slot?: number, before?: string, input?: string}} Place
 */
/** @typedef {"into" | "branch" | "feed" | "loose"} Mode */

const MATCHES = ["exact", "union", "wildcard"];

/** @param {any} a @param {any} b */
const byFit = (a, b) => MATCHES.indexOf(a.match) - MATCHES.indexOf(b.match) || b.count - a.count;

/** The places where a node of this class could go, the usual one first. @param {string} name @param {Place} place @param {Fit} [fit] */
function modesOf(name, place, fit) {
  const spec = catalog.value.get(name);
  /** @type {Mode[]} */
  const modes = [];
  const source = place.after === undefined ? undefined : graph.value[place.after];
  if (source && spec) {
    const outputs = catalog.value.get(source.class_type)?.outputs ?? [];
    const used = (users(graph.value).get(place.after ?? "") ?? []).filter(
      ({ slot }) => place.slot === undefined || slot === place.slot,
    );
    if (used.some(({ slot }) => outputs[slot] && passes(spec, outputs[slot].type, outputs[slot].type))) modes.push("into");
    if (fit?.at?.way !== "previous") modes.push("branch");
  }
  if (place.before !== undefined && fit?.at?.way === "previous") modes.unshift("feed");
  modes.push("loose");
  return modes;
}

/** @param {string} name @param {Mode} mode @param {Place} place @param {Fit} [fit] @returns {Operation[]} */
function opsFor(name, mode, place, fit) {
  const source = graph.value[place.after ?? ""];
  if (mode === "into") {
    const spec = catalog.value.get(name);
    const outputs = catalog.value.get(source.class_type)?.outputs ?? [];
    const slot =
      place.slot ??
      (users(graph.value).get(place.after ?? "") ?? []).map((use) => use.slot).find((each) => spec && outputs[each] && passes(spec, outputs[each].type, outputs[each].type));
    return [{ op: "insert_node", class_type: name, source_node_id: place.after, output: slot }];
  }
  if (mode === "feed") {
    return [
      { op: "add_node", class_type: name, alias: "new" },
      { op: "connect", source_node_id: "$new", output: fit?.at.slot, target_node_id: place.before, input: fit?.at.input },
    ];
  }
  if (mode === "loose") return [{ op: "add_node", class_type: name }];
  if (fit?.at) return [{ op: "add_node", class_type: name, inputs: { [fit.at.port]: [place.after, fit.at.slot] } }];
  return [
    { op: "add_node", class_type: name, alias: "new" },
    { op: "connect", source_node_id: place.after, ...(place.slot === undefined ? {} : { output: place.slot }), target_node_id: "$new" },
  ];
}

/** What fits at a place, the likeliest first. @param {Place} place @param {AbortSignal} signal @returns {Promise<Fit[]>} */
async function fitsAt(place, signal) {
  /** @type {Promise<any[]>[]} */
  const asked = [];
  const source = place.after === undefined ? undefined : graph.value[place.after];
  if (source) {
    const outputs = catalog.value.get(source.class_type)?.outputs ?? [];
    outputs.forEach((_, slot) => {
      if (place.slot !== undefined && place.slot !== slot) return;
      const items = suggestions(source.class_type, "next", slot, { signal });
      asked.push(items.then((found) => found.map((item) => ({ ...item, at: { way: "next", slot, port: item.port } }))));
    });
  }
  const target = place.before === undefined ? undefined : graph.value[place.before];
  if (target) {
    const free = (catalog.value.get(target.class_type)?.inputs ?? []).filter(
      (one) => one.name === place.input || (place.input === undefined && one.required && target.inputs[one.name] === undefined),
    );
    for (const { name } of free) {
      const items = suggestions(target.class_type, "previous", name, { signal });
      asked.push(items.then((found) => found.map((item) => ({ ...item, at: { way: "previous", slot: item.slot, input: name } }))));
    }
  }
  const all = (await Promise.all(asked)).flat().sort(byFit);
  const once = new Map();
  for (const item of all) if (!once.has(item.name)) once.set(item.name, item);
  return [...once.values()].map(({ name, at, port_type: type, category }) => ({
    name,
    at,
    hint: t(at.way === "next" ? "flow.takes" : "flow.gives", { type, category }),
  }));
}

/** @param {{onPick: (fragment: any) => void}} props */
function Blocks({ onPick }) {
  const blocks = useAnswer(async (signal) => (await api.get("/ext/templates?kind=fragment", { signal })).items, "fragments", []);
  if (!blocks?.length) return null;
  return html`<section>
    <h3>${t("flow.blocks")}</h3>
    <ul class="menu">
      ${blocks
        .filter((/** @type {any} */ one) => !one.fault)
        .map((/** @type {any} */ one) => html`<li key=${one.name}><${MenuItem} label=${one.title ?? one.name} hint=${one.description} onClick=${() => onPick(one)} /></li>`)}
    </ul>
  </section>`;
}

/** @param {{name: string, fit?: Fit, place: Place, back: () => void, close: () => void}} props */
function PlaceSheet({ name, fit, place, back, close }) {
  const modes = modesOf(name, place, fit);
  const [mode, setMode] = useState(modes[0]);
  const state = usePlan(opsFor(name, mode, place, fit), { wire: mode !== "loose" });
  const options = modes.map((value) => ({ value, label: t(`flow.mode_${value}`) }));
  const about = catalog.value.get(name)?.description;
  const done = () => {
    noteRecent(name);
    close();
  };
  return html`<${Sheet}
    open
    title=${t("flow.add_title", { name: classNameOf(name) })}
    onClose=${close}
    footer=${html`<${Button} icon="back" onClick=${back}>${t("flow.other_node")}<//>
      <${ApplyButton} state=${state} label=${t("flow.add_apply")} onDone=${done} />`}
  ><div class="stack">
    ${about && html`<p class="muted">${about}</p>`}
    ${options.length > 1 && html`<${Segmented} label=${t("flow.where")} options=${options} value=${mode} onChange=${setMode} />`}
    <${PlanView} state=${state} />
  </div><//>`;
}

/** @param {{block: any, place: Place, back: () => void, close: () => void}} props */
function BlockSheet({ block, place, back, close }) {
  const whole = useAnswer((signal) => api.get(`/ext/templates/${encodeURIComponent(block.name)}`, { signal }), block.name, null);
  const [where, setWhere] = useState("");
  const [refused, setRefused] = useState(false);
  const spots = spotsOf(graph.value, whole?.place ?? []);
  const near = spots.findIndex(({ source, targets }) => source === place.after || targets.some(({ id }) => id === place.after));
  const choices = [
    ...(spots.length > 1 ? [] : [{ value: "usual", label: t("flow.block_usual"), at: {} }]),
    ...(spots.length > 1 ? spots : []).map(({ source, slot, targets }, n) => ({
      value: String(n),
      label: t("flow.block_behind", { node: `${nameOf(source)} #${source}` }),
      at: { source_node_id: source, output: slot, ...(targets.length === 1 ? { target_node_id: targets[0].id, input: targets[0].input } : {}) },
    })),
    ...(place.after !== undefined && place.slot !== undefined
      ? [{ value: "here", label: t("flow.block_here"), at: { source_node_id: place.after, output: place.slot } }]
      : []),
  ];
  const { value: chosen, at } = choices.find((one) => one.value === where) ?? choices[Math.max(0, spots.length > 1 ? near : 0)];
  // What wants a file and has no default is put in as it is written, and chosen on its card.
  const open = Object.values(whole?.inputs ?? {}).some((/** @type {any} */ input) => input.required && input.default === undefined);
  const fragment = whole && (open || refused) ? { workflow: whole.workflow, inputs: whole.ports, outputs: whole.outputs, place: whole.place } : block.name;
  const state = usePlan(whole ? [{ op: "add_fragment", fragment, ...at }] : [], { wire: true });
  const wants = state.error?.code === "TEMPLATE_INPUT_INVALID";
  useEffect(() => {
    if (wants) setRefused(true);
  }, [wants]);
  return html`<${Sheet}
    open
    title=${t("flow.add_title", { name: block.title ?? block.name })}
    onClose=${close}
    footer=${html`<${Button} icon="back" onClick=${back}>${t("flow.other_node")}<//>
      <${ApplyButton} state=${state} label=${t("flow.add_apply")} onDone=${close} />`}
  ><div class="stack">
    ${block.description && html`<p class="muted">${block.description}</p>`}
    ${block.base_models?.length > 0 && html`<div class="row wrap">${block.base_models.map((/** @type {string} */ one) => html`<${Badge}>${one}<//>`)}</div>`}
    ${choices.length > 1 &&
    html`<label class="stack">
      <span class="label">${t("flow.where")}</span>
      <select class="input" value=${chosen} onChange=${(/** @type {any} */ event) => setWhere(event.target.value)}>
        ${choices.map(({ value, label }) => html`<option key=${value} value=${value}>${label}</option>`)}
      </select>
    </label>`}
    <${PlanView} state=${state} />
  </div><//>`;
}

/** @param {{place: Place, first?: {name: string, fit?: Fit}, close: () => void}} props */
function AddSheet({ place, first, close }) {
  const [picked, setPicked] = useState(/** @type {{name: string, fit?: Fit} | null} */ (first ?? null));
  const [block, setBlock] = useState(/** @type {any} */ (null));
  const fits = useAnswer((signal) => fitsAt(place, signal), JSON.stringify(place), []);
  if (picked) return html`<${PlaceSheet} key="place" ...${picked} place=${place} back=${() => setPicked(null)} close=${close} />`;
  if (block) return html`<${BlockSheet} key="block" block=${block} place=${place} back=${() => setBlock(null)} close=${close} />`;
  const title = place.after !== undefined && place.before === undefined ? t("flow.add_after", { name: nameOf(place.after) }) : t("flow.add_node");
  return html`<${Sheet} key="pick" open tall title=${title} onClose=${close}>
    <${NodePicker} title=${t("flow.fits_here")} fits=${fits} onPick=${(/** @type {string} */ name, /** @type {Fit} */ fit) => setPicked({ name, fit })}>
      <${Blocks} onPick=${setBlock} />
    <//>
  <//>`;
}

/**
 * @param {Place} [place]
 * @param {{name: string, fit?: Fit}} [first] What is to be added, if that is known.
 */
export const openAdd = (place = {}, first) =>
  openSheet((close) => html`<${AddSheet} place=${place} first=${first} close=${() => close()} />`);

/**
 * What is put into a link: one, or with *source* and *slot* only all that come from an output.
 * @typedef {{source?: string, slot?: number, target?: string, input?: string}} Spot
 */

/** @param {{spot: Spot, type: string, takes: string, close: () => void}} props */
function InsertSheet({ spot, type, takes, close }) {
  const [name, setName] = useState(/** @type {string | null} */ (null));
  const source = graph.value[spot.source ?? ""];
  const through = useAnswer(
    async (signal) => {
      const likely = await suggestions(source.class_type, "next", spot.slot ?? 0, { limit: 100, signal });
      const rank = new Map(likely.map((item, at) => [item.name, at]));
      return [...catalog.value.values()]
        .filter((spec) => passes(spec, type, takes) && !spec.flags.deprecated)
        .sort((a, b) => (rank.get(a.name) ?? 1e3) - (rank.get(b.name) ?? 1e3))
        .map((spec) => ({ name: spec.name }));
    },
    JSON.stringify(spot),
    [],
  );
  const ends = {
    ...(spot.source === undefined || spot.target !== undefined ? {} : { source_node_id: spot.source, output: spot.slot }),
    ...(spot.target === undefined ? {} : { target_node_id: spot.target, input: spot.input }),
  };
  const state = usePlan(name ? [{ op: "insert_node", class_type: name, ...ends }] : [], { wire: true });
  const title = t("flow.insert_title", { type });
  if (!name) {
    return html`<${Sheet} key="pick" open tall title=${title} onClose=${close}>
      <${NodePicker} title=${t("flow.fits_here")} fits=${through} only onPick=${setName} />
    <//>`;
  }
  const done = () => {
    noteRecent(name);
    close();
  };
  return html`<${Sheet}
    key="plan"
    open
    title=${t("flow.insert_node", { name: classNameOf(name) })}
    onClose=${close}
    footer=${html`<${Button} icon="back" onClick=${() => setName(null)}>${t("flow.other_node")}<//>
      <${ApplyButton} state=${state} label=${t("flow.insert_apply")} onDone=${done} />`}
  ><${PlanView} state=${state} /><//>`;
}

/** @param {Spot} spot @param {{type: string, takes?: string}} types */
export const openInsert = (spot, { type, takes = type }) =>
  openSheet((close) => html`<${InsertSheet} spot=${spot} type=${type} takes=${takes} close=${() => close()} />`);
