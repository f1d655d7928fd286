// One query at a time, against metrics, logs or traces; what it says is in the address, so it can be shared.
import { css } from "@emotion/css";
import type { DataSourceInstanceSettings } from "@grafana/data";
import {
  behaviors, EmbeddedScene, SceneControlsSpacer, SceneFlexItem, SceneFlexLayout, SceneQueryRunner, SceneRefreshPicker, SceneTimePicker, SceneTimeRange, UrlSyncContextProvider, VizPanel,
} from "@grafana/scenes";
import { Alert, Button, Field, LinkButton, Select, TextArea } from "@grafana/ui";
import { useEffect, useMemo, useState, type FormEvent, type KeyboardEvent } from "react";
import { useSearchParams } from "react-router-dom";
import { sources } from "../runtime/sources";

const form = css({ display: "flex", gap: 8, alignItems: "flex-end", flexWrap: "wrap", padding: "12px 0", "> :nth-child(2)": { flex: "1 1 320px" } });
const KINDS = ["prometheus", "loki", "jaeger"];
const HINT: Record<string, string> = {
  prometheus: "PromQL: sum by (endpoint) (rate(http_requests_total[$__rate_interval]))",
  loki: 'LogQL: {service="pytake-api"} |= "error"',
  jaeger: "a trace id, or a service's name for its newest traces",
};
const TRACE_ID = /^[0-9a-f]{16,32}$/;

/** A LogQL query that counts gives numbers, not lines. */
const counts = (query: string) => /^\s*(?:sum|count|avg|min|max|topk|bottomk|rate|\w+_over_time|bytes_rate)\b/.test(query);

function panels(source: DataSourceInstanceSettings, query: string): [string, string, object][] {
  if (source.type === "prometheus") return [["timeseries", "Graph", { range: true, expr: query }], ["table", "Now", { instant: true, range: false, format: "table", expr: query }]];
  if (source.type === "loki") {
    return counts(query) ? [["timeseries", "Graph", { expr: query }]]
      : [["timeseries", "Lines", { expr: `sum by (level) (count_over_time(${query} [$__interval]))` }], ["logs", "Log lines", { expr: query }]];
  }
  return TRACE_ID.test(query) ? [["traces", `Trace ${query}`, { query }]] : [["table", "Traces", { queryType: "search", service: query }]];
}

/** A list of traces: the id leads to the trace, durations are in microseconds. */
const COLUMNS = [
  { matcher: { id: "byName", options: "traceID" }, properties: [{ id: "links", value: [{ title: "Open the trace", url: "/explore?source=jaeger&query=${__value.text}" }] }] },
  { matcher: { id: "byName", options: "duration" }, properties: [{ id: "unit", value: "\u00b5s" }] },
];

/** Where one goes on from a trace: to its log lines. */
const logsOf = (trace: string) => `/explore?${new URLSearchParams({ source: "loki", query: `{service=~".+"} |= "${trace}"` })}`;

function sceneOf(source: DataSourceInstanceSettings, query: string): EmbeddedScene {
  const datasource = { uid: source.uid, type: source.type };
  const made = query ? panels(source, query) : [];
  const children = made.map(([pluginId, title, target], i) => new SceneFlexItem({
    minHeight: made.length > 1 && i === 0 && source.type === "loki" ? 160 : 340,
    body: new VizPanel({ pluginId, title, options: { tooltip: { mode: "multi" } }, fieldConfig: { defaults: {}, overrides: source.type === "jaeger" ? COLUMNS : [] }, $data: new SceneQueryRunner({ datasource, queries: [{ refId: "A", ...target }], maxDataPointsFromWidth: true }) }),
  }));
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from: "now-1h", to: "now" }), $behaviors: [new behaviors.CursorSync({ sync: 1 })],
    controls: [new SceneControlsSpacer(), new SceneTimePicker({ isOnCanvas: true }), new SceneRefreshPicker({ isOnCanvas: true, refresh: "" })],
    body: new SceneFlexLayout({ direction: "column", children }),
  });
}

export default function ExplorePage() {
  const [params, setParams] = useSearchParams();
  const list = useMemo(() => sources.getList({ filter: (one) => KINDS.includes(one.type) }), []);
  const uid = params.get("source") ?? "", query = params.get("query") ?? "";
  const source = list.find((one) => one.uid === uid) ?? list.find((one) => one.isDefault) ?? list[0];
  const [text, setText] = useState(query);
  useEffect(() => { setText(query); document.title = "Explore - PyTake"; }, [query]);
  const scene = useMemo(() => source && sceneOf(source, query), [source, query]);
  if (!source || !scene) return <Alert title="There is no data source to explore">Prometheus, Loki or Jaeger must be in the provisioning files.</Alert>;
  const go = (to: string, words: string) => setParams((old) => { old.set("source", to); old.set("query", words); return old; });
  const submit = (event: FormEvent) => { event.preventDefault(); go(source.uid, text.trim()); };
  const keys = (event: KeyboardEvent) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); go(source.uid, text.trim()); } };
  return (
    <>
      <form className={form} onSubmit={submit}>
        <Field label="Data source" noMargin><Select width={24} options={list.map((one) => ({ label: one.name, value: one.uid }))} value={source.uid} onChange={(choice) => go(choice.value!, "")} /></Field>
        <Field label="Query" noMargin><TextArea rows={2} value={text} placeholder={HINT[source.type]} onKeyDown={keys} onChange={(event) => setText(event.currentTarget.value)} aria-label="Query" /></Field>
        <Button type="submit" icon="sync">Run</Button>
        {source.type === "jaeger" && TRACE_ID.test(query) && <LinkButton variant="secondary" icon="gf-logs" href={logsOf(query)}>Its logs</LinkButton>}
      </form>
      <UrlSyncContextProvider scene={scene} key={`${source.uid} ${query}`}><scene.Component model={scene} /></UrlSyncContextProvider>
    </>
  );
}
