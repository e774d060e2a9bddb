import { html, useId, useState } from "../vendor/preact.js";
import { optionLabel } from "../core/fields.js";
import { same } from "../core/graph.js";
import { t } from "../io/store.js";
import { useAbout } from "./about.js";
import { Button, IconButton, Segmented, Switch } from "./basics.js";
import { FindingLine } from "./card.js";
import { ColorField, ColorsField } from "./colorfield.js";
import { Icon } from "./icons.js";
import { FileField } from "./imagefield.js";
import { ModelField } from "./modelpicker.js";
import { NumberField, SeedField } from "./numberfield.js";
import { PickField } from "./picker.js";
import { MultilineField, RawField, TextField, TextTools } from "./textfield.js";
import { announce } from "./toast.js";

/** @typedef {import("../core/types.js").Field} Field */
/** @typedef {import("../core/types.js").Finding} Finding */
/** @typedef {import("./numberfield.js").Editor} Editor */

/** @param {Editor} props */
function SwitchField({ field, id, onChange, describedby }) {
  const checked = field.value === true;
  return html`<${Switch}
    id=${id}
    label=${field.label}
    checked=${checked}
    describedby=${describedby}
    on=${field.label_on}
    off=${field.label_off}
    onChange=${onChange}
  />`;
}

/** @param {Editor} props */
function SegmentedField({ field, onChange, describedby, invalid }) {
  const options = field.options ?? [];
  // By place, for an option may be any JSON, of which no two are the same object.
  const at = options.findIndex((option) => same(option, field.value));
  return html`<${Segmented}
    label=${field.label}
    value=${at}
    options=${options.map((option, n) => ({ value: n, label: optionLabel(option) }))}
    describedby=${describedby}
    invalid=${invalid}
    onChange=${(/** @type {number} */ n) => onChange(options[n])}
  />`;
}

/** @param {Editor} props */
function DynamicField(props) {
  const few = (props.field.options ?? []).length <= 4;
  return few ? SegmentedField(props) : html`<${PickField} ...${props} />`;
}

/**
 * The editor of each kind. `label`: whether it needs one from us, or brings its own.
 * @type {Record<string, {editor: (props: Editor) => any, label: boolean}>}
 */
const KINDS = {
  int: { editor: NumberField, label: true },
  float: { editor: NumberField, label: true },
  seed: { editor: SeedField, label: true },
  switch: { editor: SwitchField, label: false },
  segmented: { editor: SegmentedField, label: false },
  picker: { editor: PickField, label: true },
  model: { editor: ModelField, label: true },
  text: { editor: TextField, label: true },
  multiline: { editor: MultilineField, label: true },
  color: { editor: ColorField, label: true },
  colors: { editor: ColorsField, label: true },
  image: { editor: FileField, label: true },
  audio: { editor: FileField, label: true },
  video: { editor: FileField, label: true },
  file: { editor: FileField, label: true },
  dynamic: { editor: DynamicField, label: true },
  raw: { editor: RawField, label: true },
};

/**
 * What stands in a field's place while it takes an output of another node.
 * @param {{field: Field, id: string, nodeName: (id: string) => string, onJump?: (id: string) => void, onUnlink?: (field: Field) => void}} props
 */
function Linked({ field, id, nodeName, onJump, onUnlink }) {
  const source = field.source;
  if (!source) return null;
  return html`<div class="linked">
    <button type="button" class="chip" id=${id} onClick=${() => onJump?.(source.node)}>
      <${Icon} name="link" size=${16} /><span class="chip-text">${t("field.linked", { id: source.node, node: nodeName(source.node) })}</span>
    </button>
    ${onUnlink && html`<${IconButton} icon="unlink" label=${t("field.unlink", { label: field.label })} onClick=${() => onUnlink(field)} />`}
  </div>`;
}

