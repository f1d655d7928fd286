import { useMemo, useState } from "react";
import { Link, useNavigate } from "react-router-dom";

import { ago, color, dateTime, duration } from "../format";
import type { Trace } from "../model";

const ORDERS: Record<string, [string, (a: Trace, b: Trace) => number]> = {
  newest: ["Newest first", (a, b) => b.start - a.start],
  longest: ["Longest first", (a, b) => b.duration - a.duration],
  shortest: ["Shortest first", (a, b) => a.duration - b.duration],
  most: ["Most spans first", (a, b) => b.spans.length - a.spans.length],
  errors: ["Most errors first", (a, b) => b.errors - a.errors],
};

export function Results({ traces, limit }: { traces: Trace[]; limit: number }) {
  const navigate = useNavigate();
  const [order, setOrder] = useState("newest");
  const [chosen, setChosen] = useState<string[]>([]);
  const sorted = useMemo(() => [...traces].sort(ORDERS[order]![1]), [traces, order]);
  const longest = Math.max(...traces.map((trace) => trace.duration), 1);
  const choose = (id: string) => setChosen((before) => (before.includes(id) ? before.filter((other) => other !== id) : [...before.slice(-1), id]));
  return (
    <>
      <div className="results-head">
        <strong>{traces.length === 1 ? "1 trace" : `${traces.length} traces`}</strong>
        {traces.length === limit && <span className="quiet">the limit; there may be more</span>}
        <span style={{ flex: 1 }} />
        {chosen.length > 0 && (
          <button disabled={chosen.length < 2} onClick={() => navigate(`/compare?a=${chosen[0]}&b=${chosen[1]}`)}>
            Compare {chosen.length} of 2
          </button>
        )}
        <select value={order} onChange={(event) => setOrder(event.target.value)} aria-label="Order">
          {Object.entries(ORDERS).map(([name, [text]]) => <option key={name} value={name}>{text}</option>)}
        </select>
      </div>
      {sorted.map((trace) => (
        <Link key={trace.id} to={`/trace/${trace.id}`} className="panel card">
          <span className="bar" style={{ width: `${(trace.duration / longest) * 100}%` }} />
          <div className="line">
            <strong title={trace.name}>{trace.name}</strong>
            <span className="mono">{duration(trace.duration)}</span>
          </div>
          <div className="chips">
            <input type="checkbox" checked={chosen.includes(trace.id)} aria-label="Choose for comparison" onClick={(event) => event.stopPropagation()} onChange={() => choose(trace.id)} />
            <span className="chip">{trace.spans.length} spans</span>
            {trace.errors > 0 && <span className="chip bad">{trace.errors} {trace.errors === 1 ? "error" : "errors"}</span>}
            {[...trace.services].map(([name, count]) => <span key={name} className="chip"><i style={{ background: color(name) }} />{name} {count}</span>)}
            <span style={{ flex: 1 }} />
            <span className="quiet mono">{trace.id.slice(0, 7)}</span>
            <span className="quiet" title={dateTime(trace.start)}>{ago(trace.start)}</span>
          </div>
        </Link>
      ))}
    </>
  );
}
