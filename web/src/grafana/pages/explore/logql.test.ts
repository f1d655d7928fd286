import { describe, expect, it } from "vitest";
import { around, logsOfMetrics, logsOfTrace, metricsOfLogs, metricsOfSpan } from "./jumps";
import { matchersOf, narrowed, searched, selectorOf } from "./logql";
import { panesOf, type Pane } from "./state";

const sources = [
  { uid: "p", name: "P", type: "prometheus", isDefault: true }, { uid: "l", name: "L", type: "loki" },
  { uid: "j", name: "J", type: "jaeger", jsonData: { tracesToMetrics: { tags: [{ key: "service.name", value: "svc" }], queries: [{ query: "sum(calls{$__tags})" }] } } },
];
const RANGE = { from: "1000", to: "2000" };
const at = (url: string | undefined): Pane => panesOf(new URLSearchParams(url!.split("?")[1]), sources)[0]!;

describe("LogQL", () => {
  it("finds the selector around braces in strings", () => {
    expect(selectorOf('sum(rate({a="}", b=`{`} |= "x" [1m]))')).toBe('{a="}", b=`{`}');
    expect(matchersOf('{a="x\\"y", b!~`z`}')).toEqual([{ name: "a", op: "=", value: 'x"y' }, { name: "b", op: "!~", value: "z" }]);
  });

  it("narrows by the index, by metadata, by a parsed field", () => {
    expect(narrowed('{job="a"} |= "x"', "level", "error", "=", "index")).toBe('{job="a", level="error"} |= "x"');
    expect(narrowed('{job="a"}', "job", "b", "=", "index")).toBe('{job="b"}');
    expect(narrowed('{job="a"}', "trace_id", "7", "!=", "metadata")).toBe('{job="a"} | trace_id!="7"');
    expect(narrowed('{job="a"} | json', "http.status", "500", "=", "parsed")).toBe('{job="a"} | json | http_status="500"');
    expect(narrowed('sum(rate({job="a"} [1m]))', "x", "1", "=", "parsed")).toBe('sum(rate({job="a"} | json | x="1" [1m]))');
  });

  it("marks what was looked for", () => {
    expect("a.b axb".match(searched('{} |= "a.b"')!)).toEqual(["a.b"]);
    expect("One TWO".match(searched("{} |~ `(?i)two`")!)).toEqual(["TWO"]);
    expect(searched('{} | json')).toBeUndefined();
  });
});

describe("jumps", () => {
  it("keep the range", () => {
    expect(at(logsOfTrace(sources, sources[2], "ab", RANGE))).toEqual({ datasource: "l", queries: [{ refId: "A", expr: '{service=~".+"} | trace_id="ab"' }], range: RANGE });
    expect(at(metricsOfLogs(sources, '{service="api", level=~"x"}', RANGE))).toMatchObject({ datasource: "p", range: RANGE });
    expect(at(logsOfMetrics(sources, 'rate(x{job="api"}[5m])', RANGE))).toMatchObject({ queries: [{ expr: '{service="api"}' }], range: RANGE });
    expect(at(metricsOfSpan(sources, sources[2], { service: "api", operation: "GET /" }, RANGE)).queries[0]!.expr).toBe('sum(calls{svc="api", span_name="GET /"})');
  });

  it("widen only for a trace outside of it", () => {
    expect(around({ from: "now-1h", to: "now" }, [0, 10_000], { start: 2_000_000, duration: 5 })).toEqual({ from: "now-1h", to: "now" });
    expect(around({ from: "now-1h", to: "now" }, [0, 1000], { start: 2_000_000, duration: 5 }).to).toBe("now");
    expect(around({ from: "5000", to: "10000" }, [5000, 10_000], { start: 100_000_000, duration: 1000 })).toEqual({ from: "40000", to: "160001" });
  });
});
