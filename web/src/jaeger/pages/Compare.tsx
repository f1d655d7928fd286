/** Two traces side by side: what one has more of, and what took longer. */

import { useMemo, useState, type FormEvent } from "react";
import { Link, useSearchParams } from "react-router-dom";

import { trace as loadTrace } from "../api";
import { dateTime, duration } from "../format";
import { useLoad } from "../hooks";
import { buildTrace, statistics, type Statistic, type Trace } from "../model";
import { uploaded } from "../uploads";

export function ComparePage() {
  const [params, setParams] = useSearchParams();
  const a = useTrace(params.get("a") ?? "");
  const b = useTrace(params.get("b") ?? "");
  const choose = (name: string, id: string) =>
    setParams((before) => {
      const next = new URLSearchParams(before);
      next.set(name, id.trim());
      return next;
    });
  return (
    <>
      <div className="compare">
        <Side name="A" id={params.get("a") ?? ""} side={a} onChoose={(id) => choose("a", id)} />
        <Side name="B" id={params.get("b") ?? ""} side={b} onChoose={(id) => choose("b", id)} />
      </div>
      {a.trace && b.trace && <Differences a={a.trace} b={b.trace} />}
    </>
  );
}

interface Side {
  trace: Trace | undefined;
  error: string;
}

function useTrace(id: string): Side {
  const loaded = useLoad(id || null, async (signal) => uploaded(id) ?? (await loadTrace(id, signal)));
  const trace = useMemo(() => (loaded.data ? buildTrace(loaded.data) : undefined), [loaded.data]);
  return { trace, error: loaded.error };
}

function Side({ name, id, side, onChoose }: { name: string; id: string; side: Side; onChoose: (id: string) => void }) {
  const [text, setText] = useState(id);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChoose(text);
  };
  return (
    <section className="panel" style={{ padding: 14 }}>
      <form onSubmit={submit} style={{ display: "flex", gap: 8, alignItems: "center" }}>
        <strong>{name}</strong>
        <input className="mono" style={{ flex: 1, minWidth: 0 }} value={text} onChange={(event) => setText(event.target.value)} placeholder="Trace id" aria-label={`Trace ${name}`} />
        <button>Load</button>
      </form>
      {side.error && <p className="error">{side.error}</p>}
      {side.trace && (
        <p>
          <Link to={`/trace/${side.trace.id}`}>{side.trace.name}</Link>
          <br />
          <span className="quiet">{dateTime(side.trace.start)} · {duration(side.trace.duration)} · {side.trace.spans.length} spans · {side.trace.errors} errors</span>
        </p>
      )}
    </section>
  );
}

function Differences({ a, b }: { a: Trace; b: Trace }) {
  const rows = useMemo(() => {
    const by = (trace: Trace) => new Map(statistics(trace, (span) => `${span.service}: ${span.operation}`).map((row) => [row.name, row]));
    const [left, right] = [by(a), by(b)];
    const weight = (name: string) => Math.abs((right.get(name)?.self ?? 0) - (left.get(name)?.self ?? 0));
    return [...new Set([...left.keys(), ...right.keys()])].sort((x, y) => weight(y) - weight(x)).map((name) => ({ name, left: left.get(name), right: right.get(name) }));
  }, [a, b]);
  return (
    <div style={{ padding: 16 }}>
      <p>
        B took <Change from={a.duration} to={b.duration} show={duration} /> and has <Change from={a.spans.length} to={b.spans.length} show={String} /> spans.
      </p>
      <div className="panel" style={{ overflowX: "auto" }}>
        <table>
          <thead><tr><th>Service and operation</th><th className="number">Spans A</th><th className="number">B</th><th className="number">Total A</th><th className="number">B</th><th className="number">Self A</th><th className="number">B</th><th className="number">Change of self</th></tr></thead>
          <tbody>
            {rows.map(({ name, left, right }) => (
              <tr key={name}>
                <td>{name} {!left && <span className="chip bad">only in B</span>}{!right && <span className="chip">only in A</span>}</td>
                <Pair left={left} right={right} of="count" show={String} />
                <Pair left={left} right={right} of="total" show={duration} />
                <Pair left={left} right={right} of="self" show={duration} />
                <td className="number"><Change from={left?.self ?? 0} to={right?.self ?? 0} show={duration} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Pair({ left, right, of, show }: { left: Statistic | undefined; right: Statistic | undefined; of: "count" | "total" | "self"; show: (value: number) => string }) {
  return <><td className="number">{left ? show(left[of]) : "–"}</td><td className="number">{right ? show(right[of]) : "–"}</td></>;
}

function Change({ from, to, show }: { from: number; to: number; show: (value: number) => string }) {
  if (from === to) return <span className="quiet">the same</span>;
  return <span className={to > from ? "diff-more" : "diff-less"}>{show(Math.abs(to - from))} {to > from ? "more" : "less"}</span>;
}
