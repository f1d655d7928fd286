/** Traces that were opened from files: known to this page only, found by their id before the server is asked. */

import type { TraceJson } from "./api";

const kept = new Map<string, TraceJson>();

export function keepUploaded(traces: TraceJson[]): TraceJson[] {
  for (const trace of traces) kept.set(trace.traceID, trace);
  return traces;
}

export const uploaded = (id: string) => kept.get(id);
