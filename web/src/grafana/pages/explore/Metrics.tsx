// Numbers: a graph, the newest values as a table, and the traces that the histogram's exemplars name.
import { css } from "@emotion/css";
import { dateTimeFormat, formattedValueToString, getValueFormat, LoadingState, type DataFrame, type GrafanaTheme2, type PanelData } from "@grafana/data";
import { sceneGraph, type SceneQueryRunner } from "@grafana/scenes";
import { useStyles2 } from "@grafana/ui";
import { useEffect, useState } from "react";
import { Link } from "react-router-dom";
import { logsOfMetrics, tracesOfLabels, traceUrl, type Source } from "./jumps";
import { rangeOf, type ExploreScene } from "./scene";
import { asks, type Pane } from "./state";
import { Refused, wordsOfErrors } from "./Refused";
import { proxied, useLoaded } from "./useLoaded";

export const resultStyles = (theme: GrafanaTheme2) => ({
  box: css({ border: `1px solid ${theme.colors.border.weak}`, borderRadius: theme.shape.radius.default, background: theme.colors.background.primary, marginTop: 8, padding: 8, minWidth: 0 }),
  graph: css({ height: 340, position: "relative", display: "flex", flexDirection: "column" }),
  scroll: css({ overflow: "auto", maxHeight: 460 }),
  table: css({ fontSize: 12, minWidth: "100%", borderCollapse: "collapse", "th, td": { textAlign: "left", padding: "3px 14px 3px 0", borderBottom: `1px solid ${theme.colors.border.weak}`, whiteSpace: "nowrap" }, "th button": { background: "none", border: 0, padding: 0, fontWeight: 600, color: "inherit" }, a: { color: theme.colors.text.link, textDecoration: "underline", marginRight: 8 } }),
  quiet: css({ color: theme.colors.text.secondary, fontSize: 12 }),
  head: css({ display: "flex", gap: 12, alignItems: "center", flexWrap: "wrap", marginBottom: 4, h5: { margin: 0 } }),
});

/** What a runner has found; asks while it is on the page. */
export function useData(runner: SceneQueryRunner | undefined): PanelData | undefined {
  const [data, setData] = useState(runner?.state.data);
  useEffect(() => {
    setData(runner?.state.data);
    if (!runner) return undefined;
    const watch = runner.subscribeToState((state) => setData(state.data));
    const stop = runner.activate();
    return () => { watch.unsubscribe(); stop(); };
  }, [runner]);
  return data;
}

interface Props { scene: ExploreScene; pane: Pane; source: Source; all: Source[] }

export function Metrics({ scene, pane, source, all }: Props) {
  const style = useStyles2(resultStyles);
  const { main, now, graph } = scene.useState();
  const data = useData(main), newest = useData(now);
  const words = wordsOfErrors(data, newest);
  if (words) return <Refused name={source.name} queries={pane.queries} words={words} />;
  const empty = data?.state === LoadingState.Done && !data.series.some((frame) => frame.length);
  return (
    <>
      {graph && <div className={style.box}><div className={style.graph}>{empty ? <p>No data in this range.</p> : <graph.Component model={graph} />}</div></div>}
      {newest && <Newest frames={newest.series} scene={scene} all={all} />}
      {source.type === "prometheus" && <Exemplars scene={scene} pane={pane} source={source} all={all} />}
    </>
  );
}

const SHOWN = 500;

