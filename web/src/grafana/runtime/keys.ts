// Keys pressed one after the other, such as "g h", that stand for an action.
export type Actions = Record<string, () => void>;

const PATIENCE_MS = 1000;
const TYPED_IN = "input, textarea, select, [contenteditable=true]";

/** The name of a key: "g", "ctrl+k", "Escape". */
const nameOf = (event: KeyboardEvent) => (event.ctrlKey || event.metaKey ? "ctrl+" : "") + event.key;

/** Calls the action of a sequence while the returned function was not called. */
export function listen(actions: () => Actions, target: Document = document): () => void {
  let first = "", at = 0;
  const pressed = (event: KeyboardEvent) => {
    const from = event.target as Element | null;
    if (event.altKey || event.defaultPrevented || (from?.matches?.(TYPED_IN) && event.key !== "Escape")) return;
    const key = nameOf(event), known = actions();
    const both = first && event.timeStamp - at < PATIENCE_MS ? `${first} ${key}` : "";
    const action = (both && known[both]) || known[key];
    first = action ? "" : key;
    at = event.timeStamp;
    if (!action) return;
    event.preventDefault();
    action();
  };
  target.addEventListener("keydown", pressed);
  return () => target.removeEventListener("keydown", pressed);
}
