import { expect, test } from "vitest";
import type { PanelJson } from "./json";
import { layoutOf, repeatNames, type ValuesOf } from "./layout";

const panel = (id: number, x: number, y: number, more: Partial<PanelJson> = {}): PanelJson => ({ id, type: "stat", gridPos: { x, y, w: 12, h: 4 }, ...more });
const row = (id: number, y: number, more: Partial<PanelJson> = {}): PanelJson => ({ id, type: "row", gridPos: { x: 0, y, w: 24, h: 1 }, ...more });
const values = (...names: string[]): ValuesOf => () => names.map((name) => ({ value: name, text: name }));

test("a panel repeats side by side and pushes down what is below", () => {
  const { loose } = layoutOf([panel(1, 0, 0, { repeat: "host", maxPerRow: 2 }), panel(2, 0, 4)], values("a", "b", "c"));
  expect(loose.map(({ key, x, y, w }) => [key, x, y, w])).toEqual([["panel-1", 0, 0, 12], ["panel-1-clone-1", 12, 0, 12], ["panel-1-clone-2", 0, 4, 12], ["panel-2", 0, 8, 12]]);
  expect(loose[1]!.local).toEqual({ name: "host", value: "b", text: "b" });
});

test("a panel repeats downwards with its own width", () => {
  const { loose } = layoutOf([panel(1, 12, 0, { repeat: "host", repeatDirection: "v" })], values("a", "b"));
  expect(loose.map(({ x, y, w }) => [x, y, w])).toEqual([[12, 0, 12], [12, 4, 12]]);
});

test("a row repeats with its panels, and its panels know its value", () => {
  const list = [row(1, 0, { repeat: "host" }), panel(2, 0, 1), panel(3, 12, 1, { repeat: "host" }), row(4, 5), panel(5, 0, 6)];
  const { rows } = layoutOf(list, values("a", "b"));
  expect(rows.map(({ key, y, local }) => [key, y, local?.value])).toEqual([["row-1", 0, "a"], ["row-1-clone-1", 5, "b"], ["row-4", 10, undefined]]);
  expect(rows[1]!.children.map(({ key, y, x, local }) => [key, y, x, local?.value])).toEqual([["panel-2-clone-1", 6, 0, undefined], ["panel-3-clone-1", 6, 12, "b"]]);
  expect(rows[2]!.children[0]!.y).toBe(11);
});

test("a closed row takes one line for each value", () => {
  const { rows } = layoutOf([row(1, 0, { repeat: "host", collapsed: true, panels: [panel(2, 0, 1)] }), row(3, 1)], values("a", "b", "c"));
  expect(rows.map(({ key, y }) => [key, y])).toEqual([["row-1", 0], ["row-1-clone-1", 1], ["row-1-clone-2", 2], ["row-3", 3]]);
});

test("nothing is repeated before the values are known", () => {
  expect(layoutOf([panel(1, 0, 0, { repeat: "host" }), panel(2, 0, 4)], () => undefined).loose.map(({ key }) => key)).toEqual(["panel-2"]);
});

test("names of repeated variables are found in closed rows too", () => {
  expect(repeatNames([row(1, 0, { collapsed: true, panels: [panel(2, 0, 1, { repeat: "host" })] })])).toEqual(["host"]);
});
