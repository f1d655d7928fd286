// One query: its editor and what belongs to it.
import { css } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import { AutoSizeInput, IconButton, RadioButtonGroup, useStyles2 } from "@grafana/ui";
import { lazy, Suspense } from "react";
import { counts } from "./logql";
import type { Known, Query } from "./state";
import { TraceForm } from "./TraceForm";

const Editor = lazy(() => import("./Editor"));

const styles = (theme: GrafanaTheme2) => ({
  row: css({ display: "flex", gap: 8, alignItems: "flex-start", marginBottom: 6, [theme.breakpoints.down("sm")]: { flexWrap: "wrap" } }),
  letter: css({ flex: "none", width: 24, height: 34, lineHeight: "34px", textAlign: "center", color: theme.colors.primary.text, fontWeight: 600 }),
  editor: css({ flex: "1 1 260px", minWidth: 0 }),
  more: css({ display: "flex", gap: 8, alignItems: "center", flexWrap: "wrap" }),
});
export const HINT: Record<string, string> = {
  prometheus: "PromQL, for example sum by (endpoint) (rate(http_requests_total[$__rate_interval]))",
  loki: 'LogQL, for example {service="pytake-api"} |= "error"',
};
const TYPES = [{ label: "Range", value: "range" }, { label: "Instant", value: "instant" }];

interface Props { source: Known; query: Query; revision: number; only: boolean; change: (query: Query) => void; run: (query: Query) => void; remove: () => void }

export function QueryRow({ source, query, revision, only, change, run, remove }: Props) {
  const style = useStyles2(styles);
  if (source.type === "jaeger") return <TraceForm uid={source.uid} query={query} change={change} run={run} />;
  const lines = source.type === "loki" && !counts(query.expr ?? "{");
  return (
    <div className={style.row} role="group" aria-label={`Query ${query.refId}`}>
      <span className={style.letter}>{query.refId}</span>
      <div className={style.editor}>
        <Suspense fallback={<div style={{ height: 34 }} />}>
          <Editor type={source.type} uid={source.uid} value={query.expr ?? ""} revision={revision} placeholder={HINT[source.type] ?? ""} label="Query"
            onChange={(expr) => change({ ...query, expr })} onRun={(expr) => run({ ...query, expr })} />
        </Suspense>
      </div>
      <div className={style.more}>
        {lines
          ? <AutoSizeInput key={query.maxLines} minWidth={10} prefix="Lines" placeholder="1000" type="number" min={1} max={5000} defaultValue={query.maxLines} aria-label="Most lines" onCommitChange={(event) => change({ ...query, maxLines: Number(event.currentTarget.value) || undefined })} />
          : <>
            <RadioButtonGroup size="sm" options={TYPES} value={query.queryType === "instant" ? "instant" : "range"} onChange={(queryType) => run({ ...query, queryType })} />
            <AutoSizeInput key={query.legendFormat} minWidth={14} prefix="Legend" placeholder="{{label}}" defaultValue={query.legendFormat} aria-label="Legend" onCommitChange={(event) => change({ ...query, legendFormat: event.currentTarget.value || undefined })} />
          </>}
        {!only && <IconButton name="trash-alt" tooltip="Remove this query" onClick={remove} />}
      </div>
    </div>
  );
}