/**
 * @typedef {object} FieldProps
 * @property {Field} field
 * @property {(value: any, field: Field) => void} onChange The field is the one that was changed, which may be a child.
 * @property {Finding|null} [finding]
 * @property {(name: string) => Finding|undefined} [findingFor] For the fields inside this one.
 * @property {(finding: Finding) => void} [onFix]
 * @property {boolean} [compact] Without what is asked for only now and then.
 * @property {string} [id] Of the control; has to be unique in the page.
 * @property {(field: Field) => import("./numberfield.js").SeedTools} [seedOf] What happens to a seed after a run.
 * @property {(id: string) => string} [nodeName]
 * @property {(id: string) => void} [onJump]
 * @property {(field: Field) => void} [onUnlink]
 */

/** One input of a node, whatever kind it is. @param {FieldProps} props */
export function FieldView(props) {
  const { field, onChange, finding, findingFor, onFix, compact, seedOf, nodeName = (node) => `#${node}`, onJump, onUnlink } = props;
  const own = useId();
  const id = props.id ?? own;
  const [note, noteIt] = useState(/** @type {import("./numberfield.js").Note} */ (null));
  const about = useAbout(id, field.label, field.tooltip);
  const setNote = (/** @type {import("./numberfield.js").Note} */ said) => {
    noteIt(said);
    if (said) announce(t(said.key, said.params));
  };
  const linked = field.kind === "linked";
  const several = field.kind === "segmented" && field.multiple;
  const { editor: Editor, label } = several ? KINDS.picker : (KINDS[field.kind] ?? KINDS.raw);
  const ownLabel = linked || (label && !(field.kind === "dynamic" && (field.options ?? []).length <= 4));
  const described = [about.id, finding ? `${id}-finding` : null, note ? `${id}-note` : null].filter(Boolean).join(" ") || null;
  const change = (/** @type {any} */ value) => onChange(value, field);
  return html`<div class="field" data-kind=${field.kind} data-state=${finding ? "invalid" : null}>
    ${ownLabel &&
    html`<div class="field-head">
      <label for=${id}>${field.label}</label>${about.button}
      ${field.unknown && html`<small>${t("field.unknown")}</small>`}
      ${field.kind === "multiline" && !compact && html`<${TextTools} field=${field} onChange=${change} />`}
    </div>`}
    ${!ownLabel && about.button}${about.text}
    ${linked
      ? html`<${Linked} field=${field} id=${id} nodeName=${nodeName} onJump=${onJump} onUnlink=${onUnlink} />`
      : html`<${Editor}
          field=${field}
          id=${id}
          onChange=${change}
          onNote=${setNote}
          describedby=${described}
          invalid=${finding?.severity === "error"}
          seed=${compact ? undefined : seedOf?.(field)}
        />`}
    ${note && html`<p class="note" id=${`${id}-note`}>${t(note.key, note.params)}</p>`}
    ${finding && html`<${FindingLine} id=${`${id}-finding`} finding=${finding} onFix=${onFix} nodeName=${nodeName} />`}
    ${field.children?.length
      ? html`<div class="children">
          ${field.children.map((child) => html`<${FieldView} ...${props} key=${child.name} id=${`${id}-${child.name}`} field=${child} finding=${findingFor?.(child.name) ?? null} />`)}
        </div>`
      : null}
  </div>`;
}

/**
 * A list of fields; those that the node's author calls advanced are folded away.
 * @param {Omit<FieldProps, "field"|"finding"> & {fields: Field[], prefix: string}} props `prefix`: of the ids
 */
export function Fields({ fields, prefix, ...rest }) {
  const [all, setAll] = useState(false);
  const shown = fields.filter((field) => !field.hidden);
  const rare = shown.filter((field) => field.advanced && !rest.findingFor?.(field.name));
  const one = (/** @type {Field} */ field) =>
    html`<${FieldView} ...${rest} key=${field.name} field=${field} id=${`${prefix}-${field.name}`} finding=${rest.findingFor?.(field.name) ?? null} />`;
  return html`${shown.filter((field) => all || !rare.includes(field)).map(one)}
    ${rare.length > 0 &&
    html`<${Button} tone="quiet" icon=${all ? "up" : "down"} aria-expanded=${String(all)} onClick=${() => setAll(!all)}>
      ${all ? t("field.fewer") : t("field.advanced", { count: rare.length })}
    <//>`}`;
}
