import type { IconName } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { LinkButton } from "@grafana/ui";
import type { MouseEvent, ReactNode } from "react";

/** A way to another query: a link that needs no new page, and opens in a tab of its own when asked. */
export function Go({ to, icon, children }: { to: string | undefined; icon: IconName; children: ReactNode }) {
  if (!to) return null;
  const click = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    locationService.push(to);
  };
  return <LinkButton size="sm" variant="secondary" icon={icon} href={to} onClick={click}>{children}</LinkButton>;
}
