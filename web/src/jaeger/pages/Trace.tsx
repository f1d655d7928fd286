import { useCallback, useEffect, useMemo, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router-dom";

import { trace as loadTrace } from "../api";
import { color, dateTime, duration } from "../format";
import { useLoad } from "../hooks";
import { buildTrace, find, type Trace } from "../model";
import { Flame } from "../trace/Flame";
import { Graph } from "../trace/Graph";
import { Minimap } from "../trace/Minimap";
import { StatisticsTable } from "../trace/Statistics";
import { Timeline } from "../trace/Timeline";
import { uploaded } from "../uploads";

const VIEWS = { timeline: "Timeline", graph: "Graph", flame: "Flame graph", statistics: "Statistics" } as const;
type View = keyof typeof VIEWS;

export function TracePage() {
  const { id = "" } = useParams();
  const loaded = useLoad(id, async (signal) => uploaded(id) ?? (await loadTrace(id, signal)));
  const trace = useMemo(() => (loaded.data ? buildTrace(loaded.data) : undefined), [loaded.data]);
  useEffect(() => {
    document.title = trace ? `${trace.name} - PyTake traces` : "Traces - PyTake";
  }, [trace]);
  if (loaded.error) return <div style={{ padding: 16 }}><p className="error">{loaded.error}</p><Link to="/search">Search for traces</Link></div>;
  if (!trace) return <p className="loading">Loading trace {id}…</p>;
  return <TraceView trace={trace} />;
}

function TraceView({ trace }: { trace: Trace }) {
  const [params, setParams] = useSearchParams();
  const view = (params.get("view") ?? "timeline") as View;
  const text = params.get("uiFind") ?? "";
  const [range, setRange] = useState<[number, number]>([0, trace.duration]);
  const [critical, setCritical] = useState(true);
  const matches = useMemo(() => find(trace, text), [trace, text]);
  const set = useCallback(
    (name: string, value: string) =>
      setParams((before) => {
        const next = new URLSearchParams(before);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      }, { replace: true }),
    [setParams],
  );
  return (
    <div className="trace">
      <div className="trace-head">
        <div className="title">
          <h1>{trace.name}</h1>
          <code className="quiet">{trace.id}</code>
          <div className="tools">
            <input type="search" value={text} onChange={(event) => set("uiFind", event.target.value)} placeholder="Find in this trace…" aria-label="Find in this trace" />
            {text && <span className="quiet">{matches.size} found</span>}
            <label className="quiet"><input type="checkbox" checked={critical} onChange={(event) => setCritical(event.target.checked)} /> critical path</label>
            <div className="tabs" role="tablist">
              {(Object.keys(VIEWS) as View[]).map((name) => (
                <button key={name} role="tab" aria-selected={name === view} onClick={() => set("view", name === "timeline" ? "" : name)}>{VIEWS[name]}</button>
              ))}
            </div>
            <Link to={`/compare?a=${trace.id}`}>Compare</Link>
            <a href={`/api/traces/${trace.id}?prettyPrint=true`} download={`${trace.id}.json`}>JSON</a>
          </div>
        </div>
        <dl>
          <div><dt>Start</dt><dd>{dateTime(trace.start)}</dd></div>
          <div><dt>Duration</dt><dd>{duration(trace.duration)}</dd></div>
          <div><dt>Spans</dt><dd>{trace.spans.length}</dd></div>
          <div><dt>Depth</dt><dd>{trace.depth}</dd></div>
          {trace.errors > 0 && <div><dt>Errors</dt><dd className="bad-mark">{trace.errors}</dd></div>}
          {[...trace.services].map(([name, count]) => <div key={name}><span className="chip"><i style={{ background: color(name) }} />{name} {count}</span></div>)}
        </dl>
        {trace.warnings.map((warning) => <p key={warning} className="error">{warning}</p>)}
      </div>
      {view === "timeline" && (
        <>
          <Minimap trace={trace} range={range} onRange={setRange} />
          <Timeline trace={trace} range={range} matches={matches} critical={critical} focus={params.get("uiSpan") ?? ""} onFocus={(span) => set("uiSpan", span)} />
        </>
      )}
      {view === "graph" && <Graph trace={trace} />}
      {view === "flame" && <Flame trace={trace} matches={matches} />}
      {view === "statistics" && <StatisticsTable trace={trace} />}
    </div>
  );
}
