// Panels of types that no longer exist, with their options in the words of the types that replaced them.
import type { FieldConfigSource } from "@grafana/data";
import type { PanelJson } from "./json";

type Json = Record<string, unknown>;
interface Axis { format?: string; min?: number | string | null; max?: number | string | null; logBase?: number; label?: string | null; show?: boolean; decimals?: number }
interface Threshold { value?: number | null; colorMode?: string; op?: string; fill?: boolean; line?: boolean; fillColor?: string; lineColor?: string }
interface Style { pattern?: string; alias?: string; unit?: string; decimals?: number; type?: string; thresholds?: string[]; colors?: string[]; colorMode?: string | null; link?: boolean; linkUrl?: string; linkTooltip?: string; linkTargetBlank?: boolean }
export type OldPanel = PanelJson & {
  span?: number; height?: number | string; lines?: boolean; bars?: boolean; points?: boolean; fill?: number; linewidth?: number; pointradius?: number; stack?: boolean; percentage?: boolean; steppedLine?: boolean;
  nullPointMode?: string; yaxes?: Axis[]; legend?: Json; tooltip?: Json; seriesOverrides?: Json[]; thresholds?: Threshold[] | string; aliasColors?: Record<string, string>; decimals?: number | null; fillGradient?: number; dashes?: boolean;
  format?: string; valueName?: string; prefix?: string; postfix?: string; colors?: string[]; colorValue?: boolean; colorBackground?: boolean; sparkline?: Json; gauge?: Json; valueMaps?: Json[]; rangeMaps?: Json[]; mappingType?: number; nullText?: string | null;
  styles?: Style[]; columns?: Json[]; transform?: string; content?: string; mode?: string; yAxis?: Json; color?: Json; dataFormat?: string; pieType?: string; legendType?: string; valueMapping?: Json; limit?: number; show?: string; stateFilter?: string[] | string; search?: boolean; starred?: boolean; recent?: boolean; headings?: boolean; query?: string; tags?: string[];
};

const CALCS: Record<string, string> = { avg: "mean", current: "lastNotNull", total: "sum", delta: "delta", first: "first", name: "lastNotNull", min: "min", max: "max", range: "range", diff: "diff" };
const calc = (name: unknown) => CALCS[String(name)] ?? "lastNotNull";
const number = (value: unknown): number | undefined => (value === null || value === undefined || value === "" || Number.isNaN(Number(value)) ? undefined : Number(value));
const defined = (json: Json): Json => Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined && value !== null));
const config = (defaults: Json, overrides: unknown[] = []): FieldConfigSource => ({ defaults: defined(defaults), overrides } as unknown as FieldConfigSource);
const matcher = (name: string) => (/^\/.*\/[a-z]*$/.test(name) ? { id: "byRegexp", options: name } : { id: "byName", options: name });

/** Values of one series that old graphs let differ. */
function seriesOverride(old: Json): object {
  const custom: Json = {};
  if (old["yaxis"] === 2) custom["axisPlacement"] = "right";
  if (old["fill"] !== undefined) custom["fillOpacity"] = Number(old["fill"]) * 10;
  if (old["linewidth"] !== undefined) custom["lineWidth"] = old["linewidth"];
  if (old["bars"]) custom["drawStyle"] = "bars";
  if (old["lines"] === false && old["points"]) custom["drawStyle"] = "points";
  if (old["dashes"]) custom["lineStyle"] = { fill: "dash", dash: [10, 10] };
  if (old["stack"] !== undefined) custom["stacking"] = old["stack"] ? { mode: "normal", group: String(old["stack"]) } : { mode: "none" };
  if (old["transform"] === "negative-Y") custom["transform"] = "negative-Y";
  if (old["fillBelowTo"]) custom["fillBelowTo"] = old["fillBelowTo"];
  if (old["legend"] === false) custom["hideFrom"] = { legend: true, tooltip: false, viz: false };
  if (old["hiddenSeries"]) custom["hideFrom"] = { legend: false, tooltip: false, viz: true };
  const properties = Object.entries(custom).map(([id, value]) => ({ id: `custom.${id}`, value }));
  if (typeof old["color"] === "string") properties.push({ id: "color", value: { mode: "fixed", fixedColor: old["color"] } });
  return { matcher: matcher(String(old["alias"] ?? "")), properties };
}

