// What a panel shows when it has nothing to draw: the error's own words are in the panel's header and here.
import type { PanelData } from "@grafana/data";
import { css } from "@emotion/css";

const box = css({ display: "flex", alignItems: "center", justifyContent: "center", height: "100%", padding: 8, textAlign: "center", overflow: "auto" });

export function Empty({ data, noValue }: { data: PanelData; noValue?: string }) {
  const errors = data.errors ?? (data.error ? [data.error] : []);
  const words = errors.map((error) => error.message ?? error.data?.message ?? "").filter(Boolean).join("\n");
  return <div className={box} data-testid={words ? "panel-error" : "panel-empty"}>{words || noValue || "No data"}</div>;
}

/** Frames that hold at least one row. */
export const hasRows = (data: PanelData): boolean => data.series.some((frame) => frame.fields.length > 0 && frame.length > 0);
