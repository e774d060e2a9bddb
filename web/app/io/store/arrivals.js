/** Workflows that the desktop page sends while the app is open. */
import { signal } from "../../vendor/preact.js";
import { api } from "../api.js";
import { go } from "./route.js";
import { t } from "./settings.js";
import { openSession } from "./tasks.js";
import { toast, toastError } from "./toasts.js";

/** How many have come since the app was opened. */
export const arrivals = signal(0);

/** Offers a new session, if it is one that was sent. @param {{id: string, change?: string}} told */
export async function arrived({ id, change }) {
  if (change !== "created") return;
  // A list, for the session may be gone by now: the app makes some of its own for a moment.
  const { items } = await api.get("/ext/workflow/sessions?limit=5").catch(() => ({ items: [] }));
  const sent = items.find((/** @type {any} */ one) => one.id === id && one.metadata?.from === "desktop");
  if (!sent) return;
  arrivals.value += 1;
  const open = () => openSession(id).then(() => go("/flow")).catch(toastError);
  toast({ key: "arrived.workflow", params: { name: sent.label || t("draft.from_desktop") }, action: { key: "arrived.open", run: open } });
}
