/** The trace as a graph of operations: who called whom, how often, what it took. */

import { useMemo } from "react";

import { color, duration } from "../format";
import { curve, layout } from "../layout";
import type { Span, Trace } from "../model";

interface Node {
  service: string;
  operation: string;
  count: number;
  errors: number;
  total: number;
  self: number;
}
const SIZE = { width: 230, height: 62 };

/** More than a graph of them shows anything of, and than is placed in a blink. */
const MOST_NODES = 120;
const MOST_EDGES = 240;

interface Drawn {
  nodes: Map<string, Node>;
  edges: Map<string, { from: string; to: string; data: number }>;
}

function collect(trace: Trace, nameOf: (span: Span) => string): Drawn {
  const drawn: Drawn = { nodes: new Map(), edges: new Map() };
  const key = (span: Span) => `${span.service}\n${nameOf(span)}`;
  for (const span of trace.spans) {
    const id = key(span);
    const node = drawn.nodes.get(id) ?? { service: span.service, operation: nameOf(span), count: 0, errors: 0, total: 0, self: 0 };
    node.count += 1;
    node.errors += span.error ? 1 : 0;
    node.total += span.duration;
    node.self += span.self;
    drawn.nodes.set(id, node);
    if (span.parent) {
      const from = key(span.parent);
      const edge = drawn.edges.get(`${from}>${id}`) ?? { from, to: id, data: 0 };
      edge.data += 1;
      drawn.edges.set(`${from}>${id}`, edge);
    }
  }
  return drawn;
}

const tooMany = (drawn: Drawn) => drawn.nodes.size > MOST_NODES || drawn.edges.size > MOST_EDGES;

export function Graph({ trace }: { trace: Trace }) {
  const operations = useMemo(() => collect(trace, (span) => span.operation), [trace]);
  const services = useMemo(() => (tooMany(operations) ? collect(trace, () => "") : null), [trace, operations]);
  const drawn = services ?? operations;
  if (tooMany(drawn)) return <p className="loading">{drawn.nodes.size} services with {drawn.edges.size} ways between them are too many for a graph; the statistics list them.</p>;
  return <Drawing trace={trace} drawn={drawn} note={services ? `${operations.nodes.size} operations with ${operations.edges.size} ways between them are too many for a graph: these are their services.` : ""} />;
}

function Drawing({ trace, drawn, note }: { trace: Trace; drawn: Drawn; note: string }) {
  const placed = useMemo(() => layout(drawn.nodes, [...drawn.edges.values()], SIZE, "LR"), [drawn]);
  const total = trace.spans.reduce((sum, span) => sum + span.self, 0) || 1;
  return (
    <div className="view graph">
      {note && <p className="quiet">{note}</p>}
      <svg width={placed.width} height={placed.height} role="img" aria-label="Graph of operations">
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" style={{ fill: "var(--dim)", stroke: "none" }} /></marker></defs>
        {placed.edges.map((edge) => {
          const middle = edge.points[Math.floor(edge.points.length / 2)]!;
          return <g key={`${edge.from}>${edge.to}`}><path d={curve(edge.points)} markerEnd="url(#arrow)" /><text className="small" x={middle.x} y={middle.y - 5} textAnchor="middle">{edge.data > 1 ? `×${edge.data}` : ""}</text></g>;
        })}
        {placed.nodes.map(({ id, x, y, data }) => (
          <g key={id} className={`node${data.errors ? " bad" : ""}`} transform={`translate(${x - SIZE.width / 2},${y - SIZE.height / 2})`}>
            <rect {...SIZE} rx="5" />
            <rect width="5" height={SIZE.height} rx="2" style={{ fill: color(data.service), stroke: "none" }} />
            <text x="14" y="18" fontWeight="500">{clip(data.service, 30)}{data.errors ? "  !" : ""}</text>
            <text x="14" y="35">{clip(data.operation, 33)}<title>{data.operation}</title></text>
            <text x="14" y="52" className="small">{data.count} × · {duration(data.total / data.count)} · self {Math.round((data.self / total) * 100)} %</text>
          </g>
        ))}
      </svg>
    </div>
  );
}

const clip = (text: string, length: number) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