/** The right axis has a unit of its own. */
function rightAxis(old: OldPanel, overrides: Json[]): object[] {
  const right = old.yaxes?.[1];
  if (!right) return [];
  const properties = [["unit", right.format], ["min", number(right.min)], ["max", number(right.max)], ["custom.axisLabel", right.label]].filter(([, value]) => value !== undefined && value !== null && value !== "short");
  return overrides.filter((one) => one["yaxis"] === 2).map((one) => ({ matcher: matcher(String(one["alias"] ?? "")), properties: properties.map(([id, value]) => ({ id, value })) }));
}

function graphThresholds(list: Threshold[]): Json {
  const colors: Record<string, string> = { critical: "red", warning: "orange", ok: "green" };
  const steps = list.filter((one) => typeof one.value === "number").sort((a, b) => a.value! - b.value!).map((one) => ({ value: one.value, color: colors[one.colorMode ?? ""] ?? one.lineColor ?? one.fillColor ?? "red" }));
  if (!steps.length) return {};
  const lines = list.some((one) => one.line), areas = list.some((one) => one.fill);
  return { thresholds: { mode: "absolute", steps: [{ value: null, color: "transparent" }, ...steps] }, custom: { thresholdsStyle: { mode: lines && areas ? "line+area" : areas ? "area" : "line" } } };
}

function graph(old: OldPanel): Partial<PanelJson> {
  const left = old.yaxes?.[0] ?? {}, legend = old.legend ?? {}, overrides = old.seriesOverrides ?? [];
  const limits = graphThresholds(Array.isArray(old.thresholds) ? old.thresholds : []);
  const style = old.bars ? "bars" : old.lines === false && old.points ? "points" : "line";
  const custom = {
    drawStyle: style, lineWidth: style === "bars" ? 1 : old.linewidth ?? 1, fillOpacity: style === "bars" ? 100 : (old.fill ?? 1) * 10, pointSize: (old.pointradius ?? 2) * 2, showPoints: old.points ? "always" : "never",
    gradientMode: old.fillGradient ? "opacity" : "none", spanNulls: old.nullPointMode === "connected", lineInterpolation: old.steppedLine ? "stepAfter" : "linear",
    lineStyle: { fill: old.dashes ? "dash" : "solid" }, stacking: { mode: old.stack ? (old.percentage ? "percent" : "normal") : "none", group: "A" },
    scaleDistribution: left.logBase && left.logBase > 1 ? { type: "log", log: left.logBase } : { type: "linear" }, axisLabel: left.label ?? "", axisPlacement: left.show === false ? "hidden" : "auto", ...((limits["custom"] as Json) ?? {}),
  };
  const calcs = ["min", "max", "avg", "current", "total"].filter((name) => legend["values"] && legend[name]).map(calc);
  const colors = Object.entries(old.aliasColors ?? {}).map(([alias, color]) => ({ matcher: { id: "byName", options: alias }, properties: [{ id: "color", value: { mode: "fixed", fixedColor: color } }] }));
  const defaults = { unit: left.format, min: number(left.min), max: number(left.max), decimals: number(left.decimals ?? old.decimals), custom, thresholds: limits["thresholds"] };
  return {
    type: "timeseries", fieldConfig: config(defaults, [...colors, ...overrides.map(seriesOverride), ...rightAxis(old, overrides)]),
    options: {
      legend: { showLegend: legend["show"] !== false, displayMode: legend["alignAsTable"] ? "table" : "list", placement: legend["rightSide"] ? "right" : "bottom", calcs },
      tooltip: { mode: old.tooltip?.["shared"] === false ? "single" : "multi", sort: ["none", "asc", "desc"][Number(old.tooltip?.["sort"] ?? 0)] },
    },
  };
}

