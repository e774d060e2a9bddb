/** Node classes in the user's language: the names that ComfyUI's page and node packs have for them. */

/** @typedef {import("./types.js").NodeSpec} NodeSpec */
/** @typedef {import("./types.js").Ports} Ports */

/**
 * What a language says of a node class.
 * @typedef {object} Names
 * @property {string} [display_name]
 * @property {string} [description]
 * @property {Record<string, {name?: string, tooltip?: string}>} [inputs]
 * @property {Record<string, {name?: string, tooltip?: string}>} [outputs] By slot.
 */

/** Points part the keys of such dictionaries, so names have none. @param {string} name */
const keyOf = (name) => name.replaceAll(".", "_");

/** @param {unknown} text @returns {text is string} */
const said = (text) => typeof text === "string" && text !== "";

/**
 * @template {{inputs: any[], params: any[]}} T
 * @param {T} ports @param {NonNullable<Names["inputs"]>} names
 * @returns {T}
 */
function namedPorts(ports, names) {
  const named = (/** @type {any} */ port) => {
    const { name, tooltip } = (Object.hasOwn(names, keyOf(port.name)) && names[keyOf(port.name)]) || {};
    const variants = port.variants && Object.entries(port.variants).map(([key, inner]) => [key, namedPorts(inner, names)]);
    return {
      ...port,
      ...(said(name) && { display_name: name }),
      ...(said(tooltip) && { tooltip }),
      ...(variants && { variants: Object.fromEntries(variants) }),
    };
  };
  return { ...ports, inputs: ports.inputs.map(named), params: ports.params.map(named) };
}

/**
 * A node class with the names that a dictionary has for it; its English name still finds it. The outputs keep theirs,
 * by which links and operations know them.
 * @param {NodeSpec} spec
 * @param {Record<string, Names>} dictionary
 * @returns {NodeSpec}
 */
export function localised(spec, dictionary) {
  const key = keyOf(spec.name);
  const names = Object.hasOwn(dictionary, key) ? dictionary[key] : null;
  if (!names || typeof names !== "object") return spec;
  const outputs = spec.outputs.map((output, slot) => {
    const tooltip = names.outputs?.[slot]?.tooltip;
    return said(tooltip) ? { ...output, tooltip } : output;
  });
  return {
    ...namedPorts(spec, names.inputs ?? {}),
    outputs,
    english: spec.display_name,
    search_aliases: [...(spec.search_aliases ?? []), spec.display_name],
    ...(said(names.display_name) && { display_name: names.display_name }),
    ...(said(names.description) && { description: names.description }),
  };
}
