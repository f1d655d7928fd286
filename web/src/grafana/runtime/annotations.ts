// Series of an annotation query become events: while a series has values without a gap, that is one event.
import { FieldType, type AnnotationEvent, type AnnotationQuery, type DataFrame } from "@grafana/data";
import { of, type Observable } from "rxjs";

interface Formats { titleFormat?: string; textFormat?: string; tagKeys?: string; useValueForTime?: boolean }

/** ``{{label}}`` filled in. */
const filled = (format: string | undefined, labels: Record<string, string>) => (format ?? "").replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => labels[name] ?? "");

export function processEvents(annotation: AnnotationQuery, frames: DataFrame[]): Observable<AnnotationEvent[]> {
  return of(frames.flatMap((frame) => eventsOf(annotation as AnnotationQuery & Formats, frame)));
}

function eventsOf(annotation: AnnotationQuery & Formats, frame: DataFrame): AnnotationEvent[] {
  const time = frame.fields.find((field) => field.type === FieldType.time);
  const value = frame.fields.find((field) => field.type === FieldType.number);
  if (!time || !value) return [];
  const labels = value.labels ?? {};
  const title = filled(annotation.titleFormat, labels) || annotation.name, text = filled(annotation.textFormat, labels);
  const step = smallest(time.values as number[]);
  const events: AnnotationEvent[] = [];
  time.values.forEach((at: number, i) => {
    if (!value.values[i]) return;
    const last = events.at(-1);
    if (last && at - (last.timeEnd ?? 0) <= step * 1.5) last.timeEnd = at;
    else events.push({ time: at, timeEnd: at, title, text: text || title, tags: [], color: annotation.iconColor, isRegion: true });
  });
  return events;
}

const smallest = (times: number[]) => times.reduce((least, time, i) => (i ? Math.min(least, time - times[i - 1]!) : least), Infinity);
