/**
 * Reads server-sent events (HTML standard, §9.2) as their bytes come. EventSource cannot be used: it sends no
 * key, and a new one does not say where the old one stopped. Pure.
 */

/** @typedef {{id: string | null, name: string, data: string}} RawEvent */

/**
 * @param {(event: RawEvent) => void} onEvent
 * @returns {(text: string) => void} Takes the next piece of the stream.
 */
export function reader(onEvent) {
  let rest = "";
  let name = "";
  /** @type {string[]} */
  let data = [];
  /** @type {string | null} */
  let id = null;

  /** @param {string} line */
  function take(line) {
    if (line === "") {
      if (data.length) onEvent({ id, name: name || "message", data: data.join("\n") });
      name = "";
      data = [];
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
    else if (field === "id" && !value.includes("\0")) id = value;
  }

  return (text) => {
    rest += text;
    // A \r at the very end may be half of \r\n.
    const held = rest.endsWith("\r") ? "\r" : "";
    const lines = (held ? rest.slice(0, -1) : rest).split(/\r\n|\n|\r/);
    rest = (lines.pop() ?? "") + held;
    for (const line of lines) take(line);
  };
}
