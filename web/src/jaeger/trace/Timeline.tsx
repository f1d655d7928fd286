/** The waterfall. Only rows in sight exist, so that ten thousand spans scroll as ten do. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";

import { color, duration, ticks } from "../format";
import { criticalPath, type Section, type Span, type Trace } from "../model";
import { SpanDetail } from "./SpanDetail";

const ROW = 28;

interface Props {
  trace: Trace;
  range: [number, number];
  matches: Set<string>;
  critical: boolean;
  focus: string;
  onFocus: (span: string) => void;
}

export function Timeline({ trace, range, matches, critical, focus, onFocus }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [closed, setClosed] = useState<Set<string>>(new Set());
  const [open, setOpen] = useState<Set<string>>(() => new Set(focus ? [focus] : []));
  const [names, setNames] = useState(innerWidth < 720 ? 42 : 32);
  const rows = useMemo(() => visible(trace, closed), [trace, closed]);
  const path = useMemo(() => groupSections(critical ? criticalPath(trace) : []), [trace, critical]);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12, getItemKey: (index) => rows[index]!.id });
  const columns = `${names}% minmax(0, 1fr)`;
  const [from, to] = range;
  const length = to - from || 1;

  const first = useMemo(() => rows.findIndex((span) => (focus ? span.id === focus : matches.has(span.id))), [rows, focus, matches]);
  useEffect(() => {
    if (first >= 0) virtual.scrollToIndex(first, { align: "center" });
    // Only when the target changes, not with every measurement.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [first]);

  // Rows are drawn again only when something of theirs changes, not with every step of scrolling.
  const onToggle = useCallback((span: Span) => setClosed((before) => toggle(before, span.id)), []);
  const onOpen = useCallback(
    (span: Span) => {
      setOpen(toggle(open, span.id));
      onFocus(open.has(span.id) ? "" : span.id);
    },
    [open, onFocus],
  );
  const keys = (event: KeyboardEvent) => {
    if (event.key === "ArrowLeft") setClosed(new Set(trace.spans.filter((span) => span.children.length).map((span) => span.id)));
    if (event.key === "ArrowRight") setClosed(new Set());
  };
  return (
    <div className="timeline" ref={scroller} tabIndex={0} onKeyDown={keys} aria-label="Timeline; left and right arrows collapse and expand all">
      <div className="head" style={{ gridTemplateColumns: columns }}>
        <div>
          Service and operation{" "}
          <button className="plain" title="Collapse all" onClick={() => setClosed(new Set(trace.spans.filter((span) => span.children.length).map((span) => span.id)))}>⊟</button>
          <button className="plain" title="Expand all" onClick={() => setClosed(new Set())}>⊞</button>
          <input type="range" min={15} max={60} value={names} onChange={(event) => setNames(Number(event.target.value))} aria-label="Width of the names" style={{ width: 60, verticalAlign: "middle", padding: 0 }} />
        </div>
        <div>{ticks(length, 5).map((value) => <span key={value} className="tick" style={{ left: `${(value / length) * 100}%` }}>{duration(from + value)}</span>)}</div>
      </div>
      <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map((item) => {
          const span = rows[item.index]!;
          const isOpen = open.has(span.id);
          return (
            <div key={item.key} data-index={item.index} ref={isOpen ? virtual.measureElement : null} style={{ position: "absolute", left: 0, right: 0, transform: `translateY(${item.start}px)` }}>
              <div style={{ position: "relative", height: ROW }}>
                <Row
                  span={span} columns={columns} from={trace.start + from} length={length} open={isOpen} match={matches.has(span.id)} sections={path.get(span.id)}
                  collapsed={closed.has(span.id)} onToggle={onToggle} onOpen={onOpen}
                />
              </div>
              {isOpen && <SpanDetail span={span} trace={trace} />}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function toggle(set: Set<string>, id: string): Set<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

const Row = memo(function Row({ span, columns, from, length, open, match, sections, collapsed, onToggle, onOpen }: {
  span: Span; columns: string; from: number; length: number; open: boolean; match: boolean; sections: Section[] | undefined;
  collapsed: boolean; onToggle: (span: Span) => void; onOpen: (span: Span) => void;
}) {
  const percent = (at: number) => ((at - from) / length) * 100;
  const left = percent(span.start);
  const width = (span.duration / length) * 100;
  const after = left + width < 78;
  return (
    <div className={`row${open ? " open" : ""}${match ? " match" : ""}`} style={{ gridTemplateColumns: columns }} onClick={() => onOpen(span)} role="button" aria-expanded={open}>
      <div className="name" style={{ paddingLeft: Math.min(span.depth, 24) * 13 }}>
        <button className="plain toggle" aria-label={collapsed ? "Expand" : "Collapse"} style={{ visibility: span.children.length ? "visible" : "hidden" }} onClick={(event) => { event.stopPropagation(); onToggle(span); }}>
          {collapsed ? "▸" : "▾"}
        </button>
        <i className="strip" style={{ background: color(span.service) }} />
        {span.error && <span className="bad-mark" title="error">!</span>}
        <b>{span.service}</b>
        <span title={span.operation}>{span.operation}</span>
        {collapsed && <span className="chip">{count(span)}</span>}
      </div>
      <div className="track" style={{ overflow: "hidden" }}>
        <i className="bar" style={{ left: `${left}%`, width: `${width}%`, background: span.error ? "var(--error)" : color(span.service) }} />
        {sections?.map((section) => <i key={section.start} className="crit" style={{ left: `${percent(section.start)}%`, width: `${((section.end - section.start) / length) * 100}%` }} />)}
        {span.logs.slice(0, 50).map((log, index) => <i key={index} className="log" style={{ left: `${percent(log.timestamp)}%` }} />)}
        <span className="length" style={after ? { left: `${Math.max(0, left + width)}%` } : { right: `${100 - left}%` }}>{duration(span.duration)}</span>
      </div>
    </div>
  );
});

const count = (span: Span): number => span.children.reduce((sum, child) => sum + 1 + count(child), 0);

function visible(trace: Trace, closed: Set<string>): Span[] {
  if (!closed.size) return trace.spans;
  const rows: Span[] = [];
  let hiddenBelow = Infinity;
  for (const span of trace.spans) {
    if (span.depth > hiddenBelow) continue;
    hiddenBelow = closed.has(span.id) ? span.depth : Infinity;
    rows.push(span);
  }
  return rows;
}

function groupSections(sections: Section[]): Map<string, Section[]> {
  const groups = new Map<string, Section[]>();
  for (const section of sections) {
    const group = groups.get(section.span.id);
    if (group) group.push(section);
    else groups.set(section.span.id, [section]);
  }
  return groups;
}
