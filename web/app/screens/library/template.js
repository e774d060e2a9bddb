/** A template: its form, run as it is or opened as a workflow of its own. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { api, randomId } from "../../io/api.js";
import { load, save } from "../../io/db.js";
import { go, online, server, t, toast, toastError } from "../../io/store.js";
import { Badge, Banner, Button, Skeleton, Switch } from "../../ui/basics.js";
import { FieldView } from "../../ui/field.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { aboutFor, titledGraph, titleFor } from "../../ui/titles.js";
import { appMode, drawSeed, fieldFor, filled, lacking, startValues } from "./form.js";
import { show } from "./open.js";
import { keptTemplates } from "./state.js";

/** @param {any} item Of the list of templates. */
export const openTemplate = (item) => openSheet((close) => html`<${TemplateSheet} item=${item} close=${close} />`);

/** @param {string} name @returns {Promise<{template: any, schema: any}>} From the server, else as it was when it was read last. */
async function read(name) {
  const path = `/ext/templates/${encodeURIComponent(name)}`;
  try {
    const [template, schema] = await Promise.all([api.get(path), api.get(`${path}/schema`)]);
    void save(`cache/template/${name}`, { template, schema }).catch(() => {});
    keptTemplates.value = new Set(keptTemplates.value).add(name);
    return { template, schema };
  } catch (error) {
    const kept = online.value ? null : await load(`cache/template/${name}`);
    if (kept) return kept;
    throw error;
  }
}

/** @param {{name: string, property: any, value: any, required: boolean, change: (value: any) => void, fault?: string}} props */
function Input({ name, property, value, required, change, fault }) {
  const finding = fault ? { code: "TEMPLATE_INPUT_INVALID", severity: "error", message: fault, node_id: null, input: name, class_type: null, hint: null, details: {}, fix: null } : null;
  const field = fieldFor(name, property, value, required);
  if (field.kind !== "seed") return html`<${FieldView} field=${field} finding=${finding} onChange=${change} />`;
  const random = value === "random";
  return html`<div class="stack">
    <${Switch} label=${t("library.random_seed")} checked=${random} hint=${t("library.random_seed_hint")} onChange=${(/** @type {boolean} */ on) => change(on ? "random" : drawSeed())} />
    ${!random && html`<${FieldView} field=${{ ...field, kind: "int" }} finding=${finding} onChange=${change} />`}
  </div>`;
}

/** @param {{item: any, close: (result?: unknown) => void}} props */
function TemplateSheet({ item, close }) {
  const [loaded, setLoaded] = useState(/** @type {{template: any, schema: any} | null} */ (null));
  const [failed, setFailed] = useState(/** @type {unknown} */ (null));
  const [values, setValues] = useState(/** @type {Record<string, any>} */ ({}));
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    let here = true;
    read(item.name).then(
      (found) => here && (setLoaded(found), setValues(startValues(found.schema))),
      (error) => here && setFailed(error),
    );
    return () => {
      here = false;
    };
  }, [item.name]);
  const missing = loaded ? lacking(loaded.schema) : [];
  /** @param {string} name @param {any} value */
  const change = (name, value) => {
    setValues((old) => ({ ...old, [name]: value }));
    setFaults(({ [name]: _gone, ...rest }) => rest);
  };
  const openIt = async () => {
    if (!loaded) return;
    const { template } = loaded;
    const graph = titledGraph(filled(template, values));
    close();
    await show({ source: `template:${template.name}@${template.version}`, name: titleFor(item), graph, ui: template.ui ?? appMode(template) });
  };
  const runIt = async () => {
    setBusy(true);
    try {
      const inputs = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ""));
      await api.post("/ext/tasks", { template: item.name, inputs, metadata: { name: titleFor(item) } }, { key: randomId() });
      close();
      toast({ key: "library.queued", params: { name: titleFor(item) }, tone: "good" });
      await go("/tasks");
    } catch (error) {
      const wrong = /** @type {any} */ (error)?.details?.inputs;
      if (wrong) setFaults(wrong);
      toastError(error);
    }
    setBusy(false);
  };
  const why = !online.value ? t("library.run_offline") : null;
  const locked = server.value?.locked === true;
  const footer = html`${!locked && html`<${Button} icon="flow" disabled=${!loaded} onClick=${openIt}>${t("library.open_flow")}<//>`}
    <${Button} tone="primary" icon="play" busy=${busy} disabled=${!loaded || !online.value} title=${why} onClick=${runIt}>${t("library.run_inputs")}<//>`;
  return html`<${Sheet} open tall title=${titleFor(item)} onClose=${() => close()} footer=${footer}>
    <div class="stack">
      <p class="muted">${aboutFor(item)}</p>
      ${item.base_models?.length > 0 && html`<p class="row wrap">${item.base_models.map((/** @type {string} */ one) => html`<${Badge} key=${one}>${one}<//>`)}</p>`}
      ${why && html`<${Banner} tone="warn">${why}<//>`}
      ${failed && html`<${Banner} tone="bad" title=${t("library.template_failed")}>${/** @type {any} */ (failed).message}<//>`}
      ${missing.length > 0 && html`<${Banner} tone="warn" title=${t("library.template_lacks", { count: missing.length })}
        actions=${!locked && html`<${Button} small onClick=${async () => {
          await openIt();
          await go("/models");
        }}>${t("library.get_models")}<//>`}>${missing.map((name) => loaded?.template.inputs[name]?.default).filter(Boolean).join(", ")}<//>`}
      ${!loaded && !failed && html`<${Skeleton} lines=${6} />`}
      ${loaded && Object.entries(loaded.schema.properties).map(([name, property]) => html`<${Input} key=${name} name=${name} property=${property} value=${values[name]}
        required=${(loaded.schema.required ?? []).includes(name)} fault=${faults[name]} change=${(/** @type {any} */ value) => change(name, value)} />`)}
    </div>
  <//>`;
}
