/** Whether there is something to undo or redo. */
import { computed } from "../../vendor/preact.js";
import { canRedo as canGoOn, canUndo as canGoBack } from "../../core/history.js";
import { history } from "./state.js";

export const canUndo = computed(() => (history.value ? canGoBack(history.value) : false));
export const canRedo = computed(() => (history.value ? canGoOn(history.value) : false));
