/** The sheets that change one node: replace, branch, remove, rename, and its help. */
import { html, useState } from "../../vendor/preact.js";
import { isLink, users } from "../../core/graph.js";
import { catalog, findingsOf, t } from "../../io/store.js";
import { Badge, Button, Segmented, Switch } from "../../ui/basics.js";
import { Dot } from "../../ui/card.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { downstream, joinsOf, likest, matchOf } from "./choices.js";
import { NodePicker } from "./pick.js";
import { apply, ApplyButton, PlanSheet, PlanView, usePlan } from "./plan.js";
import { classNameOf, graph, nameOf, noteRecent } from "./state.js";

/** @typedef {import("../../core/types.js").Operation} Operation */

/** What a replaced node keeps: its inputs that the new one has, too. @param {{id: string, plan: import("./plan.js").Plan}} props */
function Kept({ id, plan }) {
  const before = graph.value[id]?.inputs ?? {};
  const after = plan.result.workflow[id]?.inputs ?? {};
  const kept = Object.keys(before).filter((name) => Object.hasOwn(after, name) && JSON.stringify(before[name]) === JSON.stringify(after[name]));
  return kept.length ? html`<p><strong>${t("flow.keeps")}</strong> ${kept.join(", ")}</p>` : html`<p>${t("flow.keeps_nothing")}</p>`;
}

/** @param {{id: string, close: () => void}} props */
function ReplaceSheet({ id, close }) {
  const [name, setName] = useState(/** @type {string | null} */ (null));
  const [fits] = useState(() => {
    const meant = findingsOf(id).flatMap((one) => (one.code === "UNKNOWN_NODE_CLASS" ? (one.details.close_matches ?? []) : []));
    const like = likest(graph.value, catalog.value, id).map((spec) => spec.name);
    return [...new Set([...meant, ...like])].filter((each) => catalog.value.has(each)).map((each) => ({ name: each }));
  });
  const old = graph.value[id];
  // A title that only says the class would be a wrong one afterwards.
  const named = old._meta?.title === classNameOf(old.class_type) || old._meta?.title === old.class_type;
  /** @type {Operation[]} */
  const ops = name ? [{ op: "replace_node", node_id: id, class_type: name }, ...(named ? [{ op: "set_title", node_id: id, title: null }] : [])] : [];
  const state = usePlan(ops, { wire: true });
  const title = t("flow.replace_title", { name: nameOf(id) });
  if (!name) {
    return html`<${Sheet} key="pick" open tall title=${title} onClose=${close}>
      <${NodePicker} title=${t("flow.like_it")} fits=${fits} onPick=${setName} />
    <//>`;
  }
  const done = () => {
    noteRecent(name);
    close();
  };
  return html`<${Sheet}
    key="plan"
    open
    title=${t("flow.replace_with", { name: nameOf(id), other: classNameOf(name) })}
    onClose=${close}
    footer=${html`<${Button} icon="back" onClick=${() => setName(null)}>${t("flow.other_node")}<//>
      <${ApplyButton} state=${state} label=${t("flow.replace_apply")} onDone=${done} />`}
  ><div class="stack">${state.plan && html`<${Kept} id=${id} plan=${state.plan} />`}<${PlanView} state=${state} /></div><//>`;
}

/** @typedef {"same" | "chain" | "other"} What */

/** What joins a node's first output with that of a branch beside it. @param {string} id */
function joins(id) {
  const output = catalog.value.get(graph.value[id].class_type)?.outputs[0];
  const used = (users(graph.value).get(id) ?? []).some(({ slot }) => slot === 0);
  return output && used ? joinsOf(catalog.value, output.type) : [];
}

/** @param {string} id @param {What} what @param {string | null} other @param {string} join @returns {Operation[]} */
function branchOps(id, what, other, join) {
  if (what === "chain") return [{ op: "duplicate", node_ids: [id, ...downstream(graph.value, id)] }];
  const type = what === "other" ? other : graph.value[id].class_type;
  if (!type) return [];
  /** @type {Operation[]} */
  const ops = [{ op: "parallel", node_id: id, class_type: type, alias: "branch" }];
  const joint = join ? joins(id).find(({ spec }) => spec.name === join) : undefined;
  if (!joint) return ops;
  const [first, second] = joint.takes;
  return [
    ...ops,
    {
      op: "insert_node",
      class_type: join,
      source_node_id: id,
      output: 0,
      node_input: first.name,
      node_output: joint.slot,
      inputs: { [second.name]: ["$branch", 0] },
    },
  ];
}

