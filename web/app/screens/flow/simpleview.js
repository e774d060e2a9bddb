/** Only what people usually change: what a template or App mode declares, else prompt, seed, size, model and images. */
import { html } from "../../vendor/preact.js";
import { fieldsOf } from "../../core/fields.js";
import { simpleFields } from "../../core/simple.js";
import { api } from "../../io/api.js";
import { catalog, draft, findingsOf, setView, t } from "../../io/store.js";
import { Button, Empty } from "../../ui/basics.js";
import { NodeField } from "./nodecard.js";
import { useAnswer } from "../../ui/answer.js";
import { inputTitle } from "../../ui/titles.js";
import { graph, nameOf } from "./state.js";

/** @typedef {import("../../core/types.js").Field} Field */
/** @typedef {{id: string, field: Field, also?: {id: string, name: string}[]}} Row */

/** The name of the template that the draft was made from. */
const templateName = () => /^template:(.+)$/.exec(draft.value?.source ?? "")?.[1] ?? null;

/** @param {any} template @returns {Row[]} What a template declares and the draft still has. */
function declared(template) {
  return Object.values(template.inputs ?? {}).flatMap((/** @type {any} */ input) => {
    const field = fieldAt(input.node, input.field);
    if (!field) return [];
    const also = (input.also ?? [])
      .filter((/** @type {any} */ one) => graph.value[one.node])
      .map((/** @type {any} */ one) => ({ id: String(one.node), name: one.field }));
    const named = { ...field, label: input.title ? inputTitle(input.title) : field.label, tooltip: input.description ?? field.tooltip };
    return [{ id: String(input.node), field: named, also }];
  });
}

/** @param {string} id @param {string} name @returns {Field | undefined} */
function fieldAt(id, name) {
  const node = graph.value[id];
  if (!node) return undefined;
  const all = fieldsOf(catalog.value.get(node.class_type), node).flatMap((field) => [field, ...(field.children ?? [])]);
  return all.find((field) => field.name === name);
}

export function SimpleView() {
  const name = templateName();
  const template = useAnswer(
    async (signal) => (name === null ? null : await api.get(`/ext/templates/${encodeURIComponent(name)}`, { signal })),
    String(name),
    null,
  );
  const app = draft.value?.ui?.extra?.linearData;
  const own = template ? declared(template) : [];
  /** @type {Row[]} */
  const rows = own.length ? own : simpleFields(graph.value, catalog.value, app);
  const twice = new Set(rows.map((one) => one.field.label).filter((label, at, all) => all.indexOf(label) !== at));
  const all = html`<${Button} icon="flow" onClick=${() => setView({ simple: false })}>${t("flow.show_all_nodes")}<//>`;
  if (!rows.length) return html`<${Empty} icon="sliders" title=${t("flow.simple_none")} actions=${all} />`;
  return html`<section class="simple" aria-label=${t("flow.simple_view")}>
    ${rows.map(({ id, field, also }) => {
      // What a prompt is for stands in the title of its node: the field is "text" in all of them.
      const plain = !own.length && field.kind === "multiline" && graph.value[id]._meta?.title;
      const label = plain ? nameOf(id) : twice.has(field.label) ? t("flow.field_of", { field: field.label, node: nameOf(id) }) : field.label;
      const finding = findingsOf(id).find((one) => one.input === field.name);
      return html`<${NodeField} key=${`${id}.${field.name}`} id=${id} field=${{ ...field, label }} also=${also} finding=${finding} />`;
    })}
    <div class="row wrap">${all}</div>
  </section>`;
}
