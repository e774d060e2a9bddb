/**
 * Which priorities put a queued task at another place. The server knows priorities only: greater runs sooner,
 * and among equals the clients take turns. Pure.
 */

/** @typedef {{id: string, priority: number}} Waiting */

const MOST = 1000;

/**
 * Give the least changes of priority that move task *id* to place *to* (from 0) of *queue*, which is in the order
 * of its running; null if the range of priorities has no room for it.
 * @param {readonly Waiting[]} queue
 * @param {string} id
 * @param {number} to
 * @returns {Waiting[] | null}
 */
export function moved(queue, id, to) {
  const from = queue.findIndex((task) => task.id === id);
  const place = Math.max(0, Math.min(queue.length - 1, to));
  if (from < 0 || from === place) return [];
  const rest = queue.filter((task) => task.id !== id);
  const before = rest.slice(0, place);
  const after = rest.slice(place);
  const ways = [];
  // above the one that follows it, lifting those before it as far as they would tie
  if (after.length) ways.push(pushed(id, after[0].priority + 1, [...before].reverse(), 1));
  if (before.length) ways.push(pushed(id, before[before.length - 1].priority - 1, after, -1));
  const possible = ways.filter((way) => way.every((task) => Math.abs(task.priority) <= MOST));
  possible.sort((one, other) => one.length - other.length);
  return possible[0] ?? null;
}

/**
 * Set task *id* to *priority* and push its *others*, nearest first, out of the way: upwards (1) or downwards (-1).
 * Those of one priority go to one priority, so that the server keeps their order.
 * @param {string} id
 * @param {number} priority
 * @param {readonly Waiting[]} others
 * @param {1 | -1} way
 * @returns {Waiting[]}
 */
function pushed(id, priority, others, way) {
  const changes = [{ id, priority }];
  let last = priority;
  /** @type {number | null} */
  let level = null;
  for (const task of others) {
    if (task.priority !== level) {
      if ((task.priority - last) * way > 0) break;
      level = task.priority;
      last += way;
    }
    changes.push({ id: task.id, priority: last });
  }
  return changes;
}
