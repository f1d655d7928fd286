// Alerts of Prometheus joined with Alertmanager's; matchers and routes as Alertmanager reads them.
export type Labels = Record<string, string>;
export interface Matcher { name: string; value: string; isRegex: boolean; isEqual?: boolean }
export interface PrometheusAlert { labels: Labels; annotations: Labels; state: string; activeAt: string; value: string }
export interface Delivered {
  labels: Labels; annotations: Labels; startsAt: string; endsAt: string; fingerprint: string; generatorURL?: string;
  receivers: { name: string }[]; status: { state: string; silencedBy: string[]; inhibitedBy: string[] };
}
export type AlertState = "firing" | "pending" | "silenced" | "inhibited";
export interface OneAlert {
  key: string; state: AlertState; labels: Labels; annotations: Labels; since: string; value?: string; receivers: string[]; silencedBy: string[]; from: string;
}

/** What one rule's alert is called in both; Prometheus adds its external labels when it sends. */
const holds = (all: Labels, some: Labels) => Object.entries(some).every(([name, value]) => all[name] === value);

export function joined(firing: PrometheusAlert[], delivered: Delivered[]): OneAlert[] {
  const left = new Set(delivered);
  const known = firing.map((alert): OneAlert => {
    const sent = alert.state === "pending" ? undefined : closest([...left].filter((one) => holds(one.labels, alert.labels)));
    if (sent) left.delete(sent);
    return { ...made(sent), key: sent?.fingerprint ?? JSON.stringify(alert.labels), state: stateOf(sent, alert.state), labels: sent?.labels ?? alert.labels, annotations: alert.annotations, since: alert.activeAt, value: alert.value, from: "Prometheus" };
  });
  const others = [...left].map((sent): OneAlert => ({ ...made(sent), key: sent.fingerprint, state: stateOf(sent, "firing"), labels: sent.labels, annotations: sent.annotations, since: sent.startsAt, from: "Alertmanager" }));
  return [...known, ...others].sort((a, b) => rank(a) - rank(b) || (a.labels["alertname"] ?? "").localeCompare(b.labels["alertname"] ?? ""));
}

const closest = (found: Delivered[]) => found.sort((a, b) => Object.keys(a.labels).length - Object.keys(b.labels).length)[0];
const made = (sent: Delivered | undefined) => ({ receivers: sent?.receivers.map((one) => one.name) ?? [], silencedBy: sent?.status.silencedBy ?? [] });

function stateOf(sent: Delivered | undefined, state: string): AlertState {
  if (sent?.status.silencedBy.length) return "silenced";
  if (sent?.status.inhibitedBy.length) return "inhibited";
  return state === "pending" ? "pending" : "firing";
}

const STATES: AlertState[] = ["firing", "pending", "silenced", "inhibited"];
const SEVERITIES = ["critical", "warning", "info", "none"];
const place = (list: string[], name: string | undefined) => { const at = list.indexOf(name ?? ""); return at < 0 ? list.length : at; };
const rank = (alert: OneAlert) => place(STATES, alert.state) * 10 + place(SEVERITIES, alert.labels["severity"]);

export const text = (matcher: Matcher): string => `${matcher.name}${matcher.isRegex ? (matcher.isEqual === false ? "!~" : "=~") : matcher.isEqual === false ? "!=" : "="}${JSON.stringify(matcher.value)}`;

/** ``name="value"``, ``name!~value``: as files and addresses write matchers; undefined when it is none. */
export function parsed(written: string): Matcher | undefined {
  const found = /^\s*([a-zA-Z_:][\w:]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s.exec(written);
  if (!found) return undefined;
  const [, name, op, rest] = found as unknown as [string, string, string, string];
  return { name, value: unquoted(rest), isRegex: op.endsWith("~"), isEqual: !op.startsWith("!") };
}

function unquoted(written: string): string {
  if (!/^".*"$/s.test(written)) return written;
  try {
    return String(JSON.parse(written));
  } catch {
    return written.slice(1, -1);
  }
}

/** A label that an alert lacks is empty; expressions fit the whole value. */
export function fits(matcher: Matcher, labels: Labels): boolean {
  const value = labels[matcher.name] ?? "";
  const same = matcher.isRegex ? expression(matcher.value)?.test(value) ?? false : value === matcher.value;
  return same === (matcher.isEqual !== false);
}

function expression(source: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${source})$`);
  } catch {
    return undefined;
  }
}

export interface Route {
  receiver?: string; matchers?: string[]; match?: Labels; match_re?: Labels; continue?: boolean; routes?: Route[];
  group_by?: string[]; group_wait?: string; group_interval?: string; repeat_interval?: string; mute_time_intervals?: string[]; active_time_intervals?: string[];
}
export interface InhibitRule { source_matchers?: string[]; target_matchers?: string[]; source_match?: Labels; target_match?: Labels; equal?: string[] }
export interface Receiver { name: string; [integrations: string]: unknown }
export interface Config { route?: Route; receivers?: Receiver[]; inhibit_rules?: InhibitRule[]; time_intervals?: { name: string; time_intervals?: unknown[] }[]; mute_time_intervals?: { name: string; time_intervals?: unknown[] }[] }

export function matchersOf(route: Route): Matcher[] {
  return [
    ...(route.matchers ?? []).flatMap((one) => parsed(one) ?? []),
    ...Object.entries(route.match ?? {}).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })),
    ...Object.entries(route.match_re ?? {}).map(([name, value]) => ({ name, value, isRegex: true, isEqual: true })),
  ];
}

/** The routes that take an alert: the deepest that fit, of siblings the first, unless it says ``continue``. */
export function takers(route: Route, labels: Labels): Route[] {
  if (!matchersOf(route).every((one) => fits(one, labels))) return [];
  const below: Route[] = [];
  for (const child of route.routes ?? []) {
    const found = takers(child, labels);
    below.push(...found);
    if (found.length && !child.continue) break;
  }
  return below.length ? below : [route];
}

/** ``a=b, c="d"`` as labels. */
export function labelsOf(words: string): Labels {
  const pairs = words.matchAll(/([a-zA-Z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|[^,\s{}]*)/g);
  return Object.fromEntries([...pairs].map((found) => [found[1]!, unquoted(found[2]!)]));
}

export const wordsOf = (labels: Labels): string => Object.entries(labels).map(([name, value]) => `${name}=${/^[^\s,"{}]+$/.test(value) ? value : JSON.stringify(value)}`).join(", ");

export interface Integration { kind: string; to: string; resolved: boolean }

/** What a receiver sends with and where to; of addresses only the host, for the rest may be a secret. */
export function integrationsOf(receiver: Receiver): Integration[] {
  return Object.entries(receiver).filter(([name, list]) => name.endsWith("_configs") && Array.isArray(list)).flatMap(([name, list]) => (list as Record<string, unknown>[]).map((one) => ({
    kind: name.slice(0, -"_configs".length), to: whereTo(one), resolved: one["send_resolved"] !== false,
  })));
}

function whereTo(held: Record<string, unknown>): string {
  for (const name of ["channel", "to", "chat_id", "room", "topic_arn", "team", "url", "api_url"]) {
    const value = held[name];
    if (value === undefined || value === "" || value === "<secret>") continue;
    return name.endsWith("url") ? hostOf(String(value)) : String(value);
  }
  return Object.entries(held).some(([name, value]) => value === "<secret>" || name.endsWith("_file")) ? "an address that is kept secret" : "";
}

function hostOf(address: string): string {
  try {
    const { protocol, host } = new URL(address);
    return `${protocol}//${host}`;
  } catch {
    return "an address";
  }
}
