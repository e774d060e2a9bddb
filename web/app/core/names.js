/**
 * The names of a node's ports: nested ones are complete (`resize_type.width`), growing ones are counted.
 *
 * @typedef {import("./types.js").Port} Port
 * @typedef {import("./types.js").Input} Input
 * @typedef {import("./types.js").Ports} Ports
 */

/** The one key of the variants of a dynamic slot. */
export const LINKED = "linked";
/** ComfyUI's own limit for a growing input. */
const MOST_GROWN = 100;

/**
 * What a port is called: its own name, or of a nested one what comes behind the name that it is nested in. (Names that
 * are not nested may hold points as well: `double_blocks.0.`)
 * @param {{name: string, display_name?: string}} port
 * @param {string} [within]
 */
export function labelOf({ name, display_name }, within) {
  if (display_name) return display_name;
  return within !== undefined && name.startsWith(`${within}.`) ? name.slice(within.length + 1) : name;
}

/**
 * The names that an input stands for: its own, or where it grows those that are set, as many as are asked for, and
 * *more* free ones behind them.
 * @param {Input} input
 * @param {Record<string, any>} inputs
 * @param {number} more
 * @returns {string[]}
 */
export function grownNames(input, inputs, more) {
  const { grows } = input;
  if (!grows) return [input.name];
  const names = grows.names ?? Array.from({ length: grows.max ?? MOST_GROWN }, (_, at) => `${grows.prefix}${at}`);
  let last = names.length - 1;
  while (last >= 0 && !Object.hasOwn(inputs, names[last])) last -= 1;
  return names.slice(0, Math.max(last + 1 + more, grows.min ?? 0));
}

/**
 * The ports that a dynamic combo brings with a value.
 * @param {Port} port
 * @param {unknown} value
 * @returns {Ports | undefined}
 */
export function variantOf({ variants }, value) {
  const key = String(value);
  return variants && Object.hasOwn(variants, key) ? variants[key] : undefined;
}
