/** One node: its fields, its ports, what is wrong with it and how it runs. */
import { html, untracked, useState } from "../../vendor/preact.js";
import { fieldsOf, optionLabel, ports } from "../../core/fields.js";
import { catalog, findingsOf, lastRun, lastUsed, seedMode, setParam, setSeedMode, t, toastError, view } from "../../io/store.js";
import { Chip, IconButton } from "../../ui/basics.js";
import { NodeCard, PortChip } from "../../ui/card.js";
import { Fields, FieldView } from "../../ui/field.js";
import { memo } from "../../ui/memo.js";
import { Thumb } from "../../ui/thumb.js";
import { standing } from "./live.js";
import { openInputMenu, openNodeMenu, openOutputMenu } from "./menu.js";
import { apply } from "./plan.js";
import { Preview } from "./preview.js";
import { mend } from "./problems.js";
import { flashed, graph, jump, lines, nameOf, noteEdit, toggleOpened } from "./state.js";

/** @typedef {import("../../core/types.js").Field} Field */
/** @typedef {import("../../core/types.js").Finding} Finding */
/** @typedef {import("../../core/types.js").InPort} InPort */
/** @typedef {import("../../core/types.js").OutPort} OutPort */

/** Names as they are now, without being drawn anew when any node changes: who shows them is given *wires*. @param {string} id */
const calm = (id) => untracked(() => nameOf(id));

/** @param {string} id @param {Field} field @param {any} value */
async function change(id, field, value) {
  noteEdit(id, field.name);
  try {
    await setParam(id, field.name, value);
  } catch (error) {
    toastError(error);
  }
}

/** @param {string} id @param {Field} field */
const unlink = (id, field) => void apply([{ op: "disconnect", target_node_id: id, input: field.name }], { show: false });

/** @param {string} id */
function tools(id) {
  return (/** @type {Field} */ field) => ({
    mode: seedMode(id, field.name, field.control),
    onMode: (/** @type {"fixed" | "randomize" | "increment" | "decrement"} */ mode) => setSeedMode(id, field.name, mode),
    last: lastUsed(id, field.name),
  });
}

/** @param {string} id */
const handlers = (id) => ({
  seedOf: tools(id),
  nodeName: calm,
  onJump: jump,
  onFix: mend,
  onUnlink: (/** @type {Field} */ field) => unlink(id, field),
});

/**
 * One field by itself, as the simple view shows it.
 * @param {{id: string, field: Field, also?: {id: string, name: string}[], finding?: Finding | null}} props *also*: what gets the same value
 */
export function NodeField({ id, field, also = [], finding }) {
  const set = async (/** @type {any} */ value, /** @type {Field} */ changed) => {
    await change(id, changed, value);
    if (changed.name === field.name) for (const one of also) await change(one.id, { ...field, name: one.name }, value);
  };
  return html`<${FieldView}
    field=${field}
    id=${`simple-${id}-${field.name}`}
    finding=${finding ?? null}
    findingFor=${(/** @type {string} */ name) => findingsOf(id).find((one) => one.input === name)}
    onChange=${set}
    ...${handlers(id)}
  />`;
}

/** A chip with its ⋯; the chip itself leads to the other end. @param {{chip: any, label: string, onMenu: () => void}} props */
function Pair({ chip, label, onMenu }) {
  return html`<span class="port-pair">${chip}<${IconButton} icon="more" label=${label} aria-haspopup="dialog" onClick=${onMenu} /></span>`;
}

/** @param {{id: string, port: InPort}} props */
function In({ id, port }) {
  const menu = () => void openInputMenu(id, port);
  const { link } = port;
  const leads = link !== null && untracked(() => link.node in graph.value);
  const missing = link ? !leads : port.required;
  const chip = html`<${PortChip}
    type=${port.type}
    name=${port.name}
    direction="in"
    target=${link ? calm(link.node) : null}
    missing=${missing}
    onClick=${() => (link && leads ? jump(link.node) : menu())}
    onLong=${menu}
  />`;
  return link ? html`<${Pair} chip=${chip} label=${t("flow.input_menu", { input: port.name })} onMenu=${menu} />` : chip;
}

/** @param {{id: string, port: OutPort}} props */
function Out({ id, port }) {
  const menu = () => void openOutputMenu(id, port);
  const [first, ...others] = [...new Set(port.targets.map((one) => one.id))];
  const chip = html`<${PortChip}
    type=${port.type}
    name=${port.name}
    direction="out"
    target=${first === undefined ? null : calm(first)}
    count=${others.length + 1}
    onClick=${() => (first !== undefined && !others.length ? jump(first) : menu())}
    onLong=${menu}
  />`;
  return first !== undefined && !others.length
    ? html`<${Pair} chip=${chip} label=${t("flow.output_menu", { output: port.name || port.type })} onMenu=${menu} />`
    : chip;
}

/** @param {{id: string, inputs: InPort[], outputs: OutPort[], found: readonly Finding[]}} props */
function Ports({ id, inputs, outputs, found }) {
  const [all, setAll] = useState(false);
  const urgent = (/** @type {InPort} */ port) => (port.required && !port.link) || found.some((one) => one.input === port.name);
  const folded = inputs.filter((port) => !urgent(port));
  return html`${inputs.filter(urgent).map((port) => html`<${In} key=${`in ${port.name}`} id=${id} port=${port} />`)}
    ${all && folded.map((port) => html`<${In} key=${`in ${port.name}`} id=${id} port=${port} />`)}
    ${outputs.map((port) => html`<${Out} key=${`out ${port.slot}`} id=${id} port=${port} />`)}
    ${folded.length > 0 &&
    html`<${Chip} icon=${all ? "up" : "down"} aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${t("flow.inputs_fold", { count: folded.length })}<//>`}`;
}

