/** Which service calls which, how often, and how often that fails. */

import { useEffect, useMemo, useState } from "react";
import { Link, useSearchParams } from "react-router-dom";

import { dependencies, metrics, type Dependency, type MetricFamily } from "../api";
import { color } from "../format";
import { useLoad } from "../hooks";
import { curve, layout } from "../layout";
import { LOOKBACKS } from "../search/Form";

const SIZE = { width: 190, height: 56 };
const HOUR = 3_600_000;
const MILLISECONDS: Record<string, number> = { "5m": HOUR / 12, "15m": HOUR / 4, "1h": HOUR, "3h": 3 * HOUR, "6h": 6 * HOUR, "12h": 12 * HOUR, "24h": 24 * HOUR, "2d": 48 * HOUR, "7d": 168 * HOUR };

/** Share of the calls that failed. */
const percent = (edge: Dependency) => `${(((edge.errorCount ?? 0) / edge.callCount) * 100).toFixed(1)} %`;
const failing = (edge: Dependency) => (edge.errorCount ?? 0) > edge.callCount * 0.01;

export function DependenciesPage() {
  const [params, setParams] = useSearchParams();
  const lookback = params.get("lookback") ?? "1h";
  const focus = params.get("service") ?? "";
  const span = MILLISECONDS[lookback] ?? HOUR;
  const found = useLoad(lookback, (signal) => dependencies(Date.now(), span, signal));
  const names = useMemo(() => [...new Set((found.data ?? []).flatMap((edge) => [edge.parent, edge.child]))].sort(), [found.data]);
  const rates = useRates(names, span);
  const edges = useMemo(() => (found.data ?? []).filter((edge) => !focus || edge.parent === focus || edge.child === focus), [found.data, focus]);
  const placed = useMemo(() => {
    const nodes = new Map<string, null>(edges.flatMap((edge) => [[edge.parent, null], [edge.child, null]] as [string, null][]));
    return layout(nodes, edges.map((edge) => ({ from: edge.parent, to: edge.child, data: edge })), SIZE, "LR");
  }, [edges]);
  const most = Math.max(...edges.map((edge) => edge.callCount), 1);
  const set = (name: string, value: string) => setParams((before) => {
    const next = new URLSearchParams(before);
    if (value) next.set(name, value);
    else next.delete(name);
    return next;
  });
  return (
    <div className="view graph">
      <p style={{ display: "flex", gap: 10, alignItems: "center", flexWrap: "wrap" }}>
        <span>Calls of the last</span>
        <select value={lookback} onChange={(event) => set("lookback", event.target.value)}>{Object.entries(LOOKBACKS).map(([value, text]) => <option key={value} value={value}>{text}</option>)}</select>
        <span>around</span>
        <select value={focus} onChange={(event) => set("service", event.target.value)}><option value="">all services</option>{names.map((name) => <option key={name}>{name}</option>)}</select>
      </p>
      {found.error && <p className="error">{found.error}</p>}
      {found.loading && <p className="loading">Loading…</p>}
      {found.data && edges.length === 0 && <p className="loading">No service called another in this time.</p>}
      {edges.length > 0 && (
        <>
          <svg width={placed.width} height={placed.height} role="img" aria-label="Graph of services">
            <defs><marker id="call" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse"><path d="M0,0 L8,4 L0,8 z" style={{ fill: "var(--dim)", stroke: "none" }} /></marker></defs>
            {placed.edges.map((edge) => {
              const middle = edge.points[Math.floor(edge.points.length / 2)]!;
              return <g key={`${edge.from}>${edge.to}`}><path d={curve(edge.points)} className={failing(edge.data) ? "bad" : ""} markerEnd="url(#call)" style={{ strokeWidth: 1 + 3 * Math.sqrt(edge.data.callCount / most) }} /><text className={`small${failing(edge.data) ? " bad" : ""}`} x={middle.x} y={middle.y - 7} textAnchor="middle">{edge.data.callCount.toLocaleString()}{edge.data.errorCount ? ` · ${percent(edge.data)}` : ""}</text></g>;
            })}
            {placed.nodes.map(({ id, x, y }) => {
              const rate = rates.get(id);
              const bad = (rate?.errors ?? 0) > 0.01;
              return (
                <g key={id} className={`node${bad ? " bad" : ""}`} transform={`translate(${x - SIZE.width / 2},${y - SIZE.height / 2})`} style={{ cursor: "pointer" }} onClick={() => set("service", focus === id ? "" : id)}>
                  <rect {...SIZE} rx="5" /><rect width="5" height={SIZE.height} rx="2" style={{ fill: color(id), stroke: "none" }} />
                  <text x="14" y="22" fontWeight="500">{id}</text>
                  <text x="14" y="42" className="small">{rate ? `${rate.calls.toFixed(2)}/s · ${(rate.errors * 100).toFixed(1)} % errors` : "…"}</text>
                </g>
              );
            })}
          </svg>
          <div className="panel" style={{ overflowX: "auto", marginTop: 16 }}>
            <table>
              <thead><tr><th>Caller</th><th>Called</th><th className="number">Calls</th><th className="number">Calls/s</th><th className="number">Failed</th><th className="number">Requests/s of the called</th><th className="number">Its errors</th><th /></tr></thead>
              <tbody>
                {[...edges].sort((x, y) => y.callCount - x.callCount).map((edge) => {
                  const rate = rates.get(edge.child);
                  return (
                    <tr key={`${edge.parent}>${edge.child}`}>
                      <td>{edge.parent}</td><td>{edge.child}</td><td className="number">{edge.callCount.toLocaleString()}</td>
                      <td className="number">{((edge.callCount * 1000) / span).toFixed(2)}</td>
                      <td className={`number${failing(edge) ? " bad-mark" : ""}`}>{percent(edge)}</td>
                      <td className="number">{rate?.calls.toFixed(2) ?? ""}</td>
                      <td className={`number${rate && rate.errors > 0.01 ? " bad-mark" : ""}`}>{rate ? `${(rate.errors * 100).toFixed(1)} %` : ""}</td>
                      <td><Link to={`/search?service=${encodeURIComponent(edge.child)}&lookback=${lookback}`}>Traces</Link></td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        </>
      )}
    </div>
  );
}

interface Rate {
  calls: number;
  errors: number;
}

/** Requests a second and share of errors by service, averaged over the time. */
function useRates(names: string[], lookback: number): Map<string, Rate> {
  const [rates, setRates] = useState<Map<string, Rate>>(new Map());
  const key = names.join("\n");
  useEffect(() => {
    if (!key) return;
    let current = true;
    const list = key.split("\n");
    Promise.all([metrics("calls", list, lookback), metrics("errors", list, lookback)])
      .then(([calls, errors]) => {
        if (!current) return;
        const [called, failed] = [averages(calls), averages(errors)];
        setRates(new Map(list.map((name) => [name, { calls: called.get(name) ?? 0, errors: failed.get(name) ?? 0 }])));
      })
      .catch(() => current && setRates(new Map()));
    return () => {
      current = false;
    };
  }, [key, lookback]);
  return rates;
}

function averages(family: MetricFamily): Map<string, number> {
  return new Map(
    family.metrics.map((metric) => {
      const values = metric.metricPoints.map((point) => point.gaugeValue?.doubleValue).filter((value): value is number => typeof value === "number");
      const name = metric.labels.find((label) => label.name === "service_name")?.value ?? "";
      return [name, values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0];
    }),
  );
}
