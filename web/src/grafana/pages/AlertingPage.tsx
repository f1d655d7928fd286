// Alerts of Prometheus and silences of Alertmanager.
import { css } from "@emotion/css";
import { dateTimeFormat, dateTimeFormatTimeAgo, textUtil } from "@grafana/data";
import { Alert, Badge, Button, FilterInput, Tab, TabsBar, type BadgeColor } from "@grafana/ui";
import { useCallback, useEffect, useState } from "react";
import { useSearchParams } from "react-router-dom";
import { get, send } from "../runtime/http";
import { SilenceForm } from "./SilenceForm";

type Labels = Record<string, string>;
interface Firing { labels: Labels; annotations: Labels; state: string; activeAt: string; value: string }
export interface Matcher { name: string; value: string; isRegex: boolean; isEqual?: boolean }
interface Silence { id: string; matchers: Matcher[]; endsAt: string; createdBy: string; comment: string; status: { state: string } }

const ALERTS = "/api/prometheus/prometheus/api/v1/alerts", SILENCES = "/api/alertmanager/alertmanager/api/v2/silences";
const EVERY_MS = 15_000;
const COLORS: Record<string, BadgeColor> = { firing: "red", pending: "orange", critical: "red", warning: "orange", active: "blue" };
const table = css({ width: "100%", "td, th": { padding: "6px 12px 6px 0", textAlign: "left", verticalAlign: "top", overflowWrap: "anywhere", borderBottom: "1px solid rgba(128,128,128,.25)" }, a: { textDecoration: "underline" } });

/** What an address answers, asked again every 15 seconds. */
function usePolled<T>(path: string): [T | undefined, string, () => void] {
  const [data, setData] = useState<T>(), [error, setError] = useState("");
  const load = useCallback(() => { get<T>(path).then((answer) => { setData(answer); setError(""); }, (failure: Error) => setError(failure.message)); }, [path]);
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, [load]);
  return [data, error, load];
}

const link = (address: string | undefined, text: string) => address && <a href={textUtil.sanitizeUrl(address)} target="_blank" rel="noreferrer">{text} </a>;
const rank = (alert: Firing) => (alert.state === "firing" ? 0 : 10) + (alert.labels["severity"] === "critical" ? 0 : 1);

function Row({ alert, silence }: { alert: Firing; silence: (labels: Labels) => void }) {
  const severity = alert.labels["severity"] ?? "none";
  return (
    <tr>
      <td><Badge text={alert.state} color={COLORS[alert.state] ?? "blue"} /></td>
      <td>
        <b>{alert.labels["alertname"]}</b> <Badge text={severity} color={COLORS[severity] ?? "blue"} />
        <div>{alert.annotations["summary"] ?? alert.annotations["description"]}</div>
        <small>{Object.entries(alert.labels).filter(([name]) => name !== "alertname" && name !== "severity").map((pair) => pair.join("=")).join("  ")}</small>
        <div>{link(alert.annotations["runbook_url"], "Runbook")}{link(alert.annotations["dashboard_url"] ?? alert.annotations["dashboard"], "Dashboard")}</div>
      </td>
      <td>{dateTimeFormatTimeAgo(alert.activeAt)}</td>
      <td><Button size="sm" variant="secondary" onClick={() => silence(alert.labels)}>Silence</Button></td>
    </tr>
  );
}

function Alerts({ silence }: { silence: (labels: Labels) => void }) {
  const [answer, error] = usePolled<{ data: { alerts: Firing[] } }>(ALERTS);
  const [words, setWords] = useState("");
  const all = answer?.data.alerts ?? [];
  const shown = all.filter((alert) => JSON.stringify(alert.labels).toLowerCase().includes(words.toLowerCase())).sort((a, b) => rank(a) - rank(b));
  if (error) return <Alert title="Prometheus did not tell its alerts">{error}</Alert>;
  return (
    <>
      <FilterInput placeholder="Search in labels" value={words} onChange={setWords} escapeRegex={false} />
      <table className={table}>
        <thead><tr><th>State</th><th>Alert</th><th>Since</th><th /></tr></thead>
        <tbody>{shown.map((alert) => <Row key={JSON.stringify(alert.labels)} alert={alert} silence={silence} />)}</tbody>
      </table>
      {answer && !shown.length && <p>{all.length ? "No alert has these words." : "Nothing fires."}</p>}
    </>
  );
}

function Silences() {
  const [list, error, reload] = usePolled<Silence[]>(SILENCES);
  const [failed, setFailed] = useState("");
  const expire = (id: string) => send("DELETE", `/api/alertmanager/alertmanager/api/v2/silence/${id}`, {}).then(reload, (failure: Error) => setFailed(failure.message));
  if (error) return <Alert title="Alertmanager did not tell its silences">{error}</Alert>;
  return (
    <>
      {failed && <Alert title="The silence was not ended">{failed}</Alert>}
      <table className={table}>
        <thead><tr><th>State</th><th>Matches</th><th>Ends</th><th>By, why</th><th /></tr></thead>
        <tbody>{(list ?? []).map((one) => (
          <tr key={one.id}>
            <td><Badge text={one.status.state} color={COLORS[one.status.state] ?? "darkgrey"} /></td>
            <td>{one.matchers.map((m) => `${m.name}${m.isEqual === false ? "!" : ""}${m.isRegex ? "=~" : "="}${m.value}`).join(", ")}</td>
            <td>{dateTimeFormat(one.endsAt)}</td><td>{one.createdBy}: {one.comment}</td>
            <td>{one.status.state !== "expired" && <Button size="sm" variant="secondary" onClick={() => void expire(one.id)}>End</Button>}</td>
          </tr>
        ))}</tbody>
      </table>
      {list && !list.length && <p>Nothing is silenced.</p>}
    </>
  );
}

export default function AlertingPage() {
  const [params, setParams] = useSearchParams();
  const [labels, setLabels] = useState<Labels>();
  const tab = params.get("tab") ?? "alerts";
  useEffect(() => { document.title = "Alerting - PyTake"; }, []);
  return (
    <>
      <TabsBar>
        <Tab label="Alerts" active={tab === "alerts"} onChangeTab={() => setParams({})} />
        <Tab label="Silences" active={tab === "silences"} onChangeTab={() => setParams({ tab: "silences" })} />
      </TabsBar>
      <div style={{ paddingTop: 12 }}>{tab === "alerts" ? <Alerts silence={setLabels} /> : <Silences />}</div>
      {labels && <SilenceForm labels={labels} address={SILENCES} close={(made) => { setLabels(undefined); if (made) setParams({ tab: "silences" }); }} />}
    </>
  );
}