/** "50,80" and three colours. */
function steps(limits: unknown, colors: string[] = []): Json | undefined {
  const values = String(limits ?? "").split(",").filter((text) => text.trim() !== "").map(Number);
  if (!values.length || !colors.length) return undefined;
  return { mode: "absolute", steps: colors.slice(0, values.length + 1).map((color, i) => ({ color, value: i ? values[i - 1] : null })) };
}

/** Words for values or for ranges; "null" stands for no value. Without a kind it is the one that has words. */
function mappings(old: OldPanel): unknown[] {
  const values = old.valueMaps ?? [], ranges = old.rangeMaps ?? [];
  const isNull = (one: Json) => one["value"] === "null" || one["from"] === "null" || one["to"] === "null";
  const useRanges = old.mappingType ? old.mappingType === 2 : !values.length, used = useRanges ? ranges : values;
  const missing = used.filter(isNull).slice(0, 1).map((one) => ({ type: "special", options: { match: "null", result: { text: one["text"] } } }));
  if (useRanges) return [...missing, ...ranges.filter((one) => !isNull(one)).map((one) => ({ type: "range", options: { from: number(one["from"]) ?? null, to: number(one["to"]) ?? null, result: { text: one["text"] } } }))];
  const options = Object.fromEntries(values.filter((one) => !isNull(one) && one["value"] !== undefined).map((one) => [String(one["value"]), { text: one["text"] }]));
  return Object.keys(options).length ? [...missing, { type: "value", options }] : missing;
}

/** A text before or after the number is part of its unit. */
function unitOf(old: OldPanel): string | undefined {
  const plain = !old.format || old.format === "none" || old.format === "short";
  if (plain && old.postfix?.trim()) return `suffix:${old.postfix}`;
  if (plain && old.prefix?.trim()) return `prefix:${old.prefix}`;
  return old.format;
}

function single(old: OldPanel): Partial<PanelJson> {
  const gauge = old.gauge ?? {}, isGauge = gauge["show"] === true;
  const defaults = {
    unit: unitOf(old), decimals: number(old.decimals), mappings: mappings(old), noValue: old.nullText ?? undefined, thresholds: steps(old.thresholds, old.colors),
    min: isGauge ? number(gauge["minValue"]) : undefined, max: isGauge ? number(gauge["maxValue"]) : undefined, color: old.colorValue || old.colorBackground || isGauge ? { mode: "thresholds" } : { mode: "fixed", fixedColor: "text" },
  };
  const reduceOptions = { calcs: [calc(old.valueName)], values: false, fields: "" };
  if (isGauge) return { type: "gauge", fieldConfig: config(defaults), options: { reduceOptions, showThresholdMarkers: gauge["thresholdMarkers"] !== false, showThresholdLabels: gauge["thresholdLabels"] === true } };
  return {
    type: "stat", fieldConfig: config(defaults),
    options: { reduceOptions, colorMode: old.colorBackground ? "background" : old.colorValue ? "value" : "none", graphMode: old.sparkline?.["show"] ? "area" : "none", textMode: old.valueName === "name" ? "name" : "value" },
  };
}

