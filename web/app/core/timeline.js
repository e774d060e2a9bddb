/**
 * When each node of a run ran, and how long.
 *
 * @typedef {import("./types.js").Task} Task
 * @typedef {import("./types.js").Row} Row
 */

/**
 * Seconds until a task is expected to end; null where nobody knows, or where it takes longer than was expected.
 * @param {Task} task
 * @param {number} now In milliseconds, by the server's clock.
 * @returns {number | null}
 */
export function left({ eta_s, eta_at }, now) {
  if (eta_s === null || eta_s === undefined) return null;
  const since = eta_at ? Math.max(0, now - Date.parse(eta_at)) / 1000 : 0;
  return eta_s > since ? eta_s - since : null;
}

/**
 * The nodes of a task that was loaded whole, in the order in which they ran: what came from the cache first, what has
 * not run last. A node that another one brought with it is no share of the whole: its parent's time includes it.
 * @param {Task} task
 * @param {ReadonlyMap<string, import("./types.js").NodeSpec>} [specs] What classes are called for people.
 * @returns {Row[]}
 */
export function rows(task, specs) {
  const begun = Date.parse(task.started_at ?? "");
  const nodes = Object.entries(task.nodes ?? {});
  const whole = nodes.reduce((sum, [, node]) => sum + (node.parent ? 0 : (node.duration_s ?? 0)), 0);
  return nodes
    .map(([id, node], at) => {
      const start = Date.parse(node.started_at ?? "");
      const after = (start - begun) / 1000;
      const cached = node.status === "cached";
      /** @type {Row} */
      const row = {
        id,
        title: titled(node, specs?.get(node.class_type)) || `#${id}`,
        class_type: node.class_type,
        start_s: Number.isNaN(after) ? 0 : Math.max(0, after),
        duration_s: node.duration_s ?? null,
        state: node.status,
        cached,
        share: whole > 0 ? Math.min(1, (node.duration_s ?? 0) / whole) : 0,
        parent: node.parent ?? null,
        vram_peak: node.vram_peak ?? null,
      };
      return { row, at, when: cached ? -Infinity : Number.isNaN(start) ? Infinity : start };
    })
    .sort((a, b) => (a.when === b.when ? a.at - b.at : a.when - b.when))
    .map(({ row }) => row);
}

/**
 * A title that only repeats the class was given by no one.
 * @param {{title?: string | null, class_type: string}} node
 * @param {import("./types.js").NodeSpec} [spec]
 */
export const titled = (node, spec) => (node.title && node.title !== node.class_type && node.title !== spec?.english ? node.title : spec?.display_name || node.class_type);

/**
 * The node that took longest; null if none took any time.
 * @param {readonly Row[]} list
 * @returns {Row | null}
 */
export function slowest(list) {
  /** @type {Row | null} */
  let most = null;
  for (const row of list) if (!row.parent && (row.duration_s ?? 0) > (most?.duration_s ?? 0)) most = row;
  return most;
}

/** What went wrong, as a traceback ends. @param {import("./types.js").TaskError} error */
export const lastLine = ({ exception_type, message }) => [exception_type?.split(".").pop(), message.trim().split("\n").pop()].filter(Boolean).join(": ");
