/**
 * When each node of a run ran, and how long.
 *
 * @typedef {import("./types.js").Task} Task
 * @typedef {import("./types.js").Row} Row
 */

/**
 * The nodes of a task that was loaded whole, in the order in which they ran: what came from the cache first, what has
 * not run last. A node that another one brought with it is no share of the whole: its parent's time includes it.
 * @param {Task} task
 * @returns {Row[]}
 */
export function rows(task) {
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
        title: node.title || node.class_type,
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
