// A panel type that is not drawn here: its name, and its data as a table.
import type { PanelProps } from "@grafana/data";
import { TablePanel } from "./TablePanel";

const NOTE = 26;

export function unknownPanel(type: string) {
  return function UnknownPanel(props: PanelProps) {
    return (
      <>
        <div style={{ height: NOTE, overflow: "hidden" }} data-testid="unknown-panel">Panels of type “{type}” are not drawn here; this is their data.</div>
        <TablePanel {...props} height={props.height - NOTE} />
      </>
    );
  };
}
