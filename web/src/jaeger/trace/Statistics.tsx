import { useMemo, useState } from "react";

import { color, duration } from "../format";
import { statistics, type Span, type Statistic, type Trace } from "../model";

const GROUPS: Record<string, [string, (span: Span) => string]> = {
  operation: ["Service and operation", (span) => `${span.service}: ${span.operation}`],
  service: ["Service", (span) => span.service],
  kind: ["Kind", (span) => span.kind],
};
const COLUMNS: [keyof Statistic, string][] = [
  ["count", "Spans"], ["errors", "Errors"], ["total", "Total"], ["self", "Self"], ["average", "Average"], ["p95", "p95"], ["min", "Shortest"], ["max", "Longest"],
];

export function StatisticsTable({ trace }: { trace: Trace }) {
  const [group, setGroup] = useState("operation");
  const [order, setOrder] = useState<keyof Statistic>("self");
  const rows = useMemo(() => statistics(trace, GROUPS[group]![1]).sort((a, b) => (order === "name" ? a.name.localeCompare(b.name) : Number(b[order]) - Number(a[order]))), [trace, group, order]);
  const most = Math.max(...rows.map((row) => row.self), 1);
  return (
    <div className="view">
      <p>
        Group by{" "}
        <select value={group} onChange={(event) => setGroup(event.target.value)}>{Object.entries(GROUPS).map(([name, [text]]) => <option key={name} value={name}>{text}</option>)}</select>
      </p>
      <div className="panel" style={{ overflowX: "auto" }}>
        <table>
          <thead>
            <tr>
              <th><button onClick={() => setOrder("name")}>{GROUPS[group]![0]}{order === "name" ? " ↓" : ""}</button></th>
              {COLUMNS.map(([name, text]) => <th key={name} className="number"><button onClick={() => setOrder(name)}>{text}{order === name ? " ↓" : ""}</button></th>)}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name}>
                <td style={{ background: `linear-gradient(90deg, var(--selected) ${(row.self / most) * 100}%, transparent 0)` }}>
                  <span className="chip"><i style={{ background: color(row.name.split(":")[0]!) }} /></span> {row.name}
                </td>
                {COLUMNS.map(([name]) => (
                  <td key={name} className={`number${name === "errors" && row.errors ? " bad-mark" : ""}`}>{name === "count" || name === "errors" ? String(row[name]) : duration(Number(row[name]))}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
