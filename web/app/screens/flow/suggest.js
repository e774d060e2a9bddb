/** What people often put behind the workflow's end. */
import { html } from "../../vendor/preact.js";
import { users } from "../../core/graph.js";
import { catalog, online, t } from "../../io/store.js";
import { Button } from "../../ui/basics.js";
import { openAdd } from "./add.js";
import { useAnswer } from "../../ui/answer.js";
import { suggestions } from "./pick.js";
import { classNameOf, graph, nameOf, order } from "./state.js";

const SHOWN = 3;

/** The node that something would be added to: the last that gives something nobody takes, else the last that gives anything; what saves or shows is the end. */
function end() {
  const by = users(graph.value);
  const giving = order.value.filter((id) => {
    const spec = catalog.value.get(graph.value[id].class_type);
    return spec && spec.outputs.length > 0 && !spec.flags.output_node;
  });
  const open = giving.filter((id) => !by.get(id)?.length);
  return open.at(-1) ?? giving.at(-1) ?? null;
}

export function Suggest() {
  const id = end();
  const type = id === null ? "" : graph.value[id].class_type;
  const found = useAnswer(
    async (signal) => {
      if (!type || !online.value) return [];
      const outputs = catalog.value.get(type)?.outputs ?? [];
      const each = await Promise.all(outputs.map((_, slot) => suggestions(type, "next", slot, { limit: SHOWN + 1, signal }).then((items) => items.map((item) => ({ ...item, from: slot })))));
      return each.flat().sort((a, b) => b.count - a.count);
    },
    type,
    [],
  );
  if (id === null || !found?.length) return null;
  // What stands behind it already is no news.
  const behind = new Set((users(graph.value).get(id) ?? []).map(({ target }) => graph.value[target].class_type));
  const shown = found.filter((item, at) => !behind.has(item.name) && found.findIndex((one) => one.name === item.name) === at).slice(0, SHOWN);
  if (!shown.length) return null;
  return html`<section class="suggest" aria-labelledby="suggest-title">
    <h2 id="suggest-title">${t("flow.often_after", { name: nameOf(id) })}</h2>
    <div class="row wrap">
      ${shown.map(
        (item) => html`<${Button}
          key=${item.name}
          onClick=${() => openAdd({ after: id }, { name: item.name, fit: { name: item.name, at: { way: "next", slot: item.from, port: item.port } } })}
        >${classNameOf(item.name)}<//>`,
      )}
      <${Button} onClick=${() => openAdd({ after: id })}>${t("flow.more")}<//>
    </div>
  </section>`;
}
