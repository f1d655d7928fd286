/** Spans of equal place in the tree added up: wide is expensive. A click makes a frame fill the width. */

import { useMemo, useState } from "react";

import { color, duration } from "../format";
import type { Span, Trace } from "../model";

interface Frame {
  key: string;
  service: string;
  operation: string;
  total: number;
  self: number;
  count: number;
  errors: number;
  ids: string[];
  depth: number;
  children: Map<string, Frame>;
}

function merge(spans: Span[], depth: number, into: Map<string, Frame>): void {
  for (const span of spans) {
    const key = `${span.service}\u0000${span.operation}`;
    let frame = into.get(key);
    if (!frame) {
      frame = { key, service: span.service, operation: span.operation, total: 0, self: 0, count: 0, errors: 0, ids: [], depth, children: new Map() };
      into.set(key, frame);
    }
    frame.total += span.duration;
    frame.self += span.self;
    frame.count += 1;
    frame.errors += span.error ? 1 : 0;
    frame.ids.push(span.id);
    if (depth < 200) merge(span.children, depth + 1, frame.children);
  }
}

interface Placed {
  frame: Frame;
  left: number;
  width: number;
  path: string;
}

/** Frames with their places in percent; a parent is at least as wide as its children together. */
function place(frames: Iterable<Frame>, left: number, width: number, path: string, out: Placed[]): void {
  const list = [...frames];
  const sum = list.reduce((total, frame) => total + weight(frame), 0) || 1;
  for (const frame of list) {
    const share = (weight(frame) / sum) * width;
    const own = `${path}/${frame.key}`;
    if (share > 0.05) {
      out.push({ frame, left, width: share, path: own });
      const children = [...frame.children.values()];
      const inside = children.reduce((total, child) => total + weight(child), 0);
      place(children, left, (inside / weight(frame)) * share, own, out);
    }
    left += share;
  }
}

const weight = (frame: Frame): number => Math.max(frame.total, [...frame.children.values()].reduce((total, child) => total + weight(child), 0), 1);

export function Flame({ trace, matches }: { trace: Trace; matches: Set<string> }) {
  const [zoom, setZoom] = useState<string>("");
  const [over, setOver] = useState<{ frame: Frame; x: number; y: number } | null>(null);
  const top = useMemo(() => {
    const roots = new Map<string, Frame>();
    merge(trace.roots, 0, roots);
    return roots;
  }, [trace]);
  const all = useMemo(() => {
    const placed: Placed[] = [];
    place(top.values(), 0, 100, "", placed);
    return placed;
  }, [top]);
  const root = all.find((item) => item.path === zoom);
  const shown = root ? all.filter((item) => item.path.startsWith(zoom) || zoom.startsWith(item.path)) : all;
  const scale = (item: Placed) =>
    root && zoom.startsWith(item.path) ? { left: 0, width: 100 } : root ? { left: ((item.left - root.left) / root.width) * 100, width: (item.width / root.width) * 100 } : item;
  const depth = Math.max(...shown.map((item) => item.frame.depth), 0);
  return (
    <div className="view">
      {zoom && <p><button onClick={() => setZoom("")}>Show all</button></p>}
      <div className="flame" style={{ height: (depth + 1) * 23 }}>
        {shown.map((item) => {
          const { left, width } = scale(item);
          const found = matches.size && item.frame.ids.some((id) => matches.has(id));
          return (
            <button
              key={item.path} onClick={() => setZoom(item.path === zoom ? "" : item.path)} onMouseLeave={() => setOver(null)}
              onMouseMove={(event) => setOver({ frame: item.frame, x: event.clientX, y: event.clientY })}
              style={{ left: `${left}%`, width: `${width}%`, top: item.frame.depth * 23, background: item.frame.errors ? "#c4162a" : color(item.frame.service), opacity: matches.size && !found ? 0.35 : 1 }}
            >
              {width > 3 ? `${item.frame.operation}` : ""}
            </button>
          );
        })}
      </div>
      {over && (
        <div className="tip" style={{ left: Math.min(over.x + 14, innerWidth - 330), top: over.y + 14 }}>
          <strong>{over.frame.service}</strong> {over.frame.operation}
          <div className="quiet">{duration(over.frame.total)} in {over.frame.count} spans · self {duration(over.frame.self)}{over.frame.errors ? ` · ${over.frame.errors} errors` : ""}</div>
        </div>
      )}
    </div>
  );
}
