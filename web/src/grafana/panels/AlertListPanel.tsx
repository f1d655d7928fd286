// Alerts that fire or wait, with what to do about them.
import { css } from "@emotion/css";
import { dateTimeFormatTimeAgo, type PanelProps } from "@grafana/data";
import { Badge, LoadingPlaceholder } from "@grafana/ui";
import { useEffect, useState } from "react";
import { get } from "../runtime/http";
import { sources } from "../runtime/sources";

interface StateFilter { firing?: boolean; pending?: boolean; inactive?: boolean; alerting?: boolean; normal?: boolean }
interface Options { maxItems?: number; alertName?: string; alertInstanceLabelFilter?: string; stateFilter?: StateFilter; sortOrder?: number; datasource?: string; showInstances?: boolean; viewMode?: "list" | "stat" }
interface Alert { labels: Record<string, string>; annotations: Record<string, string>; state: string; activeAt: string }

const list = css({ listStyle: "none", height: "100%", overflow: "auto", li: { display: "flex", gap: 8, alignItems: "baseline", padding: "4px 0", borderBottom: "1px solid rgba(128,128,128,.15)" } });
const wide = css({ flex: 1, minWidth: 0, small: { display: "block", opacity: 0.8, overflowWrap: "anywhere" } });
const SECONDS = 30;

/** Matchers such as {severity="critical"}, as the panel's filter has them. */
function matches(alert: Alert, filter: string): boolean {
  return [...filter.matchAll(/([\w.]+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].every(([, name = "", sign, wanted = ""]) => {
    const value = alert.labels[name] ?? "";
    const found = sign!.includes("~") ? new RegExp(`^(?:${wanted})$`).test(value) : value === wanted;
    return sign!.startsWith("!") ? !found : found;
  });
}

function shownOf(alerts: Alert[], options: Options, name: string, filter: string): Alert[] {
  const states = options.stateFilter;
  const wanted = (state: string) => !states || (state === "firing" ? states.firing !== false || !!states.alerting : states.pending !== false);
  const sorted = alerts.filter((one) => wanted(one.state) && (one.labels["alertname"] ?? "").toLowerCase().includes(name.toLowerCase()) && matches(one, filter))
    .sort((a, b) => (options.sortOrder === 1 || options.sortOrder === 2 ? (options.sortOrder === 1 ? 1 : -1) * (a.labels["alertname"] ?? "").localeCompare(b.labels["alertname"] ?? "") : b.activeAt.localeCompare(a.activeAt)));
  return sorted.slice(0, options.maxItems ?? 20);
}

export function AlertListPanel({ options, replaceVariables, data, renderCounter }: PanelProps<Options>) {
  const [alerts, setAlerts] = useState<Alert[]>(), [error, setError] = useState("");
  const uid = sources.getInstanceSettings(options.datasource ? { uid: options.datasource } : { type: "prometheus" })?.uid ?? "prometheus";
  useEffect(() => {
    const ask = () => get<{ data: { alerts: Alert[] } }>(`/api/prometheus/${uid}/api/v1/alerts`).then((answer) => { setAlerts(answer.data.alerts); setError(""); }, (failure: Error) => setError(failure.message));
    void ask();
    const timer = setInterval(() => void ask(), SECONDS * 1000);
    return () => clearInterval(timer);
  }, [uid, renderCounter, data.timeRange]);
  if (error) return <div data-testid="panel-error">{error}</div>;
  if (!alerts) return <LoadingPlaceholder text="" />;
  const shown = shownOf(alerts, options, replaceVariables(options.alertName ?? ""), replaceVariables(options.alertInstanceLabelFilter ?? ""));
  if (options.viewMode === "stat") return <div className={css({ fontSize: 48, textAlign: "center" })}>{shown.length}</div>;
  if (!shown.length) return <div className={css({ textAlign: "center", padding: 16 })}>No alerts</div>;
  return (
    <ul className={list}>
      {shown.map((one, i) => (
        <li key={i}>
          <Badge color={one.state === "firing" ? (one.labels["severity"] === "critical" ? "red" : "orange") : "blue"} text={one.state} />
          <span className={wide}>
            <a href={`/alerting?${new URLSearchParams({ query: one.labels["alertname"] ?? "" })}`}><b>{one.labels["alertname"]}</b></a> {one.annotations["summary"]}
            {options.showInstances && <small>{Object.entries(one.labels).filter(([name]) => name !== "alertname").map((pair) => pair.join("=")).join(" ")}</small>}
          </span>
          {one.annotations["runbook_url"] && <a href={one.annotations["runbook_url"]} target="_blank" rel="noreferrer">Runbook</a>}
          <small>{dateTimeFormatTimeAgo(one.activeAt)}</small>
        </li>
      ))}
    </ul>
  );
}
