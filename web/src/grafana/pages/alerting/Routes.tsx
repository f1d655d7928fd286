// Alertmanager's routing tree, and the way that an alert takes through it.
import { css, cx } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import { Alert, Field, Input, Select, useStyles2 } from "@grafana/ui";
import { useMemo } from "react";
import { Link, useSearchParams } from "react-router-dom";
import { useConfig, useDelivered } from "./api";
import { labelsOf, matchersOf, parsed, takers, text, wordsOf, type InhibitRule, type Route } from "./model";
import { cardStyles } from "./parts";

const styles = (theme: GrafanaTheme2) => ({
  branch: css({ borderLeft: `2px solid ${theme.colors.border.medium}`, marginLeft: 14, paddingLeft: 12, [theme.breakpoints.down("sm")]: { marginLeft: 4, paddingLeft: 8 } }),
  node: css({ border: `1px solid ${theme.colors.border.weak}`, borderRadius: theme.shape.radius.default, background: theme.colors.background.primary, padding: "6px 10px", marginTop: 8 }),
  on: css({ borderColor: theme.colors.primary.border, boxShadow: `0 0 0 1px ${theme.colors.primary.border}` }),
  taken: css({ borderColor: theme.colors.success.border, boxShadow: `0 0 0 2px ${theme.colors.success.border}` }),
  table: css({ fontSize: 12, "td, th": { padding: "3px 12px 3px 0", textAlign: "left", verticalAlign: "top", overflowWrap: "anywhere" } }),
});

export function Routes() {
  const card = useStyles2(cardStyles), style = useStyles2(styles);
  const { data, error } = useConfig(), delivered = useDelivered();
  const [params, setParams] = useSearchParams();
  const words = params.get("labels") ?? "";
  const config = data?.alertmanager_config, root = config?.route;
  const labels = useMemo(() => labelsOf(words), [words]);
  const taken = useMemo(() => (root && words ? takers(root, labels) : []), [root, words, labels]);
  const ask = (next: string) => setParams(next ? { labels: next } : {}, { replace: true });
  if (error) return <Alert title="Alertmanager did not tell its configuration">{error}</Alert>;
  if (!root) return null;
  const intervals = config?.time_intervals ?? config?.mute_time_intervals ?? [];
  return (
    <>
      <div className={card.bar} style={{ alignItems: "flex-end" }}>
        <Field label="Where does an alert with these labels go?" noMargin><Input placeholder="severity=critical, component=ai" value={words} aria-label="Labels" onChange={(event) => ask(event.currentTarget.value)} /></Field>
        <Field label="or one that fires" noMargin>
          <Select width={34} aria-label="Alert" placeholder="choose" value={null} options={(delivered.data ?? []).map((one) => ({ label: wordsOf(one.labels).slice(0, 80), value: wordsOf(one.labels) }))} onChange={(choice) => ask(choice.value ?? "")} />
        </Field>
      </div>
      {words && <p role="status" style={{ marginTop: 8 }}>It goes to <b>{taken.map((route) => receiverOf(root, route)).join(" and ")}</b>.</p>}
      <Node route={root} root={root} taken={taken} />
      {intervals.length > 0 && <><h5 style={{ marginTop: 20 }}>Times</h5>{intervals.map((one) => <div key={one.name}><b>{one.name}</b> <code className={card.code}>{JSON.stringify(one.time_intervals)}</code></div>)}</>}
      {(config?.inhibit_rules?.length ?? 0) > 0 && (
        <><h5 style={{ marginTop: 20 }}>What hides what</h5>
          <div className={card.wide}><table className={style.table}><thead><tr><th>While this fires</th><th>these stay quiet</th><th>when they agree on</th></tr></thead>
            <tbody>{config!.inhibit_rules!.map((rule, i) => <tr key={i}><td>{side(rule, "source")}</td><td>{side(rule, "target")}</td><td>{rule.equal?.join(", ")}</td></tr>)}</tbody></table></div></>
      )}
    </>
  );
}

const side = (rule: InhibitRule, which: "source" | "target") => [...(rule[`${which}_matchers`] ?? []).flatMap((one) => { const found = parsed(one); return found ? text(found) : one; }), ...Object.entries(rule[`${which}_match`] ?? {}).map(([name, value]) => `${name}="${value}"`)].join(", ");

/** A route without a receiver of its own has its parent's. */
function receiverOf(from: Route, wanted: Route, inherited = ""): string {
  const own = from.receiver ?? inherited;
  if (from === wanted) return own;
  return (from.routes ?? []).map((child) => receiverOf(child, wanted, own)).find(Boolean) ?? "";
}

const leads = (route: Route, taken: Route[]): boolean => taken.includes(route) || (route.routes ?? []).some((child) => leads(child, taken));

function Node({ route, root, taken }: { route: Route; root: Route; taken: Route[] }) {
  const card = useStyles2(cardStyles), style = useStyles2(styles);
  const matchers = matchersOf(route), receiver = receiverOf(root, route);
  const times = [["waits", route.group_wait], ["then every", route.group_interval], ["again after", route.repeat_interval]].filter(([, value]) => value);
  return (
    <>
      <div className={cx(style.node, leads(route, taken) && style.on, taken.includes(route) && style.taken)} data-testid={taken.includes(route) ? "route-taken" : "route"}>
        <div className={card.head}>
          {route === root ? <b>All alerts</b> : matchers.length ? matchers.map((one, i) => <span key={i} className={card.label}>{text(one)}</span>) : <b>all of them</b>}
          <span>to <Link to={`/alerting/notifications?name=${encodeURIComponent(receiver)}`} style={{ textDecoration: "underline" }}>{receiver}</Link></span>
          {route.continue && <span className={card.quiet}>and on to the next</span>}
        </div>
        <div className={card.quiet}>
          {[route.group_by?.length ? `grouped by ${route.group_by.join(", ")}` : "", ...times.map((pair) => pair.join(" ")), route.mute_time_intervals?.length ? `mute in ${route.mute_time_intervals.join(", ")}` : "", route.active_time_intervals?.length ? `only in ${route.active_time_intervals.join(", ")}` : ""].filter(Boolean).join(" · ")}
        </div>
      </div>
      {route.routes?.length ? <div className={style.branch}>{route.routes.map((child, i) => <Node key={i} route={child} root={root} taken={taken} />)}</div> : null}
    </>
  );
}
