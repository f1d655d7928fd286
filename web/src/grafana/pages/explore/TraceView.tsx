// One trace as a waterfall; a span opens to its tags, events and ways on.
import { css } from "@emotion/css";
import { dateTimeFormat, type GrafanaTheme2 } from "@grafana/data";
import { Button, LinkButton, useStyles2 } from "@grafana/ui";
import { useState } from "react";
import type { Tag } from "../../../jaeger/api";
import { color, duration, ticks } from "../../../jaeger/format";
import type { Span, Trace } from "../../../jaeger/model";
import { Go } from "./Go";
import { around, logsOfTrace, metricsOfSpan, type Source } from "./jumps";
import { resultStyles } from "./Metrics";
import type { Range } from "./state";

const styles = (theme: GrafanaTheme2) => ({
  row: css({ display: "grid", gridTemplateColumns: "minmax(0, 34%) minmax(0, 1fr)", width: "100%", background: "none", border: 0, padding: 0, color: "inherit", fontSize: 12, height: 26, alignItems: "center", textAlign: "left", "&:hover": { background: theme.colors.action.hover }, [theme.breakpoints.down("sm")]: { gridTemplateColumns: "minmax(0, 46%) minmax(0, 1fr)" } }),
  name: css({ overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap", paddingRight: 8 }),
  track: css({ position: "relative", height: 26, borderLeft: `1px solid ${theme.colors.border.weak}` }),
  bar: css({ position: "absolute", top: 7, height: 12, borderRadius: 2, minWidth: 2 }),
  length: css({ position: "absolute", top: 5, padding: "0 4px", color: theme.colors.text.secondary, whiteSpace: "nowrap" }),
  ticks: css({ position: "relative", color: theme.colors.text.secondary, fontSize: 11, height: 18, "> *": { position: "absolute", borderLeft: `1px solid ${theme.colors.border.weak}`, paddingLeft: 3, whiteSpace: "nowrap" } }),
  detail: css({ borderLeft: "3px solid", margin: "2px 0 8px 8px", padding: "4px 0 4px 10px", fontSize: 12, overflow: "auto", td: { padding: "1px 14px 1px 0", verticalAlign: "top", overflowWrap: "anywhere" }, "td:first-of-type": { color: theme.colors.text.secondary, whiteSpace: "nowrap" }, summary: { cursor: "pointer" } }),
  ways: css({ display: "flex", gap: 8, flexWrap: "wrap", margin: "4px 0" }),
  bad: css({ color: theme.colors.error.text, fontWeight: 600 }),
});

interface Props { trace: Trace; source: Source; all: Source[]; range: Range; bounds: [number, number] }

/** The Jaeger page, where this browser can reach it: both on this machine. */
function jaegerPage(source: Source, id: string): string | undefined {
  const local = /^https?:\/\/(127\.0\.0\.1|localhost)(:\d+)?/.exec((source as { url?: string }).url ?? "");
  return local && /^(127\.0\.0\.1|localhost)$/.test(location.hostname) ? `${local[0]}/trace/${id}` : undefined;
}

export function TraceView({ trace, source, all, range, bounds }: Props) {
  const style = useStyles2(styles), result = useStyles2(resultStyles);
  const [open, setOpen] = useState<string>(), [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const kept = around(range, bounds, trace), page = jaegerPage(source, trace.id);
  const hidden = (span: Span): boolean => !!span.parent && (closed.has(span.parent.id) || hidden(span.parent));
  const fold = (id: string) => setClosed((old) => { const next = new Set(old); if (!next.delete(id)) next.add(id); return next; });
  const first = trace.roots[0];
  return (
    <section className={result.box} aria-label="Trace" data-testid="trace">
      <div className={result.head}>
        <h5 style={{ overflowWrap: "anywhere" }}>{trace.name}</h5>
        <span className={result.quiet}>{dateTimeFormat(trace.start / 1000)} · {duration(trace.duration)} · {trace.spans.length} spans · {trace.services.size} services{trace.errors > 0 && <b className={style.bad}> · {trace.errors} failed</b>}</span>
      </div>
      <div className={style.ways}>
        <Go icon="gf-logs" to={logsOfTrace(all, source, trace.id, kept)}>Logs of this trace</Go>
        {first && <Go icon="graph-bar" to={metricsOfSpan(all, source, first, kept)}>Metrics of {first.service}</Go>}
        {page && <LinkButton size="sm" variant="secondary" icon="external-link-alt" target="_blank" rel="noreferrer" href={page}>Jaeger</LinkButton>}
        <Button size="sm" variant="secondary" fill="text" onClick={() => setClosed(closed.size ? new Set() : new Set(trace.roots.flatMap((root) => root.children.filter((child) => child.children.length).map((child) => child.id))))}>{closed.size ? "Expand all" : "Collapse"}</Button>
      </div>
      <div className={style.row} style={{ height: 18 }}><span /><span className={style.ticks}>{ticks(trace.duration || 1, 4).map((at) => <span key={at} style={{ left: `${(100 * at) / (trace.duration || 1)}%` }}>{duration(at)}</span>)}</span></div>
      {trace.spans.filter((span) => !hidden(span)).map((span) => (
        <div key={span.id}>
          <Row span={span} trace={trace} open={open === span.id} closed={closed.has(span.id)} show={() => setOpen(open === span.id ? undefined : span.id)} fold={() => fold(span.id)} />
          {open === span.id && <Detail span={span} trace={trace} metrics={metricsOfSpan(all, source, span, kept)} />}
        </div>
      ))}
    </section>
  );
}

function Row({ span, trace, open, closed, show, fold }: { span: Span; trace: Trace; open: boolean; closed: boolean; show: () => void; fold: () => void }) {
  const style = useStyles2(styles);
  const length = trace.duration || 1, left = (100 * (span.start - trace.start)) / length, width = (100 * span.duration) / length;
  const after = left + width < 75;
  const keys = (key: string) => { if ((key === "ArrowLeft" && !closed) || (key === "ArrowRight" && closed)) fold(); };
  return (
    <button type="button" className={style.row} aria-expanded={open} onClick={show} onKeyDown={(event) => keys(event.key)} title={`${span.service}: ${span.operation}`}>
      <span className={style.name} style={{ paddingLeft: Math.min(span.depth, 16) * 12 }}>
        <span role="presentation" onClick={(event) => { if (span.children.length) { event.stopPropagation(); fold(); } }} style={{ display: "inline-block", width: 14 }}>{span.children.length ? (closed ? "▸" : "▾") : ""}</span>
        <i style={{ display: "inline-block", width: 4, height: 14, marginRight: 5, verticalAlign: "middle", background: color(span.service) }} />
        {span.error && <span className={style.bad} title="failed">! </span>}<b>{span.service}</b> {span.operation}
      </span>
      <span className={style.track}>
        <i className={style.bar} style={{ left: `${left}%`, width: `${width}%`, background: color(span.service) }} />
        <span className={style.length} style={after ? { left: `${left + width}%` } : { right: `${100 - left}%` }}>{duration(span.duration)}</span>
      </span>
    </button>
  );
}

function Detail({ span, trace, metrics }: { span: Span; trace: Trace; metrics?: string }) {
  const style = useStyles2(styles);
  return (
    <div className={style.detail} style={{ borderLeftColor: color(span.service) }}>
      <div>{span.kind} · starts at {duration(span.start - trace.start)} · takes {duration(span.duration)}, {duration(span.self)} of it itself · <code>{span.id}</code></div>
      <div className={style.ways}><Go icon="graph-bar" to={metrics}>Metrics of this operation</Go></div>
      {span.warnings.map((warning) => <div key={warning} className={style.bad}>{warning}</div>)}
      <Tags tags={span.tags} />
      {span.logs.map((log, i) => <details key={i} open={span.logs.length < 4}><summary>Event at {duration(log.timestamp - trace.start)}</summary><Tags tags={log.fields} /></details>)}
      {span.process.length > 0 && <details><summary>Process</summary><Tags tags={span.process} /></details>}
    </div>
  );
}

const Tags = ({ tags }: { tags: Tag[] }) => <table><tbody>{tags.map((tag, i) => <tr key={i}><td>{tag.key}</td><td>{String(tag.value)}</td></tr>)}</tbody></table>;
