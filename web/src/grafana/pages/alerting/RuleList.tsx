// Rules of Prometheus and of Loki's ruler: their state, whether they can be evaluated and how long that takes.
import { dateTimeFormatTimeAgo, formattedValueToString, getValueFormat } from "@grafana/data";
import { Alert, Badge, FilterInput, RadioButtonGroup, useStyles2 } from "@grafana/ui";
import { useMemo, useState } from "react";
import { Link } from "react-router-dom";
import { sources } from "../../runtime/sources";
import { exploreUrl, LAST_HOUR } from "../explore/state";
import { address, usePolled, type Group, type Rule, type Rules } from "./api";
import { cardStyles, LabelList, Out, State } from "./parts";

const KINDS = ["all", "firing", "pending", "inactive", "recording", "failing"] as const;
const kindOf = (rule: Rule) => (rule.type === "recording" ? "recording" : rule.state ?? "inactive");
const long = (seconds: number | undefined) => (seconds === undefined ? "" : formattedValueToString(getValueFormat("s")(seconds)));
const failing = (rule: Rule) => rule.health === "err" || !!rule.lastError;

interface Held extends Group { source: string }

export function RuleList() {
  const style = useStyles2(cardStyles);
  const prometheus = usePolled<Rules>(address.rules()), loki = usePolled<Rules>(address.lokiRules());
  const [words, setWords] = useState(""), [kind, setKind] = useState<(typeof KINDS)[number]>("all"), [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const groups = useMemo((): Held[] => [
    ...(prometheus.data?.data.groups ?? []).map((group) => ({ ...group, source: "prometheus" })), ...(loki.data?.data.groups ?? []).map((group) => ({ ...group, source: "loki" })),
  ], [prometheus.data, loki.data]);
  const all = groups.flatMap((group) => group.rules);
  const wanted = (rule: Rule, which: string) => which === "all" || (which === "failing" ? failing(rule) : kindOf(rule) === which);
  const narrow = kind !== "all" || words !== "";
  const shown = groups.map((group) => ({ ...group, rules: group.rules.filter((rule) => wanted(rule, kind) && `${rule.name} ${group.name} ${rule.query} ${JSON.stringify(rule.labels ?? {})}`.toLowerCase().includes(words.toLowerCase())) })).filter((group) => group.rules.length);
  return (
    <>
      {prometheus.error && <Alert title="Prometheus did not tell its rules">{prometheus.error}</Alert>}
      {loki.error && <Alert severity="warning" title="Loki did not tell its rules">{loki.error}</Alert>}
      <div className={style.bar}>
        <FilterInput placeholder="Search in names, queries, labels" value={words} onChange={setWords} escapeRegex={false} />
        <div className={style.wide}><RadioButtonGroup aria-label="State" options={KINDS.map((value) => ({ value, label: `${value} ${all.filter((rule) => wanted(rule, value)).length}` }))} value={kind} onChange={setKind} /></div>
      </div>
      <div className={style.list}>{shown.map((group) => {
        const key = `${group.source}${group.file}${group.name}`;
        const isOpen = narrow !== open.has(key), bad = group.rules.filter(failing).length, fires = group.rules.filter((rule) => rule.state === "firing").length;
        return (
          <section key={key} className={style.card} style={{ borderLeftColor: bad ? "#e0226e" : "#1a7f4b" }} aria-label={group.name}>
            <button type="button" className={style.head} style={{ background: "none", border: 0, color: "inherit", width: "100%", padding: 0, textAlign: "left" }} aria-expanded={isOpen} onClick={() => setOpen((old) => { const next = new Set(old); if (!next.delete(key)) next.add(key); return next; })}>
              <span>{isOpen ? "▾" : "▸"}</span><b style={{ overflowWrap: "anywhere" }}>{group.name}</b>
              {fires > 0 && <Badge text={`${fires} firing`} color="red" />}{bad > 0 && <Badge text={`${bad} failing`} color="red" />}
              <span className={style.space} />
              <span className={style.quiet}>{group.source} · {group.rules.length} rules · every {group.interval} s · took {long(group.evaluationTime ?? group.rules.reduce((sum, rule) => sum + rule.evaluationTime, 0))}</span>
            </button>
            {isOpen && group.rules.map((rule, i) => <One key={`${rule.name}${i}`} rule={rule} source={group.source} />)}
          </section>
        );
      })}</div>
      {prometheus.data && !shown.length && <p>No rule is like that.</p>}
    </>
  );
}

function One({ rule, source }: { rule: Rule; source: string }) {
  const style = useStyles2(cardStyles);
  const uid = sources.getInstanceSettings({ type: source })?.uid ?? source;
  return (
    <details style={{ padding: "6px 0 2px 18px" }} open={failing(rule)}>
      <summary style={{ cursor: "pointer" }}>
        <span className={style.head} style={{ display: "inline-flex", maxWidth: "calc(100% - 20px)", verticalAlign: "top" }}>
          <b style={{ overflowWrap: "anywhere" }}>{rule.name}</b><State name={kindOf(rule)} />{rule.labels?.["severity"] && <State name={rule.labels["severity"]} />}
          <Badge text={failing(rule) ? "failing" : rule.health} color={failing(rule) ? "red" : rule.health === "ok" ? "green" : "darkgrey"} />
          <span className={style.quiet}>took {long(rule.evaluationTime)}{Date.parse(rule.lastEvaluation) > 0 && `, ${dateTimeFormatTimeAgo(rule.lastEvaluation)}`}{rule.duration ? ` · must hold for ${long(rule.duration)}` : ""}</span>
        </span>
      </summary>
      {rule.lastError && <Alert title="It could not be evaluated">{rule.lastError}</Alert>}
      <code className={style.code}>{rule.query}</code>
      <LabelList labels={rule.labels ?? {}} />
      <div className={style.quiet}>{rule.annotations?.["summary"]}</div>
      <div className={style.links}>
        <Link to={exploreUrl({ datasource: uid, queries: [{ refId: "A", expr: rule.query }], range: LAST_HOUR })}>Explore</Link>
        {rule.type === "alerting" && <Link to={`/alerting/history?alertname=${encodeURIComponent(rule.name)}`}>History</Link>}
        <Out to={rule.annotations?.["runbook_url"]}>Runbook</Out>
      </div>
    </details>
  );
}
