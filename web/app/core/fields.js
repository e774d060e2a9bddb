/**
 * What a card shows of a node: a field for each value. Nothing in a node's inputs is left out: what is no field here is
 * a link, and so one of its `ports`.
 *
 * @typedef {import("./types.js").Node} Node
 * @typedef {import("./types.js").NodeSpec} NodeSpec
 * @typedef {import("./types.js").Param} Param
 * @typedef {import("./types.js").Input} Input
 * @typedef {import("./types.js").Ports} Ports
 * @typedef {import("./types.js").Field} Field
 * @typedef {import("./types.js").FieldKind} FieldKind
 */
import { exactLimit, isExact } from "./exact.js";
import { inputsOf, isLink } from "./graph.js";
import { grownNames, LINKED, labelOf, variantOf } from "./names.js";
import { optionLabel, unwrap } from "./values.js";

export { ports } from "./ports.js";
export { clampValue, colored, drawSeed, hexOf, optionLabel, parseValue, recolored, unwrap, wrap } from "./values.js";

/** As many options as fit beside each other on a phone, if their names are short. */
const SEGMENTS = 5;
const SEGMENTS_LENGTH = 36;
/** A slider with more steps than this cannot be set with a thumb. */
const SLIDER_STEPS = 200;
const MOST_DIGITS = 10;
/** A longer text of an unknown node is likely a prompt. */
const LINE = 40;

/**
 * What is known of the server since its catalogue was read.
 * @typedef {{remote?: Record<string, any[]>}} Live *remote*: options by the route that gives them.
 */

/**
 * Every value of a node, in the order of its class; what the class does not know comes last.
 * @param {NodeSpec | null | undefined} spec
 * @param {Node} node
 * @param {Live} [live]
 * @returns {Field[]}
 */
export function fieldsOf(spec, node, live = {}) {
  const reading = { inputs: inputsOf(node), told: new Set(), live };
  const known = spec ? portFields(spec, reading) : [];
  const rest = Object.entries(reading.inputs).filter(([name, value]) => !reading.told.has(name) && !isLink(value));
  return [...known, ...rest.map(([name, value]) => unknownField(name, value, Boolean(spec)))];
}

/** @typedef {{inputs: Record<string, any>, told: Set<string>, live: Live}} Reading *told*: the names that have a field. */

/**
 * @param {Ports} declared
 * @param {Reading} reading
 * @param {string} [within] The name that theirs are nested in.
 * @returns {Field[]}
 */
function portFields(declared, reading, within) {
  const sockets = declared.inputs.flatMap((input) => socketFields(input, reading, within));
  const params = declared.params.map((param) => {
    reading.told.add(param.name);
    const field = paramField(param, reading, within);
    if (param.variants) {
      const chosen = variantOf(param, field.value);
      field.children = chosen ? portFields(chosen, reading, param.name) : [];
    }
    return field;
  });
  return [...sockets, ...params];
}

/**
 * A socket is a port; but where a value stands in its place, or more hangs on it, there is something to show.
 * @param {Input} input
 * @param {Reading} reading
 * @param {string} [within]
 * @returns {Field[]}
 */
function socketFields(input, reading, within) {
  const { inputs, told } = reading;
  /** @type {Field[]} */
  const found = [];
  for (const name of grownNames(input, inputs, 0)) {
    if (!Object.hasOwn(inputs, name) || isLink(inputs[name])) continue;
    told.add(name);
    const { grows, variants, display_name, ...plain } = input;
    found.push(grows ? paramField({ ...plain, name }, reading, input.name) : paramField({ ...plain, name, display_name }, reading, within));
  }
  const more = input.variants?.[LINKED];
  if (more && Object.hasOwn(inputs, input.name)) found.push(...portFields(more, reading, input.name));
  return found;
}

/**
 * What nothing is known of but its value: a text is edited as one, not as JSON with its quotes and escapes.
 * @param {string} name
 * @param {any} value
 * @param {boolean} classKnown Of a class that is not installed every field would be, and the card says so already.
 * @returns {Field}
 */
const unknownField = (name, value, classKnown) => ({
  name,
  label: name,
  kind: typeof value === "string" ? (value.length > LINE || value.includes("\n") ? "multiline" : "text") : typeof value === "boolean" ? "switch" : "raw",
  value: unwrap(value),
  set: true,
  required: false,
  ...(classKnown && { unknown: true }),
});

const COPIED = /** @type {const} */ ([
  ...["tooltip", "placeholder", "label_on", "label_off", "display", "advanced", "hidden", "folder", "upload", "multiline"],
  ...["default", "step", "linkable"],
]);

/**
 * @param {Param} param
 * @param {Reading} reading
 * @param {string} [within]
 * @returns {Field}
 */
