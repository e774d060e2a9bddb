/** Connecting: an input to one of the outputs that fit, or an output to one of the inputs that fit. */
import { html, useState } from "../../vendor/preact.js";
import { ports } from "../../core/fields.js";
import { filter } from "../../core/search.js";
import { catalog, t } from "../../io/store.js";
import { Button, SearchBox } from "../../ui/basics.js";
import { MenuItem, openSheet, Sheet } from "../../ui/sheet.js";
import { matchOf, sourcesFor, upstream } from "./choices.js";
import { openAdd } from "./add.js";
import { ApplyButton, PlanView, usePlan } from "./plan.js";
import { graph, nameOf, order } from "./state.js";

/** @typedef {import("./choices.js").Match} Match */
/**
 * One end that may be chosen.
 * @typedef {object} End
 * @property {string} id
 * @property {string} port As an operation names it.
 * @property {number} [slot]
 * @property {string} type
 * @property {Match} match
 * @property {string} [hint]
 */

/** Above this many a search box is shown. */
const MANY = 8;
/** @type {Match[]} */
const GROUPS = ["exact", "union", "wildcard"];

/** @param {End} end */
const labelOf = (end) => t("flow.choice_port", { node: `${nameOf(end.id)} #${end.id}`, port: end.port });

/** @param {{ends: End[], now: End | null, onPick: (end: End) => void}} props */
function Ends({ ends, now, onPick }) {
  const [query, setQuery] = useState("");
  const shown = query.trim() ? filter(ends, query.trim(), labelOf) : ends;
  const same = (/** @type {End} */ end) => now !== null && end.id === now.id && end.port === now.port;
  return html`${ends.length > MANY && html`<${SearchBox} label=${t("flow.search_ports")} value=${query} onInput=${setQuery} />`}
    ${GROUPS.map((match) => {
      const inside = shown.filter((end) => end.match === match);
      return inside.length
        ? html`<section key=${match}>
            <h3>${t(`flow.match_${match}`)}</h3>
            <ul class="menu">
              ${inside.map(
                (end) => html`<li key=${`${end.id} ${end.port} ${end.slot}`}>
                  <${MenuItem}
                    icon=${same(end) ? "check" : "link"}
                    label=${labelOf(end)}
                    hint=${same(end) ? t("flow.connected_now") : (end.hint ?? end.type)}
                    onClick=${() => onPick(end)}
                  />
                </li>`,
              )}
            </ul>
          </section>`
        : null;
    })}
    ${!shown.length && html`<p class="muted">${t("flow.no_end")}</p>`}`;
}

/**
 * @param {{title: string, ends: End[], now: End | null, opOf: (end: End) => import("../../core/types.js").Operation,
 *   more?: any, close: () => void}} props
 */
function ConnectSheet({ title, ends, now, opOf, more, close }) {
  const [end, setEnd] = useState(/** @type {End | null} */ (null));
  const state = usePlan(end ? [opOf(end)] : []);
  if (!end) {
    return html`<${Sheet} key="pick" open tall title=${title} onClose=${close} footer=${more}>
      <div class="stack picker"><${Ends} ends=${ends} now=${now} onPick=${setEnd} /></div>
    <//>`;
  }
  return html`<${Sheet}
    key="plan"
    open
    title=${title}
    onClose=${close}
    footer=${html`<${Button} icon="back" onClick=${() => setEnd(null)}>${t("ui.back")}<//>
      <${ApplyButton} state=${state} label=${t("flow.connect_apply")} onDone=${close} />`}
  ><div class="stack"><p>${labelOf(end)}</p><${PlanView} state=${state} /></div><//>`;
}

/** @param {string} id */
function portsOf(id) {
  const node = graph.value[id];
  const { inputs, outputs, params } = ports(catalog.value.get(node.class_type), node, graph.value, id);
  return { inputs: [...inputs, ...params], outputs };
}

/** @param {{id: string, input: string, close: () => void}} props */
function Sources({ id, input, close }) {
  const [sheet] = useState(() => {
    const port = portsOf(id).inputs.find((one) => one.name === input);
    const type = port?.type ?? "*";
    const ends = sourcesFor(graph.value, catalog.value, order.value, id, type).map(({ name, ...end }) => ({ ...end, port: name }));
    const now = ends.find((end) => end.id === port?.link?.node && end.slot === port.link.slot) ?? null;
    return { type, ends, now };
  });
  const add = () => {
    close();
    openAdd({ before: id, input });
  };
  return html`<${ConnectSheet}
    title=${t("flow.connect_input", { input, node: nameOf(id) })}
    ends=${sheet.ends}
    now=${sheet.now}
    opOf=${(/** @type {End} */ end) => ({ op: "connect", source_node_id: end.id, output: end.slot, target_node_id: id, input })}
    more=${html`<${Button} icon="plus" onClick=${add}>${t("flow.add_source", { type: sheet.type })}<//>`}
    close=${close}
  />`;
}

/** @param {{id: string, slot: number, close: () => void}} props */
function Targets({ id, slot, close }) {
  const [sheet] = useState(() => {
    const output = portsOf(id).outputs.find((one) => one.slot === slot);
    const barred = upstream(graph.value, id).add(id);
    /** @type {End[]} */
    const ends = order.value
      .filter((each) => !barred.has(each))
      .flatMap((each) =>
        portsOf(each).inputs.flatMap((port) => {
          const match = matchOf(port.type, output?.type ?? "*");
          if (!match || (port.link?.node === id && port.link.slot === slot)) return [];
          const hint = port.link ? t("flow.takes_now", { node: nameOf(port.link.node) }) : port.type;
          return [{ id: each, port: port.name, type: port.type, match, hint }];
        }),
      );
    return { name: output?.name ?? String(slot), ends };
  });
  return html`<${ConnectSheet}
    title=${t("flow.connect_output", { output: sheet.name, node: nameOf(id) })}
    ends=${sheet.ends}
    now=${null}
    opOf=${(/** @type {End} */ end) => ({ op: "connect", source_node_id: id, output: slot, target_node_id: end.id, input: end.port })}
    close=${close}
  />`;
}

/** Chooses what an input takes. @param {string} id @param {string} input */
export const openSources = (id, input) => openSheet((close) => html`<${Sources} id=${id} input=${input} close=${() => close()} />`);

/** Chooses what else an output gives to. @param {string} id @param {number} slot */
export const openTargets = (id, slot) => openSheet((close) => html`<${Targets} id=${id} slot=${slot} close=${() => close()} />`);
