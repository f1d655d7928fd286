// PromQL: the grammar, completion and checks of Prometheus' own page, asked through this server.
import type { Extension } from "@codemirror/state";
import { newCompleteStrategy, PromQLExtension } from "@prometheus-io/codemirror-promql";

const HALF_DAY_MS = 12 * 3_600_000;

export function promqlLanguage(uid: string): Extension {
  const url = `/api/datasources/proxy/uid/${encodeURIComponent(uid)}`;
  const fetchFn = (asked: RequestInfo, init?: RequestInit) => fetch(asked, { ...init, credentials: "same-origin" });
  const remote = { url, httpMethod: "GET" as const, fetchFn, lookbackInterval: HALF_DAY_MS };
  const language = new PromQLExtension().setComplete({ remote, completeStrategy: newCompleteStrategy({ remote }) });
  const rules = language.getLinter();
  // Grafana's own variables are no PromQL: a query that has them is checked by the server alone
  language.setLinter({ promQL: () => (view) => (/\$|^\s*$/.test(view.state.doc.toString()) ? [] : rules.promQL()(view)) });
  return language.asExtension();
}