/** @param {{id: string, close: () => void}} props */
function ParallelSheet({ id, close }) {
  const node = graph.value[id];
  const spec = catalog.value.get(node.class_type);
  const [what, setWhat] = useState(/** @type {What} */ (spec?.flags.output_node ? "other" : "chain"));
  const [other, setOther] = useState(/** @type {string | null} */ (null));
  const [join, setJoin] = useState("");
  const joinable = what === "same" ? joins(id) : [];
  const state = usePlan(branchOps(id, what, other, joinable.length ? join : ""), { wire: true });
  const title = t("flow.parallel_title", { name: nameOf(id) });
  const after = downstream(graph.value, id).size;
  /** @type {What[]} */
  const whats = after ? ["chain", "same", "other"] : ["same", "other"];
  const choice = html`<${Segmented}
    label=${t("flow.parallel_what")}
    options=${whats.map((value) => ({ value, label: t(`flow.parallel_${value}`) }))}
    value=${what}
    onChange=${(/** @type {What} */ next) => {
      setWhat(next);
      setOther(null);
    }}
  />`;
  if (what === "other" && !other) {
    const taken = Object.values(node.inputs).flatMap((value) =>
      isLink(value) ? [catalog.value.get(graph.value[value[0]]?.class_type)?.outputs[value[1]]?.type ?? "*"] : [],
    );
    const fits = [...catalog.value.values()]
      .filter((each) => !each.flags.deprecated && each.inputs.some((one) => taken.some((type) => matchOf(one.type, type) === "exact")))
      .map((each) => ({ name: each.name }));
    return html`<${Sheet} key="pick" open tall title=${title} onClose=${close}>
      <div class="stack">${choice}<${NodePicker} title=${t("flow.takes_the_same")} fits=${fits} only onPick=${setOther} /></div>
    <//>`;
  }
  return html`<${Sheet}
    key="plan"
    open
    title=${title}
    onClose=${close}
    footer=${html`<${Button} onClick=${close}>${t("ui.cancel")}<//>
      <${ApplyButton} state=${state} label=${t("flow.parallel_apply")} onDone=${close} />`}
  ><div class="stack">
    ${choice}
    ${joinable.length > 0 &&
    html`<label class="stack">
      <span class="label">${t("flow.join_with")}</span>
      <select class="input" value=${join} onChange=${(/** @type {any} */ event) => setJoin(event.target.value)}>
        <option value="">${t("flow.join_not")}</option>
        ${joinable.map((each) => html`<option value=${each.spec.name}>${each.spec.display_name}</option>`)}
      </select>
    </label>`}
    <${PlanView} state=${state} />
  </div><//>`;
}

/** @param {{id: string, close: () => void}} props */
function RemoveSheet({ id, close }) {
  const used = (users(graph.value).get(id) ?? []).length > 0;
  const [bridge, setBridge] = useState(used && catalog.value.has(graph.value[id].class_type));
  const ops = [{ op: "remove_node", node_id: id, ...(bridge ? { bridge: true } : {}) }];
  return html`<${PlanSheet} title=${t("flow.remove_title", { name: nameOf(id) })} ops=${ops} label=${t("flow.remove_apply")} tone="danger" close=${close}>
    ${used && html`<${Switch} label=${t("flow.bridge")} hint=${t("flow.bridge_hint")} checked=${bridge} onChange=${setBridge} />`}
  <//>`;
}

/** @param {{id: string, close: () => void}} props */
function RenameSheet({ id, close }) {
  const node = graph.value[id];
  const save = async (/** @type {any} */ event) => {
    event.preventDefault();
    const title = event.target.elements.title.value.trim();
    if (await apply([{ op: "set_title", node_id: id, title: title || null }], { show: false })) close();
  };
  return html`<${Sheet} open title=${t("flow.rename_title", { name: nameOf(id) })} onClose=${close}>
    <form class="stack" onSubmit=${save}>
      <label class="label" for="node-title">${t("flow.title")}</label>
      <input class="input" id="node-title" name="title" autocomplete="off" maxlength="200" value=${node._meta?.title ?? ""} placeholder=${classNameOf(node.class_type)} />
      <p class="hint">${t("flow.title_hint", { name: classNameOf(node.class_type) })}</p>
      <${Button} tone="primary" type="submit">${t("flow.rename_apply")}<//>
    </form>
  <//>`;
}

/** @param {{type: string, close: () => void}} props */
function HelpSheet({ type, close }) {
  const spec = catalog.value.get(type);
  if (!spec) return html`<${Sheet} open title=${type} onClose=${close}><p>${t("flow.not_installed")}</p><//>`;
  const flags = ["output_node", "experimental", "deprecated", "api_node"].filter((flag) => spec.flags[/** @type {"api_node"} */ (flag)]);
  const rows = [...spec.inputs, ...spec.params];
  /** @param {string} title @param {{name: string, type: string, required?: boolean, tooltip?: string}[]} entries */
  const list = (title, entries) =>
    entries.length > 0 &&
    html`<section>
      <h3>${title}</h3>
      <dl class="ports">
        ${entries.map(
          (one) => html`<div>
            <dt><${Dot} type=${one.type} /> ${one.name || one.type}</dt>
            <dd>
              <code>${one.type}</code>${one.required === false ? html` <span class="muted">${t("flow.optional")}</span>` : null}
              ${one.tooltip && html`<p>${one.tooltip}</p>`}
            </dd>
          </div>`,
        )}
      </dl>
    </section>`;
  return html`<${Sheet} open tall title=${spec.display_name || type} onClose=${close}>
    <div class="stack">
      <p class="muted"><code>${type}</code> · ${spec.category} · ${spec.pack}</p>
      ${flags.length > 0 && html`<div class="row wrap">${flags.map((flag) => html`<${Badge} tone=${flag === "deprecated" ? "warn" : "info"}>${t(`flow.flag_${flag}`)}<//>`)}</div>`}
      <p>${spec.description || t("flow.no_description")}</p>
      ${list(t("flow.inputs"), rows)} ${list(t("flow.outputs"), spec.outputs)}
    </div>
  <//>`;
}

/** @param {any} component @param {Record<string, any>} props */
const open = (component, props) => openSheet((close) => html`<${component} ...${props} close=${() => close()} />`);

/** @param {string} id */
export const openReplace = (id) => open(ReplaceSheet, { id });
/** @param {string} id */
export const openParallel = (id) => open(ParallelSheet, { id });
/** @param {string} id */
export const openRemove = (id) => open(RemoveSheet, { id });
/** @param {string} id */
export const openRename = (id) => open(RenameSheet, { id });
/** @param {string} type */
export const openHelp = (type) => open(HelpSheet, { type });
/** @param {{title: string, ops: Operation[], label?: string, tone?: "primary" | "danger", wire?: boolean, show?: boolean}} plan */
export const openPlan = (plan) => open(PlanSheet, plan);