function paramField(param, { inputs, live }, within) {
  const set = Object.hasOwn(inputs, param.name);
  const held = inputs[param.name];
  const options = param.options ?? (param.variants ? Object.keys(param.variants) : live.remote?.[param.remote?.route ?? ""]);
  /** @type {Field} */
  const field = {
    name: param.name,
    label: labelOf(param, within),
    kind: "raw",
    value: set ? unwrap(held) : initial(param, options),
    set,
    required: param.required,
    type: param.type,
  };
  const about = /** @type {Record<string, any>} */ (param);
  for (const key of COPIED) if (about[key] !== undefined) Object.assign(field, { [key]: about[key] });
  if (param.remote) field.remote = param.remote.route;
  if (options) field.options = options;
  if (param.multiselect) field.multiple = true;
  if (isLink(held)) return { ...field, kind: "linked", value: undefined, source: { node: held[0], slot: held[1] } };
  field.kind = kindOf(param, field);
  if (field.kind === "int" || field.kind === "float" || field.kind === "seed") measure(param, field);
  return field;
}

/**
 * What stands where nobody said anything: as ComfyUI's page has it.
 * @param {Param} param
 * @param {any[]} [options]
 */
function initial(param, options) {
  if (param.default !== undefined) return param.default;
  if (param.type === "INT" || param.type === "FLOAT") return Math.min(Math.max(0, param.min ?? 0), param.max ?? Infinity);
  if (param.type === "STRING") return "";
  if (param.type === "BOOLEAN") return false;
  return param.multiselect ? undefined : options?.[0];
}

/**
 * The kind of editor for a param; raw where the value is nothing that the kind's editor could show.
 * @param {Param} param
 * @param {Field} field
 * @returns {FieldKind}
 */
function kindOf(param, field) {
  const { value } = field;
  if (param.variants) return "dynamic";
  if (field.multiple) return value === undefined || Array.isArray(value) ? "picker" : "raw";
  if (param.type === "COLORS" && (value ?? []).every?.((/** @type {any} */ one) => typeof one === "string")) return "colors";
  if (value !== null && typeof value === "object" && !field.options?.length) return "raw";
  if (param.upload) return param.upload;
  switch (param.type) {
    case "INT":
      if (!isNumber(value)) return "raw";
      if (param.display === "color") return "color";
      return isSeed(param) ? "seed" : "int";
    case "FLOAT":
      return isNumber(value) ? "float" : "raw";
    case "BOOLEAN":
      return typeof value === "boolean" ? "switch" : "raw";
    case "STRING":
      return typeof value === "string" ? (param.multiline ? "multiline" : "text") : "raw";
    case "MARKDOWN":
    case "TEXTAREA":
      return typeof value === "string" ? "multiline" : "raw";
    case "COLOR":
      return typeof value === "string" ? "color" : "raw";
    case "COMBO":
      return comboKind(param, field);
    default:
      return "raw";
  }
}

/**
 * @param {Param} param
 * @param {Field} field
 * @returns {FieldKind}
 */
function comboKind(param, { options, value }) {
  if (param.folder) return "model";
  // The options are somewhere else, or ComfyUI's page makes them up (CustomCombo): a name can still be typed.
  if (!options?.length) return value === undefined || typeof value === "string" ? "text" : "raw";
  const length = options.reduce((sum, option) => sum + optionLabel(option).length, 0);
  return options.length <= SEGMENTS && length <= SEGMENTS_LENGTH ? "segmented" : "picker";
}

/** ComfyUI reads texts as numbers, too. @param {any} value */
const isNumber = (value) =>
  typeof value === "number" || (typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)));

/** ComfyUI's page lets seeds change after a run by their name, too. @param {Param} param */
const isSeed = (param) => Boolean(param.control_after_generate) || /(^|[._])seed$/.test(param.name);

/**
 * @param {Param} param
 * @param {Field} field
 */
function measure(param, field) {
  if (param.min !== undefined) field.min = Math.max(param.min, Number.MIN_SAFE_INTEGER);
  if (param.max !== undefined) field.max = Math.min(param.max, Number.MAX_SAFE_INTEGER);
  if (field.kind !== "float") {
    if (param.max !== undefined && param.max > Number.MAX_SAFE_INTEGER) field.limit = String(exactLimit(param.max));
    if (isExact(field.value)) field.exact = true;
  }
  if (field.kind === "seed") {
    field.step = param.step ?? 1;
    field.control = typeof param.control_after_generate === "string" ? param.control_after_generate : "randomize";
    return;
  }
  field.step = param.step || (field.kind === "int" ? 1 : 0.01);
  if (field.kind === "float") {
    const places = [field.step, param.round || 1, Number(field.value)].map(decimals);
    field.digits = Math.min(MOST_DIGITS, Math.max(...places));
  }
  const span = (param.max ?? Infinity) - (param.min ?? -Infinity);
  field.slider = Number.isFinite(span) && span > 0 && span / field.step <= SLIDER_STEPS;
}

/** How many decimals a number is written with. @param {number} value */
function decimals(value) {
  const [digits, exponent = "0"] = String(value).split("e");
  return Math.max(0, (digits.split(".")[1]?.length ?? 0) - Number(exponent));
}
