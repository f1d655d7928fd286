// Traces that a search finds, or one of them.
import { css } from "@emotion/css";
import { dateTimeFormat } from "@grafana/data";
import { useStyles2 } from "@grafana/ui";
import { useEffect, useMemo } from "react";
import { Link } from "react-router-dom";
import { color, duration } from "../../../jaeger/format";
import type { TraceJson } from "../../../jaeger/api";
import { buildTrace } from "../../../jaeger/model";
import { tagsToJson } from "../../../jaeger/search/Form";
import { traceUrl, type Source } from "./jumps";
import { resultStyles, useBounds } from "./Metrics";
import { rangeOf, type ExploreScene } from "./scene";
import type { Pane, Query } from "./state";
import { Refused } from "./Refused";
import { TraceView } from "./TraceView";
import { proxied, useLoaded } from "./useLoaded";

interface Props { scene: ExploreScene; pane: Pane; source: Source; all: Source[]; found: (traces: TraceJson[]) => void }
interface Answer { data: TraceJson[] | null }

export function Traces(props: Props) {
  const query = props.pane.queries[0]!;
  return query.queryType === "search" ? <Found {...props} query={query} /> : query.query ? <One {...props} id={query.query} /> : null;
}

function One({ id, source, all, pane, scene, found }: Props & { id: string }) {
  const bounds = useBounds(scene);
  const answer = useLoaded<Answer>(proxied(source.uid, `api/traces/${id}`), bounds[1]);
  const held = answer.data?.data?.[0];
  const trace = useMemo(() => held && buildTrace(held), [held]);
  useEffect(() => found(held ? [held] : []), [held, found]);
  if (trace) return <TraceView trace={trace} source={source} all={all} range={rangeOf(scene)} bounds={bounds} />;
  const words = answer.error || (answer.loading ? "" : `There is no trace ${id}; it may be older than what is kept.`);
  return <Refused name={source.name} queries={pane.queries} words={words} />;
}

const asked = (uid: string, query: Query, [from, to]: [number, number]): [string, string] => {
  try {
    const params = {
      service: query.service ?? "", operation: query.operation ?? "", tags: tagsToJson(query.tags ?? ""), minDuration: query.minDuration ?? "", maxDuration: query.maxDuration ?? "",
      limit: String(query.limit ?? 20), start: String(from * 1000), end: String(to * 1000),
    };
    return [proxied(uid, "api/traces", params), ""];
  } catch (error) {
    return ["", (error as Error).message];
  }
};
const bar = css({ display: "inline-block", height: 8, borderRadius: 2, verticalAlign: "middle", marginRight: 8 });

function Found({ scene, pane, source, all, query, found }: Props & { query: Query }) {
  const style = useStyles2(resultStyles);
  const bounds = useBounds(scene);
  const [path, wrong] = asked(source.uid, query, bounds);
  const answer = useLoaded<Answer>(path);
  const held = answer.data?.data;
  const traces = useMemo(() => (held ?? []).map(buildTrace).sort((a, b) => b.start - a.start), [held]);
  useEffect(() => found(held ?? []), [held, found]);
  const words = wrong || answer.error;
  if (words) return <Refused name={source.name} queries={pane.queries} words={words} />;
  if (!traces.length) return <p>{answer.loading ? "" : "No trace in this range is like that."}</p>;
  const longest = Math.max(...traces.map((trace) => trace.duration), 1);
  return (
    <section className={style.box} aria-label="Traces">
      <div className={style.head}><h5>Traces</h5><span className={style.quiet}>{traces.length} of at most {query.limit ?? 20}, the newest first</span></div>
      <div className={style.scroll} style={{ maxHeight: "none" }}>
        <table className={style.table}>
          <thead><tr><th>Trace</th><th>Started</th><th>Duration</th><th>Spans</th><th>Services</th></tr></thead>
          <tbody>{traces.map((trace) => (
            <tr key={trace.id}>
              <td><Link to={traceUrl(all, trace.id, rangeOf(scene)) ?? "#"}>{trace.name}</Link></td><td>{dateTimeFormat(trace.start / 1000)}</td>
              <td><i className={bar} style={{ width: Math.max(2, (90 * trace.duration) / longest), background: color(trace.roots[0]?.service ?? "") }} />{duration(trace.duration)}</td>
              <td>{trace.spans.length}{trace.errors > 0 && <b style={{ color: "#e0226e" }}> {trace.errors} failed</b>}</td>
              <td>{[...trace.services].map(([name, count]) => <span key={name} style={{ marginRight: 8 }}><i className={bar} style={{ width: 8, marginRight: 3, background: color(name) }} />{name} {count}</span>)}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
    </section>
  );
}