/** Old tables had styles by column; their transform says which columns there are. */
function table(old: OldPanel): Partial<PanelJson> {
  const overrides = (old.styles ?? []).map((style) => {
    const pattern = style.pattern ?? "";
    const properties: { id: string; value: unknown }[] = [];
    if (style.type === "hidden") properties.push({ id: "custom.hidden", value: true });
    if (style.alias) properties.push({ id: "displayName", value: style.alias });
    if (style.unit && style.type === "number") properties.push({ id: "unit", value: style.unit });
    if (style.decimals !== undefined && style.type === "number") properties.push({ id: "decimals", value: style.decimals });
    if (style.thresholds?.length && style.colorMode) properties.push({ id: "thresholds", value: steps(style.thresholds.join(","), style.colors) }, { id: "custom.cellOptions", value: { type: style.colorMode === "row" || style.colorMode === "cell" ? "color-background" : "color-text" } });
    if (style.link && style.linkUrl) properties.push({ id: "links", value: [{ title: style.linkTooltip ?? "", url: style.linkUrl.replace(/\$\{__cell\}|\$__cell\b/g, "${__value.raw}"), targetBlank: style.linkTargetBlank }] });
    return { matcher: /[.*+|\\^$]/.test(pattern) ? { id: "byRegexp", options: pattern } : { id: "byName", options: pattern }, properties };
  });
  const transformations = old.transform === "timeseries_aggregations" ? [{ id: "reduce", options: { reducers: (old.columns ?? []).map((one) => calc(one["value"])) } }] : old.transform === "table" ? [{ id: "merge", options: {} }] : undefined;
  return { type: "table", fieldConfig: config({}, overrides), options: {}, transformations: old.transformations ?? transformations };
}

const pie = (old: OldPanel): Partial<PanelJson> => ({
  type: "piechart", fieldConfig: config({ unit: old.format, decimals: number(old.decimals) }),
  options: { pieType: old.pieType === "donut" ? "donut" : "pie", reduceOptions: { calcs: [calc(old.valueName)], values: false }, legend: { showLegend: old.legend?.["show"] !== false, displayMode: "list", placement: old.legendType === "Right side" ? "right" : "bottom", values: old.legend?.["percentage"] ? ["percent"] : ["value"] } },
});

const heatmap = (old: OldPanel): Partial<PanelJson> => ({
  fieldConfig: config({ unit: String(old.yAxis?.["format"] ?? "short") }), options: { calculate: old.dataFormat !== "tsbuckets", color: { exponent: number(old.color?.["exponent"]) ?? 0.5 }, cellGap: 1 },
});

const REPLACED: Record<string, (old: OldPanel) => Partial<PanelJson>> = { graph, singlestat: single, "grafana-singlestat-panel": single, "table-old": table, "grafana-piechart-panel": pie };

/** Old words of types that kept their name. */
function kept(old: OldPanel): Partial<PanelJson> {
  if (old.type === "table" && old.styles) return table(old);
  if (old.type === "heatmap" && old.dataFormat !== undefined) return heatmap(old);
  if (old.type === "text" && old.content !== undefined) return { options: { mode: old.mode ?? "markdown", content: old.content } };
  if (old.type === "dashlist" && old.headings !== undefined) return { options: { showStarred: old.starred, showRecentlyViewed: old.recent, showSearch: old.search, showHeadings: old.headings, maxItems: old.limit, query: old.query, tags: old.tags } };
  if (old.type === "alertlist" && old.limit !== undefined && !old.options) return { options: { maxItems: old.limit } };
  return {};
}

/** Thresholds that applied to all values were a list before they had a mode. */
function newer(old: OldPanel): PanelJson {
  return old.fieldConfig || !old.options?.["fieldOptions"] ? old : { ...old, ...fieldOptions(old) };
}

/** Gauges and stats of Grafana 6: everything was under ``fieldOptions``. */
function fieldOptions(old: OldPanel): Partial<PanelJson> {
  const { fieldOptions: held, ...options } = old.options as { fieldOptions: { calcs?: string[]; values?: boolean; defaults?: Json; thresholds?: Json[]; mappings?: unknown[]; unit?: string } };
  const thresholds = held.thresholds?.length ? { mode: "absolute", steps: held.thresholds.map((one) => ({ color: one["color"], value: one["value"] ?? null })) } : undefined;
  return { fieldConfig: config({ ...held.defaults, unit: held.defaults?.["unit"] ?? held.unit, thresholds: held.defaults?.["thresholds"] ?? thresholds }), options: { ...options, reduceOptions: { calcs: held.calcs ?? ["mean"], values: held.values ?? false } } };
}

export function panelOf(old: OldPanel): PanelJson {
  const type = old.type || "graph";
  return { ...newer(old), ...(REPLACED[type] ?? kept)({ ...old, type }) };
}
