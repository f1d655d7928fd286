// The dashboard that is open, for what acts on it from outside: keys.
import type { DashboardScene } from "./scene";

let open: DashboardScene | undefined;

export const activeScene = (): DashboardScene | undefined => open;
/** Opened; the answer closes it. */
export function opened(scene: DashboardScene): () => void {
  open = scene;
  return () => { if (open === scene) open = undefined; };
}
