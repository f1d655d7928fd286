// Alerts by state: what Prometheus finds, and what Alertmanager makes of it.
import { dateTimeFormat, dateTimeFormatTimeAgo } from "@grafana/data";
import { config, locationService } from "@grafana/runtime";
import { Alert, Button, FilterInput, RadioButtonGroup, useStyles2 } from "@grafana/ui";
import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { Link } from "react-router-dom";
import { sources } from "../../runtime/sources";
import { logsOfMetrics } from "../explore/jumps";
import { exploreUrl, LAST_HOUR } from "../explore/state";
import { address, useAlerts, useDelivered, usePolled, type Rules } from "./api";
import { fits, joined, parsed, text, wordsOf, type Labels, type OneAlert } from "./model";
import { cardStyles, COLORS, LabelList, Out, State } from "./parts";

/** Words found in an alert; ``name=value`` and the other matchers mean its labels. */
export function found(alert: OneAlert, words: string): boolean {
  return words.split(/\s+/).filter(Boolean).every((word) => {
    const matcher = parsed(word);
    return matcher ? fits(matcher, alert.labels) : `${JSON.stringify(alert.labels)} ${alert.annotations["summary"] ?? ""}`.toLowerCase().includes(word.toLowerCase());
  });
}

export const silenceUrl = (labels: Labels): string =>
  `/alerting/silence/new?${new URLSearchParams(Object.entries(labels).map(([name, value]) => ["matcher", text({ name, value, isRegex: false })]))}`;

const KINDS = ["all", "firing", "pending", "silenced", "inhibited"] as const;

export function Alerts() {
  const style = useStyles2(cardStyles);
  const prometheus = useAlerts(), manager = useDelivered(), rules = usePolled<Rules>(address.rules());
  const [words, setWords] = useState(""), [kind, setKind] = useState<(typeof KINDS)[number]>("all");
  const list = useRef<HTMLDivElement>(null), search = useRef<HTMLDivElement>(null);
  const all = useMemo(() => joined(prometheus.data?.data.alerts ?? [], manager.data ?? []), [prometheus.data, manager.data]);
  const queries = useMemo(() => new Map((rules.data?.data.groups ?? []).flatMap((group) => group.rules.filter((rule) => rule.type === "alerting").map((rule) => [rule.name, rule.query]))), [rules.data]);
  const shown = all.filter((alert) => (kind === "all" || alert.state === kind) && found(alert, words));
  const count = (name: string) => all.filter((alert) => name === "all" || alert.state === name).length;
  const keys = (event: KeyboardEvent) => {
    if (event.target instanceof HTMLInputElement) { if (event.key === "Escape") list.current?.querySelector<HTMLElement>("article")?.focus(); return; }
    if (event.key === "/") { event.preventDefault(); search.current?.querySelector("input")?.focus(); return; }
    const cards = [...(list.current?.querySelectorAll<HTMLElement>("article") ?? [])], at = cards.findIndex((card) => card.contains(document.activeElement));
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (by) { event.preventDefault(); cards[Math.max(0, Math.min(cards.length - 1, at + by))]?.focus(); }
    if (event.key === "s" && shown[at]) locationService.push(silenceUrl(shown[at].labels));
  };
  return (
    <div onKeyDown={keys}>
      {prometheus.error && <Alert title="Prometheus did not tell its alerts">{prometheus.error}</Alert>}
      {manager.error && <Alert title="Alertmanager did not tell what it has">{manager.error}</Alert>}
      <div className={style.bar} ref={search}>
        <FilterInput placeholder="Search: words, or severity=critical" value={words} onChange={setWords} escapeRegex={false} />
        <div className={style.wide}><RadioButtonGroup aria-label="State" options={KINDS.map((value) => ({ value, label: `${value} ${count(value)}` }))} value={kind} onChange={setKind} /></div>
      </div>
      <div className={style.list} ref={list} aria-label="Alerts; j and k move, s silences, / searches">
        {shown.map((alert) => <Card key={alert.key} alert={alert} query={queries.get(alert.labels["alertname"] ?? "")} pick={(one) => setWords(`${words} ${one}`.trim())} />)}
      </div>
      {prometheus.data && !shown.length && <p>{all.length ? "No alert is like that." : "Nothing fires."}</p>}
    </div>
  );
}

function Card({ alert, query, pick }: { alert: OneAlert; query?: string; pick: (words: string) => void }) {
  const style = useStyles2(cardStyles);
  const { labels, annotations } = alert;
  const prometheus = sources.getInstanceSettings({ type: "prometheus" });
  const range = LAST_HOUR;
  const service = labels["job"] ?? labels["service"];
  const logs = service ? logsOfMetrics(sources.getList(), `{job=${JSON.stringify(service)}}`, range) : undefined;
  return (
    <article className={style.card} tabIndex={0} style={{ borderLeftColor: config.theme2.visualization.getColorByName(COLORS[alert.state] === "darkgrey" ? "gray" : COLORS[alert.state] ?? "gray") }} aria-label={`${labels["alertname"]}, ${alert.state}`}>
      <div className={style.head}>
        <State name={alert.state} /><h5>{labels["alertname"]}</h5><State name={labels["severity"]} />
        <span className={style.space} />
        <span className={style.quiet} title={dateTimeFormat(alert.since)}>{dateTimeFormatTimeAgo(alert.since)}{alert.value !== undefined && ` · value ${Number(alert.value).toPrecision(4).replace(/\.?0+$/, "")}`}</span>
        <Button size="sm" variant="secondary" icon="bell-slash" onClick={() => locationService.push(silenceUrl(labels))}>Silence</Button>
      </div>
      <div>{annotations["summary"]}</div>
      {annotations["description"] && <div className={style.quiet}>{annotations["description"]}</div>}
      <LabelList labels={labels} without={["alertname", "severity"]} pick={pick} />
      <div className={style.links}>
        <Out to={annotations["runbook_url"]}>Runbook</Out><Out to={annotations["dashboard_url"] ?? annotations["dashboard"]}>Dashboard</Out>
        {query && prometheus && <Link to={exploreUrl({ datasource: prometheus.uid, queries: [{ refId: "A", expr: query }], range })}>Query</Link>}
        {logs && <Link to={logs}>Logs</Link>}
        <Link to={`/alerting/history?alertname=${encodeURIComponent(labels["alertname"] ?? "")}`}>History</Link>
        <Link to={`/alerting/routes?labels=${encodeURIComponent(wordsOf(labels))}`}>{alert.receivers.length ? `Goes to ${alert.receivers.join(", ")}` : "Route"}</Link>
        {alert.silencedBy.map((id) => <Link key={id} to={`/alerting/silence/${id}/edit`}>Its silence</Link>)}
      </div>
    </article>
  );
}
