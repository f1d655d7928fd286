/** Everything about one span: tags, process, events, links, and the way to its logs. */

import { Link } from "react-router-dom";

import { uiConfig, type Tag } from "../api";
import { clock, color, duration } from "../format";
import { useLoad } from "../hooks";
import type { Span, Trace } from "../model";

export function SpanDetail({ span, trace }: { span: Span; trace: Trace }) {
  const config = useLoad("ui-config", uiConfig);
  const links = span.references.filter((reference) => reference.spanID !== span.parent?.id || reference.traceID !== trace.id);
  return (
    <div className="detail" style={{ position: "static", borderTopColor: color(span.service) }}>
      <div className="facts">
        <strong>{span.operation}</strong>
        <span><span className="quiet">Service</span> {span.service}</span>
        <span><span className="quiet">Kind</span> {span.kind}</span>
        <span><span className="quiet">Duration</span> {duration(span.duration)}</span>
        <span><span className="quiet">Self</span> {duration(span.self)}</span>
        <span><span className="quiet">Starts at</span> {duration(span.start - trace.start)}</span>
        <code className="quiet">{span.id}</code>
        {config.data?.grafanaUrl && <a href={logsUrl(config.data.grafanaUrl, config.data.lokiUid, trace, span)} target="_blank" rel="noreferrer">Logs of this span</a>}
        <Link to={`/trace/${trace.id}?uiSpan=${span.id}`}>Link</Link>
      </div>
      {span.warnings.map((warning) => <p key={warning} className="error">{warning}</p>)}
      <Section title="Tags" tags={span.tags} open />
      <Section title="Process" tags={span.process} />
      {span.logs.length > 0 && (
        <details open={span.logs.length < 6}>
          <summary>Events <span className="quiet">{span.logs.length}</span></summary>
          {span.logs.map((log, index) => (
            <div key={index}><span className="quiet mono">{clock(log.timestamp)} (+{duration(log.timestamp - span.start)})</span><Table tags={log.fields} /></div>
          ))}
        </details>
      )}
      {links.length > 0 && (
        <details open>
          <summary>Links <span className="quiet">{links.length}</span></summary>
          {links.map((link) => <div key={link.spanID}><Link className="mono" to={`/trace/${link.traceID}?uiSpan=${link.spanID}`}>{link.traceID} · {link.spanID}</Link> <span className="quiet">{link.refType}</span></div>)}
        </details>
      )}
    </div>
  );
}

function Section({ title, tags, open = false }: { title: string; tags: Tag[]; open?: boolean }) {
  if (!tags.length) return null;
  return (
    <details open={open}>
      <summary>{title} <span className="quiet">{tags.length}</span></summary>
      <Table tags={tags} />
    </details>
  );
}

function Table({ tags }: { tags: Tag[] }) {
  return (
    <table className="kv">
      <tbody>
        {tags.map((tag, index) => (
          <tr key={`${tag.key}${index}`}>
            <td>{tag.key}</td>
            <td><code>{/^https?:\/\/\S+$/.test(String(tag.value)) ? <a href={String(tag.value)} target="_blank" rel="noreferrer">{String(tag.value)}</a> : String(tag.value)}</code></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Grafana's Explore on the log lines of this trace, around the span's time. */
function logsUrl(grafana: string, loki: string, trace: Trace, span: Span): string {
  const margin = 60_000;
  const left = {
    datasource: loki,
    queries: [{ refId: "A", datasource: { type: "loki", uid: loki }, expr: `{job=~".+"} | trace_id="${trace.id.padStart(32, "0")}"` }],
    range: { from: String(Math.floor(span.start / 1000) - margin), to: String(Math.ceil((span.start + span.duration) / 1000) + margin) },
  };
  return `${grafana}/explore?left=${encodeURIComponent(JSON.stringify(left))}`;
}
