// What one does with a dashboard as a whole: star, share, look at its JSON, kiosk.
import { locationService } from "@grafana/runtime";
import { ToolbarButton, ToolbarButtonRow } from "@grafana/ui";
import { useEffect, useState } from "react";
import { get, send } from "../runtime/http";

function useStar(uid: string): [boolean, () => void] {
  const [starred, set] = useState(false);
  useEffect(() => { get<string[]>("/api/user/stars").then((uids) => set(uids.includes(uid)), () => undefined); }, [uid]);
  const toggle = () => {
    send(starred ? "DELETE" : "POST", `/api/user/stars/dashboard/uid/${encodeURIComponent(uid)}`, undefined).then(() => set(!starred), () => undefined);
  };
  return [starred, toggle];
}

export function Toolbar({ uid }: { uid: string }) {
  const [starred, toggle] = useStar(uid);
  return (
    <ToolbarButtonRow>
      <ToolbarButton variant="canvas" icon={starred ? "favorite" : "star"} iconOnly={false} tooltip={starred ? "Remove the star" : "Mark with a star"} aria-pressed={starred} onClick={toggle} />
      <ToolbarButton variant="canvas" icon="share-alt" tooltip="Share (p s)" onClick={() => locationService.partial({ shareView: "link" })} />
      <ToolbarButton variant="canvas" icon="brackets-curly" tooltip="JSON model (d s)" onClick={() => locationService.partial({ editview: "json-model" })} />
      <ToolbarButton variant="canvas" icon="monitor" tooltip="Kiosk (d k)" onClick={() => locationService.partial({ kiosk: true })} />
    </ToolbarButtonRow>
  );
}
