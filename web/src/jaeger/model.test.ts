import { describe, expect, it } from "vitest";

import { parseUpload, type SpanJson, type TraceJson } from "./api";
import { duration, ticks } from "./format";
import { buildTrace, criticalPath, find, statistics } from "./model";
import { tagsToJson } from "./search/Form";

function span(id: string, start: number, length: number, parent = "", more: Partial<SpanJson> = {}): SpanJson {
  const references = parent ? [{ refType: "CHILD_OF" as const, traceID: "t", spanID: parent }] : [];
  return { traceID: "t", spanID: id, operationName: `op-${id}`, startTime: start, duration: length, processID: "p", references, ...more };
}
const trace = (...spans: SpanJson[]): TraceJson => ({ traceID: "t", spans, processes: { p: { serviceName: "shop" } } });

describe("the tree", () => {
  it("orders children by start and counts their depth", () => {
    const built = buildTrace(trace(span("c", 30, 10, "a"), span("a", 0, 100), span("b", 10, 10, "a"), span("d", 12, 2, "b")));
    expect(built.spans.map((one) => [one.id, one.depth])).toEqual([["a", 0], ["b", 1], ["d", 2], ["c", 1]]);
    expect(built.duration).toBe(100);
    expect(built.byId.get("a")!.self).toBe(80);
  });
  it("makes roots of spans whose parent is missing, and of circles", () => {
    const built = buildTrace(trace(span("a", 0, 5, "gone"), span("b", 1, 5, "c"), span("c", 2, 5, "b")));
    expect(built.spans).toHaveLength(3);
    expect(built.roots.length).toBeGreaterThanOrEqual(2);
  });
  it("sees errors in tags of both kinds", () => {
    const built = buildTrace(trace(span("a", 0, 1, "", { tags: [{ key: "error", value: true }] }), span("b", 0, 1, "", { tags: [{ key: "otel.status_code", value: "ERROR" }] }), span("c", 0, 1)));
    expect(built.errors).toBe(2);
  });
});

describe("the critical path", () => {
  it("follows the child that ended last and covers the root without gaps", () => {
    const built = buildTrace(trace(span("a", 0, 100), span("b", 10, 30, "a"), span("c", 20, 60, "a"), span("d", 25, 20, "c")));
    const path = criticalPath(built);
    expect(path.map((section) => [section.span.id, section.start, section.end])).toEqual([
      ["a", 0, 10], ["b", 10, 20], ["c", 20, 25], ["d", 25, 45], ["c", 45, 80], ["a", 80, 100],
    ]);
  });
  it("cuts what runs on after its parent", () => {
    const path = criticalPath(buildTrace(trace(span("a", 0, 50), span("b", 10, 100, "a"))));
    expect(path[path.length - 1]!.end).toBe(50);
  });
  it("goes on with what a queue delivered after its parent had ended", () => {
    const built = buildTrace(trace(span("a", 0, 50), span("q", 10, 10, "a"), span("w", 60, 40, "q"), span("x", 70, 10, "w")));
    expect(criticalPath(built).map((section) => [section.span.id, section.start, section.end])).toEqual([
      ["a", 0, 10], ["q", 10, 20], ["w", 60, 70], ["x", 70, 80], ["w", 80, 100],
    ]);
  });
});

it("statistics add up", () => {
  const [row] = statistics(buildTrace(trace(span("a", 0, 10), span("b", 0, 30))), (one) => one.service);
  expect(row).toMatchObject({ name: "shop", count: 2, total: 40, min: 10, max: 30, average: 20 });
});

it("finds text in operations and tags", () => {
  const built = buildTrace(trace(span("a", 0, 1, "", { tags: [{ key: "db", value: "Postgres" }] }), span("b", 0, 1)));
  expect([...find(built, "postgres")]).toEqual(["a"]);
  expect([...find(built, "op-b")]).toEqual(["b"]);
  expect(find(built, " ").size).toBe(0);
});

it.each([
  ["error=true http.status_code=500", '{"error":"true","http.status_code":"500"}'],
  ['msg="a \\"b\\" c" flag', '{"msg":"a \\"b\\" c","flag":"true"}'],
  ['{"a":"b"}', '{"a":"b"}'],
  ["", ""],
])("tags as a person types them: %s", (text, expected) => expect(tagsToJson(text)).toBe(expected));

it.each([[0.5, "0.5µs"], [999, "999µs"], [1500, "1.5ms"], [123_456, "123ms"], [2_500_000, "2.5s"], [90_000_000, "1m 30s"], [3_700_000_000, "1h 2m"]])("%d microseconds", (value, text) => expect(duration(value)).toBe(text));

it("has clock steps above a second", () => {
  expect(ticks(600_000_000, 5)).toEqual([0, 120, 240, 360, 480, 600].map((seconds) => seconds * 1_000_000));
  expect(ticks(0, 5)).toEqual([0]);
});

it("says what is wrong with an uploaded file", () => {
  expect(() => parseUpload("x.json", "{")).toThrow(/x.json is not JSON/);
  expect(() => parseUpload("x.json", '{"a":1}')).toThrow(/holds no traces/);
  expect(parseUpload("x.json", JSON.stringify({ data: [trace(span("a", 0, 1))] }))).toHaveLength(1);
});
