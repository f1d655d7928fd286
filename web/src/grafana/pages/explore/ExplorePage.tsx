// Queries on metrics, logs and traces, on one side or two; all of it is in the address, so it can be shared.
import { css } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { Alert, useStyles2 } from "@grafana/ui";
import { useEffect, useMemo } from "react";
import { useSearchParams } from "react-router-dom";
import { sources } from "../../runtime/sources";
import { Pane } from "./Pane";
import { exploreUrl, panesOf, type Pane as Held } from "./state";

const KINDS = ["prometheus", "loki", "jaeger"];
const styles = (theme: GrafanaTheme2) => ({ panes: css({ display: "flex", gap: 16, alignItems: "flex-start", [theme.breakpoints.down("md")]: { flexDirection: "column", alignItems: "stretch" } }) });

export default function ExplorePage() {
  const style = useStyles2(styles);
  const [params] = useSearchParams();
  const all = useMemo(() => sources.getList({ filter: (one) => KINDS.includes(one.type) }), []);
  const panes = useMemo(() => panesOf(params, all), [params, all]);
  useEffect(() => { document.title = "Explore - PyTake"; }, []);
  if (!all.length) return <Alert title="There is no data source to explore">Prometheus, Loki or Jaeger must be in the provisioning files.</Alert>;
  const go = (next: Held[]) => locationService.push(exploreUrl(...next));
  const split = () => go([panes[0]!, panes[0]!]);
  return (
    <div className={style.panes}>
      {panes.map((pane, i) => (
        <Pane key={i} name={i ? "Right pane" : "Explore"} pane={pane} all={all} change={(next) => go(panes.map((one, at) => (at === i ? next : one)))}
          split={panes.length === 1 ? split : undefined} close={panes.length > 1 ? () => go(panes.filter((_, at) => at !== i)) : undefined} />
      ))}
    </div>
  );
}