/** What the simplest kinds come to in one line, the longest last. */
const TELLING = ["multiline", "text", "model", "image", "video", "audio", "picker", "segmented", "dynamic", "int", "float", "seed", "switch"];

/** The two values that say most: those that were changed most here, else by their kind. @param {string} id @param {Field[]} fields */
function brief(id, fields) {
  const { edits: counts = {} } = view.peek();
  const weight = (/** @type {Field} */ field) => (counts[`${id}.${field.name}`] ?? 0) * 100 - TELLING.indexOf(field.kind);
  return fields
    .filter((field) => TELLING.includes(field.kind) && field.value !== undefined && field.value !== "" && !field.hidden)
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, 2)
    .map((field) => {
      const text = Array.isArray(field.value) ? field.value.map(optionLabel).join(", ") : optionLabel(field.value);
      return ["int", "float", "seed", "switch"].includes(field.kind) ? `${field.label} ${text}` : text;
    })
    .join(" · ");
}

/** @param {{id: string, picture: boolean}} props */
function Foot({ id, picture }) {
  const task = lastRun.value;
  if (!task) return null;
  const preview = /** @type {any} */ (task).preview;
  if (picture && preview && preview.node_id === id) {
    return html`<${Preview} path=${preview.url} beat=${preview.at} alt=${t("flow.preview_of", { name: calm(id) })} />`;
  }
  const shown = (task.outputs ?? []).map((output, n) => ({ output, n })).filter(({ output }) => output.node_id === id && output.kind === "image");
  if (!shown.length) return null;
  return html`<div class="card-results">
    ${shown.slice(0, 4).map(({ n }) => html`<a key=${n} href=${`#/tasks/${task.id}`} aria-label=${t("flow.result", { n: n + 1 })}><${Thumb} task=${task} n=${n} square width=${256} alt="" /></a>`)}
  </div>`;
}

/**
 * @typedef {object} CardProps
 * @property {string} id
 * @property {import("../../core/types.js").Node} node
 * @property {import("../../core/types.js").NodeSpec | undefined} spec
 * @property {boolean} line
 * @property {boolean} foldable
 * @property {boolean} flash
 * @property {string} stand How it stands, as JSON: equal as long as nothing changed.
 * @property {string} wires Who it is linked with, and what they are called.
 * @property {readonly Finding[]} found
 * @property {boolean} results
 */

/** @param {CardProps} props */
function Body({ id, node, spec, line, foldable, flash, stand, found, results }) {
  /** @type {import("./live.js").Standing} */
  const how = JSON.parse(stand);
  const fields = fieldsOf(spec, node);
  const { inputs, outputs } = ports(spec, node, untracked(() => graph.value), id);
  const names = new Set(fields.flatMap((field) => [field.name, ...(field.children ?? []).map((child) => child.name)]));
  const off = node._meta?.bypassed !== undefined;
  // A line has no fields to stand at.
  const loose = found.filter((one) => (line || one.input === null || !names.has(one.input)) && !(off && one.code === "NODE_NOT_USED"));
  const place = [`#${id}`, (spec?.category ?? "").split("/").at(-1) || t("flow.not_installed_short")].join(" · ");
  const error = how.error ? html`<p class="card-error" role="alert">${how.error}</p>` : null;
  const running = how.state === "running";
  return html`<${NodeCard}
    id=${id}
    title=${calm(id)}
    subtitle=${place}
    said=${how.text ? html`<span class="card-state">${how.text}</span>${running ? null : ` · ${place}`}` : null}
    state=${how.state}
    progress=${running ? { value: how.value ?? null, text: how.text ?? undefined } : null}
    line=${line}
    brief=${line ? brief(id, fields) : null}
    flash=${flash}
    findings=${loose}
    onFix=${mend}
    nodeName=${calm}
    onMenu=${() => void openNodeMenu(id)}
    onToggle=${foldable ? () => toggleOpened(id) : undefined}
    ports=${inputs.length || outputs.length ? html`<${Ports} id=${id} inputs=${inputs} outputs=${outputs} found=${found} />` : null}
    foot=${html`${error}${running || results ? html`<${Foot} id=${id} picture=${running} />` : null}`}
  >
    <${Fields}
      fields=${fields}
      prefix=${`f-${id}`}
      onChange=${(/** @type {any} */ value, /** @type {Field} */ field) => change(id, field, value)}
      findingFor=${(/** @type {string} */ name) => found.find((one) => one.input === name)}
      ...${handlers(id)}
    />
  <//>`;
}

const Card = memo(Body, ["id", "node", "spec", "line", "foldable", "flash", "stand", "wires", "found", "results"]);

/** @param {{id: string, line: boolean, wires: string}} props */
export function FlowCard({ id, line, wires }) {
  const node = graph.value[id];
  if (!node) return null;
  return html`<${Card}
    id=${id}
    node=${node}
    spec=${catalog.value.get(node.class_type)}
    line=${line}
    foldable=${lines.value}
    flash=${flashed.value === id}
    stand=${JSON.stringify(standing(id))}
    wires=${wires}
    found=${findingsOf(id)}
    results=${(lastRun.value?.outputs ?? []).some((output) => output.node_id === id && output.kind === "image")}
  />`;
}
