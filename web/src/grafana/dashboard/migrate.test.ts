import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { layoutOf } from "./layout";
import { migrated, type OldDashboard } from "./migrate";

const read = (name: string) => JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../../tests/e2e/dashboards", name), "utf8")) as OldDashboard;
const board = migrated(read("old-schema-27.json"));
const panel = (id: number) => board.panels!.find((one) => one.id === id)!;
const override = (id: number, name: string) => panel(id).fieldConfig!.overrides.find(({ matcher }) => matcher.options === name)!;

test("a graph becomes a time series with its axes, legend, stack and colours", () => {
  const { type, fieldConfig, options } = panel(1);
  expect(type).toBe("timeseries");
  expect(fieldConfig!.defaults).toMatchObject({ unit: "bytes", min: 0, custom: { fillOpacity: 20, lineWidth: 3, spanNulls: true, stacking: { mode: "normal" }, thresholdsStyle: { mode: "line" } } });
  expect(options).toMatchObject({ legend: { displayMode: "table", placement: "right", calcs: ["max", "lastNotNull"] }, tooltip: { mode: "multi", sort: "desc" } });
  expect(override(1, "api").properties).toEqual([{ id: "color", value: { mode: "fixed", fixedColor: "#FF0000" } }]);
  expect(override(1, "/work.*/").properties).toContainEqual({ id: "custom.axisPlacement", value: "right" });
});

test("a single stat becomes a stat with thresholds and mappings, or a gauge", () => {
  expect(panel(2)).toMatchObject({ type: "stat", options: { colorMode: "background", graphMode: "area", reduceOptions: { calcs: ["lastNotNull"] } } });
  expect(panel(2).fieldConfig!.defaults.thresholds!.steps).toEqual([{ color: "green", value: null }, { color: "orange", value: 50 }, { color: "red", value: 80 }]);
  expect(panel(2).fieldConfig!.defaults.mappings).toEqual([{ type: "special", options: { match: "null", result: { text: "N/A" } } }, { type: "value", options: { 1: { text: "running" } } }]);
  expect(panel(3)).toMatchObject({ type: "gauge", fieldConfig: { defaults: { min: 0, max: 10 } } });
});

test("words of a single stat for ranges and for no value", () => {
  const rangeMaps = [{ from: "0", to: "5", text: "low" }, { from: "null", to: "null", text: "none" }];
  const words = (more: object) => migrated({ uid: "x", title: "Old", schemaVersion: 20, panels: [{ id: 1, type: "singlestat", rangeMaps, ...more }] } as OldDashboard).panels![0]!.fieldConfig!.defaults.mappings;
  const none = (text: string) => ({ type: "special", options: { match: "null", result: { text } } });
  const ranges = [none("none"), { type: "range", options: { from: 0, to: 5, result: { text: "low" } } }];
  const valueMaps = [{ value: "null", text: "N/A" }];
  expect(words({})).toEqual(ranges);
  expect(words({ mappingType: 2, valueMaps })).toEqual(ranges);
  expect(words({ mappingType: 1, valueMaps })).toEqual([none("N/A")]);
  expect(words({ mappingType: 1 })).toEqual([]);
});

test("inputs of an exported dashboard are filled in", () => {
  expect(panel(1).datasource).toEqual({ type: "prometheus", uid: "default" });
  expect(panel(2).targets![0]!["expr"]).toBe('count(up{job="api"})');
  expect(board.templating!.list![0]).toMatchObject({ datasource: { uid: "default" }, refresh: 1 });
});

test("styles of an old table become overrides", () => {
  expect(panel(4).type).toBe("table");
  expect(override(4, "Time").properties).toEqual([{ id: "custom.hidden", value: true }]);
  expect(override(4, "job").properties).toEqual([{ id: "displayName", value: "The job" }]);
});

test("rows that hold panels become a grid", () => {
  const old = migrated(read("old-rows.json"));
  const { rows } = layoutOf(old.panels, () => undefined);
  expect(rows.map(({ json, y, collapsed }) => [json.title, y, collapsed])).toEqual([["First old row", 0, false], ["Closed old row", 15, true]]);
  expect(rows[0]!.children.map(({ x, y, w, h }) => [x, y, w, h])).toEqual([[0, 1, 12, 7], [12, 1, 6, 7], [0, 8, 12, 7]]);
  expect(rows[1]!.children.map(({ json }) => json.title)).toEqual(["Hidden"]);
  expect(old.graphTooltip).toBe(1);
  expect(old.templating!.list![0]!.query).toBe("one,two");
});

test("a new dashboard stays as it is", () => {
  const json = { uid: "x", title: "New", schemaVersion: 39, panels: [{ id: 1, type: "stat", options: { colorMode: "value" } }] };
  expect(migrated(json).panels).toEqual(json.panels);
});
