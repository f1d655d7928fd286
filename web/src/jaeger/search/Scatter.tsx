/** Traces by time and duration; a dot opens its trace. Its size is the number of spans, red means errors. */

import { useEffect, useRef, useState, type MouseEvent } from "react";
import { useNavigate } from "react-router-dom";

import { axisTime, clock, duration, ticks } from "../format";
import type { Trace } from "../model";

const H = 190;
const LEFT = 58;
const BOTTOM = 22;

export function Scatter({ traces }: { traces: Trace[] }) {
  const navigate = useNavigate();
  const box = useRef<HTMLDivElement>(null);
  const [W, setWidth] = useState(1000);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const [over, setOver] = useState<{ trace: Trace; x: number; y: number } | null>(null);
  const first = Math.min(...traces.map((trace) => trace.start));
  const last = Math.max(...traces.map((trace) => trace.start));
  const most = Math.max(...traces.map((trace) => trace.duration), 1);
  const x = (at: number) => LEFT + 14 + ((at - first) / (last - first || 1)) * (W - LEFT - 34);
  const y = (length: number) => H - BOTTOM - 8 - (length / most) * (H - BOTTOM - 26);
  const size = (count: number) => Math.min(14, 3 + Math.sqrt(count));
  const show = (trace: Trace) => (event: MouseEvent) => setOver({ trace, x: event.clientX, y: event.clientY });
  return (
    <div className="panel scatter" ref={box}>
      <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label="Duration of the traces over time">
        {ticks(most, 4).map((value) => (
          <g key={value}>
            <line x1={LEFT} x2={W} y1={y(value)} y2={y(value)} stroke="var(--line)" />
            <text x={LEFT - 8} y={y(value) + 4} textAnchor="end" fontSize="11" fill="var(--dim)">{duration(value)}</text>
          </g>
        ))}
        {(W < 600 ? [0, 1] : [0, 0.25, 0.5, 0.75, 1]).map((share) => (
          <text key={share} x={x(first + share * (last - first))} y={H - 5} fontSize="11" fill="var(--dim)" textAnchor={share === 0 ? "start" : share === 1 ? "end" : "middle"}>
            {axisTime(first + share * (last - first), last - first)}
          </text>
        ))}
        {traces.map((trace) => (
          <circle
            key={trace.id} cx={x(trace.start)} cy={y(trace.duration)} r={size(trace.spans.length)} fillOpacity={0.75}
            fill={trace.errors ? "var(--error)" : "var(--link)"} onMouseMove={show(trace)} onMouseLeave={() => setOver(null)}
            onClick={() => navigate(`/trace/${trace.id}`)}
          />
        ))}
      </svg>
      {over && (
        <div className="tip" style={{ left: Math.min(over.x + 14, innerWidth - 320), top: over.y + 14 }}>
          <strong>{over.trace.name}</strong>
          <div className="quiet">{clock(over.trace.start)} · {duration(over.trace.duration)} · {over.trace.spans.length} spans{over.trace.errors ? ` · ${over.trace.errors} errors` : ""}</div>
        </div>
      )}
    </div>
  );
}
