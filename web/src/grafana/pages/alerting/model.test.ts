import { describe, expect, it } from "vitest";
import { fits, integrationsOf, joined, labelsOf, parsed, takers, text, wordsOf, type Delivered, type Route } from "./model";

const delivered = (labels: Record<string, string>, status = {}): Delivered =>
  ({ labels, annotations: {}, startsAt: "", endsAt: "", fingerprint: JSON.stringify(labels), receivers: [{ name: "people" }], status: { state: "active", silencedBy: [], inhibitedBy: [], ...status } });
const firing = (name: string, state = "firing", severity = "warning") => ({ labels: { alertname: name, severity }, annotations: {}, state, activeAt: "", value: "1" });

describe("alerts", () => {
  it("are one in both, whatever labels Prometheus adds when it sends", () => {
    const found = joined([firing("A"), firing("B", "pending"), firing("C", "firing", "critical")], [delivered({ alertname: "A", severity: "warning", environment: "x" }, { silencedBy: ["1"] }), delivered({ alertname: "Z" }, { inhibitedBy: ["2"] })]);
    expect(found.map((one) => [one.labels["alertname"], one.state, one.receivers.length])).toEqual([["C", "firing", 0], ["B", "pending", 0], ["A", "silenced", 1], ["Z", "inhibited", 1]]);
  });
});

describe("matchers", () => {
  it("are written as they are read", () => {
    for (const written of ['a="b c"', 'a!="b"', 'a=~"x|y"', 'a!~"q\\"z"']) expect(text(parsed(written)!)).toBe(written);
    expect(parsed("a=b")).toEqual({ name: "a", value: "b", isRegex: false, isEqual: true });
    expect(parsed("nonsense")).toBeUndefined();
  });

  it("fit whole values; what is not there is empty", () => {
    expect(fits(parsed("a=~b")!, { a: "abc" })).toBe(false);
    expect(fits(parsed("a!=b")!, {})).toBe(true);
    expect(fits(parsed('a=""')!, {})).toBe(true);
    expect(fits(parsed("a=~(")!, { a: "(" })).toBe(false);
  });

  it("read labels in several ways", () => {
    expect(labelsOf('{alertname="A b", severity=critical}')).toEqual({ alertname: "A b", severity: "critical" });
    expect(labelsOf(wordsOf({ a: "b, c", d: "e" }))).toEqual({ a: "b, c", d: "e" });
  });
});

describe("routes", () => {
  const tree: Route = { receiver: "root", routes: [
    { receiver: "pager", matchers: ['severity="critical"'], routes: [{ receiver: "ai", matchers: ['component=~"ai|ml"'] }] },
    { receiver: "copy", match: { team: "x" }, continue: true }, { receiver: "team", match_re: { team: "x|y" } },
  ] };
  const to = (labels: Record<string, string>) => takers(tree, labels).map((route) => route.receiver);

  it("take the deepest, the first of siblings, more after continue", () => {
    expect(to({})).toEqual(["root"]);
    expect(to({ severity: "critical" })).toEqual(["pager"]);
    expect(to({ severity: "critical", component: "ml", team: "x" })).toEqual(["ai"]);
    expect(to({ team: "x" })).toEqual(["copy", "team"]);
    expect(to({ team: "y" })).toEqual(["team"]);
  });
});

describe("contact points", () => {
  it("tell where they send, never an address's secret path", () => {
    const receiver = { name: "r", slack_configs: [{ channel: "#pages", api_url: "<secret>" }], webhook_configs: [{ url: "https://hooks.example/secret/path", send_resolved: false }, { url_file: "/x" }] };
    expect(integrationsOf(receiver)).toEqual([
      { kind: "slack", to: "#pages", resolved: true }, { kind: "webhook", to: "https://hooks.example", resolved: false }, { kind: "webhook", to: "an address that is kept secret", resolved: true },
    ]);
  });
});
