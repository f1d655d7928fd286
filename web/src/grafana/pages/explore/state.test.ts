import { describe, expect, it } from "vitest";
import { exploreUrl, panesOf, type Known } from "./state";

const known: Known[] = [
  { uid: "prometheus", name: "Prometheus", type: "prometheus", isDefault: true }, { uid: "loki", name: "Loki", type: "loki" }, { uid: "jaeger", name: "Jaeger", type: "jaeger" },
];
const read = (text: string) => panesOf(new URLSearchParams(text), known);
const json = (name: string, held: unknown) => `${name}=${encodeURIComponent(JSON.stringify(held))}`;

describe("panesOf", () => {
  it("reads what exploreUrl writes", () => {
    const pane = { datasource: "loki", queries: [{ refId: "A", expr: '{a="b"}' }], range: { from: "1000", to: "2000" } };
    const other = { datasource: "jaeger", queries: [{ refId: "A", query: "ab" }], range: { from: "now-1h", to: "now" } };
    expect(read(exploreUrl(pane, other).split("?")[1]!)).toEqual([pane, other]);
  });

  it("reads left of older versions, with a data source's name", () => {
    const pane = { datasource: "Loki", queries: [{ expr: "{}" }], range: { from: "now-5m", to: "now" } };
    expect(read(json("left", pane))).toMatchObject([{ datasource: "loki", queries: [{ refId: "A", expr: "{}" }], range: { from: "now-5m" } }]);
    expect(read(json("left", ["now-6h", "now", "Prometheus", { expr: "up" }, { ui: [true] }]))).toMatchObject([{ datasource: "prometheus", queries: [{ expr: "up" }], range: { from: "now-6h" } }]);
  });

  it("reads short links", () => {
    expect(read("source=jaeger&query=0af7651916cd43dd8448eb211c80319c&from=now-2h")).toMatchObject([{ queries: [{ query: "0af7651916cd43dd8448eb211c80319c" }], range: { from: "now-2h", to: "now" } }]);
    expect(read("source=jaeger&query=api")).toMatchObject([{ queries: [{ queryType: "search", service: "api" }] }]);
    expect(read('expr=sum(count_over_time({job="a"}[5m]))')).toMatchObject([{ datasource: "loki" }]);
    expect(read("expr=up{job='a'}")).toMatchObject([{ datasource: "prometheus" }]);
  });

  it("takes damaged addresses as empty", () => {
    expect(read("panes=%7Bnonsense")).toEqual([{ datasource: "prometheus", queries: [{ refId: "A", expr: "" }], range: { from: "now-1h", to: "now" } }]);
    expect(read(json("panes", { a: { datasource: "gone", queries: [3, null] } }))).toMatchObject([{ datasource: "prometheus", queries: [{ refId: "A" }] }]);
  });
});
