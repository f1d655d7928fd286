// Where alerting is asked, and how often.
import { useCallback, useEffect, useState } from "react";
import { get } from "../../runtime/http";
import { sources } from "../../runtime/sources";
import type { Config, Delivered, Matcher, PrometheusAlert } from "./model";

export interface Silence { id: string; matchers: Matcher[]; startsAt: string; endsAt: string; createdBy: string; comment: string; status: { state: string } }
export interface Rule {
  type: string; name: string; query: string; health: string; lastError?: string; evaluationTime: number; lastEvaluation: string; state?: string; duration?: number;
  labels?: Record<string, string>; annotations?: Record<string, string>; alerts?: PrometheusAlert[];
}
export interface Group { name: string; file: string; interval: number; rules: Rule[]; evaluationTime?: number; lastEvaluation?: string }
export interface Rules { data: { groups: Group[] } }

const uidOf = (type: string) => encodeURIComponent(sources.getInstanceSettings({ type })?.uid ?? type);
export const address = {
  alerts: () => `/api/prometheus/${uidOf("prometheus")}/api/v1/alerts`,
  rules: () => `/api/prometheus/${uidOf("prometheus")}/api/v1/rules`,
  lokiRules: () => (sources.getList({ type: "loki" }).length ? `/api/datasources/proxy/uid/${uidOf("loki")}/prometheus/api/v1/rules` : ""),
  delivered: () => `/api/alertmanager/${uidOf("alertmanager")}/api/v2/alerts`,
  silences: () => `/api/alertmanager/${uidOf("alertmanager")}/api/v2/silences`,
  silence: (id: string) => `/api/alertmanager/${uidOf("alertmanager")}/api/v2/silence/${encodeURIComponent(id)}`,
  config: () => `/api/alertmanager/${uidOf("alertmanager")}/config/api/v1/alerts`,
  now: (query: string) => `/api/datasources/proxy/uid/${uidOf("prometheus")}/api/v1/query?${new URLSearchParams({ query })}`,
  history: (params: Record<string, string>) => `/api/v1/rules/history?${new URLSearchParams(params)}`,
};
const EVERY_MS = 15_000;

export interface Polled<T> { data?: T; error: string; reload: () => void }

/** What an address answers, asked again every 15 seconds while the page is in sight; nothing of an empty one. */
export function usePolled<T>(path: string): Polled<T> {
  const [held, setHeld] = useState<{ data?: T; error: string }>({ error: "" });
  const [again, setAgain] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    const load = () => { get<T>(path, abort.signal).then((data) => setHeld({ data, error: "" }), (failure: Error) => { if (!abort.signal.aborted) setHeld((old) => ({ ...old, error: failure.message })); }); };
    load();
    const timer = setInterval(() => { if (!document.hidden) load(); }, EVERY_MS);
    return () => { abort.abort(); clearInterval(timer); };
  }, [path, again]);
  return { ...held, reload: useCallback(() => setAgain((old) => old + 1), []) };
}

export const useAlerts = () => usePolled<{ data: { alerts: PrometheusAlert[] } }>(address.alerts());
export const useDelivered = () => usePolled<Delivered[]>(address.delivered());
export const useSilences = () => usePolled<Silence[]>(address.silences());
export const useConfig = () => usePolled<{ alertmanager_config: Config }>(address.config());
