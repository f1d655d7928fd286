/** A trace as the pages need it: a tree of spans in order, with depths, errors, and the critical path. */

import type { Reference, SpanJson, Tag, TraceJson } from "./api";

export interface Span {
  id: string;
  operation: string;
  service: string;
  /** Microseconds since 1970. */
  start: number;
  /** Microseconds. */
  duration: number;
  depth: number;
  parent: Span | null;
  children: Span[];
  tags: Tag[];
  process: Tag[];
  logs: { timestamp: number; fields: Tag[] }[];
  references: Reference[];
  warnings: string[];
  error: boolean;
  kind: string;
  /** Duration less the time in children, microseconds. */
  self: number;
  json: SpanJson;
}

export interface Trace {
  id: string;
  name: string;
  spans: Span[];
  roots: Span[];
  byId: Map<string, Span>;
  start: number;
  duration: number;
  services: Map<string, number>;
  errors: number;
  depth: number;
  warnings: string[];
  json: TraceJson;
}

export interface Section {
  span: Span;
  start: number;
  end: number;
}

const tagValue = (tags: Tag[], key: string) => tags.find((tag) => tag.key === key)?.value;

export function buildTrace(json: TraceJson): Trace {
  const byId = new Map<string, Span>();
  for (const raw of json.spans) byId.set(raw.spanID, buildSpan(raw, json));
  const roots: Span[] = [];
  for (const span of byId.values()) {
    const reference = span.references.find((found) => found.traceID === json.traceID && byId.has(found.spanID) && found.spanID !== span.id);
    span.parent = reference ? byId.get(reference.spanID)! : null;
    if (span.parent && !isAncestor(span, span.parent)) span.parent.children.push(span);
    else {
      span.parent = null;
      roots.push(span);
    }
  }
  const order = (a: Span, b: Span) => a.start - b.start || b.duration - a.duration;
  roots.sort(order);
  const spans: Span[] = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const span = stack.pop()!;
    span.depth = span.parent ? span.parent.depth + 1 : 0;
    span.children.sort(order);
    span.self = span.duration - covered(span);
    spans.push(span);
    for (let index = span.children.length - 1; index >= 0; index--) stack.push(span.children[index]!);
  }
  const start = spans.reduce((least, span) => Math.min(least, span.start), Infinity);
  const end = spans.reduce((most, span) => Math.max(most, span.start + span.duration), 0);
  const services = new Map<string, number>();
  for (const span of spans) services.set(span.service, (services.get(span.service) ?? 0) + 1);
  const first = roots[0];
  return {
    id: json.traceID,
    name: first ? `${first.service}: ${first.operation}` : json.traceID,
    spans,
    roots,
    byId,
    start: Number.isFinite(start) ? start : 0,
    duration: spans.length ? end - start : 0,
    services,
    errors: spans.filter((span) => span.error).length,
    depth: spans.reduce((most, span) => Math.max(most, span.depth + 1), 0),
    warnings: json.warnings ?? [],
    json,
  };
}

function buildSpan(raw: SpanJson, json: TraceJson): Span {
  const tags = raw.tags ?? [];
  const process = json.processes[raw.processID];
  const error = tagValue(tags, "error");
  return {
    id: raw.spanID,
    operation: raw.operationName,
    service: process?.serviceName ?? "unknown",
    start: raw.startTime,
    duration: raw.duration,
    depth: 0,
    parent: null,
    children: [],
    tags,
    process: process?.tags ?? [],
    logs: raw.logs ?? [],
    references: raw.references ?? [],
    warnings: raw.warnings ?? [],
    error: error === true || error === "true" || tagValue(tags, "otel.status_code") === "ERROR",
    kind: String(tagValue(tags, "span.kind") ?? "internal"),
    self: raw.duration,
    json: raw,
  };
}

/** Damaged traces may hold circles: a parent below its own child becomes a root instead. */
function isAncestor(span: Span, from: Span): boolean {
  for (let up: Span | null = from, steps = 0; up && steps < 10_000; up = up.parent, steps++) if (up === span) return true;
  return false;
}