function Newest({ frames, scene, all }: { frames: DataFrame[]; scene: ExploreScene; all: Source[] }) {
  const style = useStyles2(resultStyles);
  const [by, setBy] = useState<[string, number]>(["Value", -1]);
  const rows = frames.flatMap((frame) => Array.from({ length: frame.length }, (_, i) => Object.fromEntries(frame.fields.map((field) => [field.name, field.values[i] as unknown]))));
  const names = [...new Set(frames.flatMap((frame) => frame.fields.map((field) => field.name)))].filter((name) => name !== "Time" && name !== "Value");
  if (!rows.length) return null;
  const order = (a: unknown, b: unknown) => (typeof a === "number" && typeof b === "number" ? a - b : String(a ?? "").localeCompare(String(b ?? "")));
  const sorted = rows.sort((a, b) => by[1] * order(a[by[0]], b[by[0]])).slice(0, SHOWN);
  const range = rangeOf(scene);
  const labels = (row: Record<string, unknown>) => Object.fromEntries(names.map((name) => [name, String(row[name] ?? "")]));
  return (
    <section className={style.box} aria-label="Newest values">
      <div className={style.head}><h5>Newest values</h5><span className={style.quiet}>{rows.length} series{rows.length > SHOWN && `, ${SHOWN} shown`}</span></div>
      <div className={style.scroll}>
        <table className={style.table}>
          <thead><tr>{[...names, "Value"].map((name) => (
            <th key={name} aria-sort={by[0] === name ? (by[1] > 0 ? "ascending" : "descending") : undefined}><button type="button" onClick={() => setBy([name, by[0] === name ? -by[1] : 1])}>{name}{by[0] === name && (by[1] > 0 ? " ↑" : " ↓")}</button></th>
          ))}<th /></tr></thead>
          <tbody>{sorted.map((row, i) => {
            const traces = tracesOfLabels(all, labels(row), range), logs = traces && logsOfMetrics(all, `{service="${labels(row)["service_name"] ?? labels(row)["job"]}"}`, range);
            return <tr key={i}>{names.map((name) => <td key={name}>{String(row[name] ?? "")}</td>)}<td>{String(row["Value"] ?? "")}</td><td>{logs && <Link to={logs}>Logs</Link>}{traces && <Link to={traces}>Traces</Link>}</td></tr>;
          })}</tbody>
        </table>
      </div>
    </section>
  );
}

interface Found { data: { seriesLabels: Record<string, string>; exemplars: { labels: Record<string, string>; value: string; timestamp: number }[] }[] }
const MOST = 30;

/** The range in whole seconds; another one when the page was asked to look again. */
export function useBounds(scene: ExploreScene): [number, number] {
  const { value } = sceneGraph.getTimeRange(scene).useState();
  return [value.from.valueOf(), value.to.valueOf()];
}

function Exemplars({ scene, pane, source, all }: Props) {
  const style = useStyles2(resultStyles);
  const [from, to] = useBounds(scene);
  const query = pane.queries.find(asks)?.expr ?? "";
  // variables stand for lengths of time here, which do not change what has exemplars
  const found = useLoaded<Found>(query ? proxied(source.uid, "api/v1/query_exemplars", { query: query.replaceAll(/\$\{?__\w+\}?/g, "5m"), start: String(Math.floor(from / 1000)), end: String(Math.ceil(to / 1000)) }) : "");
  const list = (found.data?.data ?? []).flatMap((series) => series.exemplars.map((one) => ({ ...one, series: series.seriesLabels })))
    .flatMap((one) => { const id = one.labels["trace_id"] ?? one.labels["traceID"]; return id ? [{ ...one, id }] : []; }).sort((a, b) => Number(b.value) - Number(a.value));
  if (!list.length) return null;
  const seconds = (value: string) => formattedValueToString(getValueFormat("s")(Number(value)));
  return (
    <section className={style.box} aria-label="Exemplars">
      <div className={style.head}><h5>Traces behind these numbers</h5><span className={style.quiet}>exemplars, the largest first{list.length > MOST && `; ${MOST} of ${list.length}`}</span></div>
      <div className={style.scroll} style={{ maxHeight: 240 }}>
        <table className={style.table}><tbody>{list.slice(0, MOST).map((one) => (
          <tr key={`${one.id}${one.timestamp}${one.series["le"]}`}>
            <td>{dateTimeFormat(one.timestamp * 1000)}</td><td>{/_seconds(_|$)/.test(one.series["__name__"] ?? "") ? seconds(one.value) : one.value}</td>
            <td>{Object.entries(one.series).filter(([name]) => !["__name__", "le", "instance"].includes(name)).map((pair) => pair.join("=")).join(" ")}</td>
            <td><Link to={traceUrl(all, one.id, rangeOf(scene)) ?? "#"}>{one.id}</Link></td>
          </tr>
        ))}</tbody></table>
      </div>
    </section>
  );
}
