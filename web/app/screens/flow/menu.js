/** The ⋯ menus of a card and of its port chips. */
import { ports } from "../../core/fields.js";
import { users } from "../../core/graph.js";
import { catalog, t, toast } from "../../io/store.js";
import { openMenu } from "../../ui/sheet.js";
import { openHelp, openParallel, openPlan, openRemove, openRename, openReplace } from "./change.js";
import { neighbour, swapped } from "./choices.js";
import { openAdd, openInsert } from "./add.js";
import { openSources, openTargets } from "./connect.js";
import { apply } from "./plan.js";
import { graph, jump, nameOf } from "./state.js";

/** @typedef {{id: string, label: string, icon?: string, hint?: string, tone?: string, disabled?: boolean, run: () => unknown}} Entry */

/** Shows a menu and does what was chosen. @param {string} title @param {Entry[]} entries */
async function choose(title, entries) {
  const chosen = await openMenu({ title, items: entries.map(({ run: _, ...item }) => item) });
  return entries.find((entry) => entry.id === chosen)?.run();
}

/** @param {string} id @param {"earlier" | "later"} way @returns {Entry[]} */
function move(id, way) {
  const other = neighbour(graph.value, catalog.value, id, way);
  if (other === null) return [];
  const [first, second] = way === "earlier" ? [other, id] : [id, other];
  const icon = way === "earlier" ? "up" : "down";
  const hint = t("flow.move_hint", { name: `${nameOf(other)} #${other}` });
  const run = () =>
    openPlan({ title: t(`flow.move_${way}`), ops: swapped(graph.value, catalog.value, first, second), label: t("flow.move_apply"), show: false });
  return [{ id: way, label: t(`flow.move_${way}`), icon, hint, run }];
}

/** A value may come from another node instead: which one. @param {string} id @returns {Entry[]} */
function wire(id) {
  const node = graph.value[id];
  const free = ports(catalog.value.get(node.class_type), node, graph.value, id).params.filter((one) => !one.link);
  if (!free.length) return [];
  const items = free.map(({ name, label, type }) => ({ id: name, label, hint: type, icon: "link", run: () => openSources(id, name) }));
  return [{ id: "wire", label: t("flow.wire_value"), icon: "link", run: () => choose(t("flow.wire_title", { name: nameOf(id) }), items) }];
}

/** @param {string} id */
export function openNodeMenu(id) {
  const node = graph.value[id];
  if (!node) return undefined;
  const known = catalog.value.has(node.class_type);
  const off = node._meta?.bypassed !== undefined;
  const shows = !!catalog.value.get(node.class_type)?.flags.output_node;
  const bypass = () =>
    openPlan({
      title: t(off ? "flow.unbypass_title" : "flow.bypass_title", { name: nameOf(id) }),
      ops: [{ op: "bypass", node_id: id, on: !off }],
      label: t(off ? "flow.unbypass" : "flow.bypass"),
      show: false,
    });
  const duplicate = async () => {
    const result = await apply([{ op: "duplicate", node_id: id }]);
    if (result) toast({ key: "flow.duplicated", params: { name: nameOf(id) }, tone: "good" });
  };
  return choose(nameOf(id), [
    { id: "add", label: t("flow.add_behind"), icon: "plus", disabled: !known, run: () => openAdd({ after: id }) },
    { id: "replace", label: t("flow.replace"), icon: "swap", run: () => openReplace(id) },
    { id: "parallel", label: t("flow.parallel"), icon: "branch", disabled: !known, run: () => openParallel(id) },
    { id: "duplicate", label: t("flow.duplicate"), icon: "copy", run: duplicate },
    ...wire(id),
    ...move(id, "earlier"),
    ...move(id, "later"),
    {
      id: "bypass",
      label: t(off ? "flow.unbypass" : "flow.bypass"),
      hint: shows ? t("flow.bypass_not") : off || !known ? undefined : t("flow.bypass_hint"),
      icon: "bypass",
      disabled: shows || !known,
      run: bypass,
    },
    { id: "rename", label: t("flow.rename"), icon: "edit", run: () => openRename(id) },
    { id: "help", label: t("flow.help"), icon: "help", run: () => openHelp(node.class_type) },
    { id: "remove", label: t("flow.remove"), icon: "trash", tone: "danger", run: () => openRemove(id) },
  ]);
}

/** @param {string} id @param {import("../../core/types.js").InPort} port */
export function openInputMenu(id, port) {
  const { link, name } = port;
  if (!link) return openSources(id, name);
  const source = graph.value[link.node];
  const output = catalog.value.get(source?.class_type ?? "")?.outputs[link.slot];
  const spot = { source: link.node, slot: link.slot, target: id, input: name };
  return choose(t("flow.input_of", { input: name, node: nameOf(id) }), [
    { id: "jump", label: t("flow.go_to", { name: nameOf(link.node) }), icon: "right", disabled: !source, run: () => jump(link.node) },
    { id: "rewire", label: t("flow.rewire"), icon: "link", run: () => openSources(id, name) },
    { id: "insert", label: t("flow.insert_here"), icon: "plus", disabled: !output, run: () => openInsert(spot, { type: output?.type ?? "*", takes: port.type }) },
    {
      id: "disconnect",
      label: t("flow.disconnect"),
      icon: "unlink",
      tone: "danger",
      run: () =>
        openPlan({
          title: t("flow.disconnect"),
          ops: [{ op: "disconnect", target_node_id: id, input: name }],
          label: t("flow.disconnect_apply"),
          tone: "danger",
          show: false,
        }),
    },
  ]);
}

/** @param {string} id @param {import("../../core/types.js").OutPort} port */
export function openOutputMenu(id, port) {
  const uses = (users(graph.value).get(id) ?? []).filter(({ slot }) => slot === port.slot);
  const spot = { source: id, slot: port.slot };
  const none = uses.length === 0;
  return choose(t("flow.output_of", { output: port.name || port.type, node: nameOf(id) }), [
    ...uses.map(({ target, name }, at) => ({
      id: `jump${at}`,
      label: t("flow.go_to", { name: nameOf(target) }),
      hint: name,
      icon: "right",
      run: () => jump(target),
    })),
    { id: "connect", label: t("flow.connect_more"), icon: "link", run: () => openTargets(id, port.slot) },
    { id: "add", label: t("flow.add_behind"), icon: "plus", run: () => openAdd({ after: id, slot: port.slot }) },
    { id: "insert", label: t("flow.insert_all"), icon: "split", disabled: none, run: () => openInsert(spot, { type: port.type }) },
    {
      id: "disconnect",
      label: t("flow.disconnect_all"),
      icon: "unlink",
      tone: "danger",
      disabled: none,
      run: () =>
        openPlan({
          title: t("flow.disconnect_all"),
          ops: [{ op: "disconnect", source_node_id: id, output: port.slot }],
          label: t("flow.disconnect_apply"),
          tone: "danger",
          show: false,
        }),
    },
  ]);
}
