// Exemplars of a query: single observations with the trace that they belong to, drawn as dots.
import { DataTopic, FieldType, type DataFrame, type DataSourceInstanceSettings, type Field } from "@grafana/data";
import { get } from "./http";

interface Exemplar { labels: Record<string, string>; value: string; timestamp: number }
interface Series { seriesLabels: Record<string, string>; exemplars: Exemplar[] }
interface Destination { name: string; datasourceUid?: string; url?: string; urlDisplayLabel?: string }

export const EXEMPLARS = "exemplars";
/** More dots than this hide the lines; the highest of each moment stay. */
const MOST = 200;

function thinned(all: Exemplar[], from: number, to: number): Exemplar[] {
  if (all.length <= MOST) return all;
  const cell = (to - from) / MOST, best = new Map<number, Exemplar>();
  for (const one of all) {
    const slot = Math.floor((one.timestamp * 1000 - from) / cell), held = best.get(slot);
    if (!held || Number(one.value) > Number(held.value)) best.set(slot, one);
  }
  return [...best.values()];
}

/** The address that an exemplar's label leads to. */
function linkOf(destinations: Destination[], name: string, value: string): { title: string; url: string } | undefined {
  const found = destinations.find((one) => one.name === name);
  if (found?.url) return { title: found.urlDisplayLabel ?? "Open", url: found.url.replace(/\$\{__value\.raw\}/g, encodeURIComponent(value)) };
  if (found?.datasourceUid) return { title: "Open the trace", url: `/explore?${new URLSearchParams({ source: found.datasourceUid, query: value })}` };
  return undefined;
}

const field = (name: string, type: FieldType, values: unknown[]): Field => ({ name, type, values, config: {} });

export async function exemplarFrame(settings: DataSourceInstanceSettings, refId: string, expr: string, from: number, to: number, signal: AbortSignal): Promise<DataFrame | undefined> {
  const params = new URLSearchParams({ query: expr, start: String(from / 1000), end: String(to / 1000) });
  const answer = await get<{ data?: Series[] }>(`/api/datasources/proxy/uid/${settings.uid}/api/v1/query_exemplars?${params}`, signal);
  const all = (answer.data ?? []).flatMap(({ seriesLabels, exemplars }) => exemplars.map((one) => ({ ...one, labels: { ...seriesLabels, ...one.labels } })));
  const kept = thinned(all, from, to).sort((a, b) => a.timestamp - b.timestamp);
  if (!kept.length) return undefined;
  const destinations = (settings.jsonData as { exemplarTraceIdDestinations?: Destination[] }).exemplarTraceIdDestinations ?? [];
  const links = kept.map(({ labels }) => Object.entries(labels).map(([name, value]) => linkOf(destinations, name, value)).find(Boolean));
  return {
    refId, name: EXEMPLARS, length: kept.length, meta: { dataTopic: DataTopic.Annotations, custom: { resultType: "exemplar" } },
    fields: [
      field("time", FieldType.time, kept.map((one) => one.timestamp * 1000)), field("value", FieldType.number, kept.map((one) => Number(one.value))),
      field("labels", FieldType.other, kept.map((one) => one.labels)), field("link", FieldType.other, links),
    ],
  };
}
