/** The drafts on this device: the workflows that were worked on, the one changed last first. */
import { html } from "../../vendor/preact.js";
import { ago } from "../../core/format.js";
import { closeDraft, copyDraft, deleteDraft, draft, go, locale, openSaved, renameDraft, t, toast, toastError } from "../../io/store.js";
import { Badge, IconButton } from "../../ui/basics.js";
import { Icon } from "../../ui/icons.js";
import { openMenu } from "../../ui/sheet.js";
import { askName } from "./keep.js";

/** @typedef {(typeof import("../../io/store.js").drafts.value)[number]} Entry */

/** @param {string} id */
async function open(id) {
  if (draft.value?.id !== id && !(await openSaved(id))) return toast({ key: "library.draft_gone", tone: "warn" });
  return go("/flow");
}

/** Does something with a draft as the open one, then puts back the one that was open. @param {string} id @param {() => void} work */
async function within(id, work) {
  const before = draft.value?.id;
  if (before !== id) await openSaved(id);
  work();
  if (before === id) return;
  if (before) await openSaved(before);
  else await closeDraft();
}

/** @param {Entry} entry */
async function remove(entry) {
  const putBack = await deleteDraft(entry.id);
  toast({
    key: "library.draft_deleted",
    params: { name: entry.name },
    action: { key: "library.undo", run: () => void putBack().catch(toastError) },
  });
}

/** @param {Entry} entry */
async function menu(entry) {
  const chosen = await openMenu({
    title: entry.name,
    items: [
      { id: "rename", label: t("library.rename"), icon: "edit" },
      { id: "copy", label: t("library.duplicate"), icon: "copy" },
      { id: "delete", label: t("library.delete"), icon: "trash", tone: "danger" },
    ],
  });
  try {
    if (chosen === "delete") await remove(entry);
    else if (chosen === "copy") {
      if (draft.value?.id !== entry.id) await openSaved(entry.id);
      copyDraft(t("library.copy_of", { name: entry.name }));
      await go("/flow");
    } else if (chosen === "rename") {
      const name = await askName({ title: t("library.rename_title"), label: t("library.name"), value: entry.name, action: t("library.rename") });
      if (name) await within(entry.id, () => renameDraft(name));
    }
  } catch (error) {
    toastError(error);
  }
}

/** @param {{entry: Entry}} props */
export function DraftRow({ entry }) {
  const isOpen = draft.value?.id === entry.id;
  return html`<li class="with-menu">
    <button type="button" class="item" onClick=${() => open(entry.id)}>
      <span class="item-icon"><${Icon} name="edit" size=${20} /></span>
      <span class="item-main"><strong>${entry.name}</strong>
        <small>${t("library.nodes", { count: entry.nodes })} · ${ago(entry.updated_at, Date.now(), locale.value)}</small></span>
      ${isOpen && html`<${Badge} tone="accent">${t("library.open_now")}<//>`}
    </button>
    <${IconButton} icon="more" label=${t("library.more_about", { name: entry.name })} aria-haspopup="dialog" onClick=${() => menu(entry)} />
  </li>`;
}