function covered(span: Span): number {
  let total = 0;
  let reached = span.start;
  const end = span.start + span.duration;
  for (const child of span.children) {
    const from = Math.max(child.start, reached);
    const to = Math.min(child.start + child.duration, end);
    if (to > from) {
      total += to - from;
      reached = to;
    }
  }
  return total;
}

/**
 * What the trace's duration was spent on: from its end backwards along the child that ended last. A child that outlives
 * its parent is cut at the parent's end; one that only begins after it (work from a queue) carries the trace on.
 */
export function criticalPath(trace: Trace): Section[] {
  const sections: Section[] = [];
  const root = trace.roots[0];
  if (!root) return sections;
  const reached = reaches(trace);
  const lastOf = (child: Span, parent: Span) => {
    const reach = reached.get(child)!;
    return child.start >= endOf(parent) || reach > endOf(child) ? reach : Math.min(reach, endOf(parent));
  };
  const work: { span: Span; end: number }[] = [{ span: root, end: reached.get(root)! }];
  while (work.length) {
    const { span, end } = work.pop()!;
    const own = (from: number, to: number) => {
      const until = Math.min(to, endOf(span));
      if (until > from) sections.push({ span, start: from, end: until });
    };
    let cursor = end;
    const latest = span.children.map((child) => ({ child, last: lastOf(child, span) })).sort((a, b) => b.last - a.last);
    for (const { child, last } of latest) {
      if (child.start >= cursor || child.start < span.start) continue;
      const childEnd = Math.min(last, cursor);
      if (childEnd <= child.start) continue;
      own(childEnd, cursor);
      work.push({ span: child, end: childEnd });
      cursor = child.start;
    }
    own(span.start, cursor);
  }
  return sections.sort((a, b) => a.start - b.start);
}

const endOf = (span: Span) => span.start + span.duration;

/** When each span's work is over: its own end, or that of what it left to others who began after it. */
function reaches(trace: Trace): Map<Span, number> {
  const reached = new Map<Span, number>();
  for (let index = trace.spans.length - 1; index >= 0; index--) {
    const span = trace.spans[index]!;
    let reach = endOf(span);
    for (const child of span.children) {
      const last = reached.get(child)!;
      if (child.start >= endOf(span) || last > endOf(child)) reach = Math.max(reach, last);
    }
    reached.set(span, reach);
  }
  return reached;
}

export interface Statistic {
  name: string;
  count: number;
  errors: number;
  total: number;
  self: number;
  average: number;
  min: number;
  max: number;
  p95: number;
}

export function statistics(trace: Trace, by: (span: Span) => string): Statistic[] {
  const groups = new Map<string, Span[]>();
  for (const span of trace.spans) {
    const name = by(span);
    const group = groups.get(name);
    if (group) group.push(span);
    else groups.set(name, [span]);
  }
  return [...groups].map(([name, spans]) => {
    const durations = spans.map((span) => span.duration).sort((a, b) => a - b);
    const total = durations.reduce((sum, value) => sum + value, 0);
    return {
      name,
      count: spans.length,
      errors: spans.filter((span) => span.error).length,
      total,
      self: spans.reduce((sum, span) => sum + span.self, 0),
      average: total / spans.length,
      min: durations[0]!,
      max: durations[durations.length - 1]!,
      p95: durations[Math.min(durations.length - 1, Math.ceil(durations.length * 0.95) - 1)]!,
    };
  });
}

/** Spans whose operation, service, id, tags or events hold the text (any case). */
export function find(trace: Trace, text: string): Set<string> {
  const needle = text.trim().toLowerCase();
  const found = new Set<string>();
  if (!needle) return found;
  const inTags = (tags: Tag[]) => tags.some((tag) => tag.key.toLowerCase().includes(needle) || String(tag.value).toLowerCase().includes(needle));
  for (const span of trace.spans) {
    if (
      span.operation.toLowerCase().includes(needle) || span.service.toLowerCase().includes(needle) || span.id.includes(needle) ||
      inTags(span.tags) || inTags(span.process) || span.logs.some((log) => inTags(log.fields))
    ) {
      found.add(span.id);
    }
  }
  return found;
}
