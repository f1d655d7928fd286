// Dashboards of older schemas (as far back as rows with panels in them) become what the newest one looks like.
import type { AnnotationJson, DashboardJson, PanelJson, VariableJson } from "./json";
import { panelOf, type OldPanel } from "./migratePanel";

interface Input { name: string; type: string; pluginId?: string; value?: string }
interface OldRow { title?: string; collapse?: boolean; height?: number | string; showTitle?: boolean; repeat?: string | null; panels?: OldPanel[] }
export type OldDashboard = Omit<DashboardJson, "panels"> & { panels?: OldPanel[]; rows?: OldRow[]; __inputs?: Input[]; __requires?: unknown; sharedCrosshair?: boolean };

const COLUMNS = 24;
/** Heights of old rows are in pixels; a line of the grid is 38. */
const lines = (height: number | string | undefined) => Math.max(3, Math.ceil(Number.parseFloat(String(height ?? 250)) / 38));

/** Rows that hold panels become panels in a grid; spans were of twelve. */
function placed(rows: OldRow[]): OldPanel[] {
  const made: OldPanel[] = [];
  const titled = rows.some((row) => row.showTitle || row.collapse || row.repeat);
  let y = 0;
  for (const row of rows) {
    const inside: OldPanel[] = [];
    const top = titled ? y + 1 : y;
    let x = 0, line = top, tall = 0;
    for (const panel of row.panels ?? []) {
      const w = Math.min(COLUMNS, Math.max(1, Math.floor((panel.span ?? 12) * 2))), h = lines(panel.height ?? row.height);
      if (x + w > COLUMNS) {
        x = 0;
        line += tall;
        tall = 0;
      }
      inside.push({ ...panel, gridPos: { x, y: line, w, h } });
      x += w;
      tall = Math.max(tall, h);
    }
    if (titled) made.push({ id: 0, type: "row", title: row.title, collapsed: row.collapse ?? false, repeat: row.repeat, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: row.collapse ? inside : [] } as OldPanel);
    if (!titled || !row.collapse) made.push(...inside);
    y = titled && row.collapse ? y + 1 : line + tall;
  }
  return made;
}

/** ``${DS_PROMETHEUS}`` of an exported dashboard: the data source of its type that is the default, or the constant. */
function filled<T>(json: T, inputs: Input[]): T {
  const values = new Map(inputs.map((input) => [input.name, input]));
  const walk = (value: unknown, key = ""): unknown => {
    if (Array.isArray(value)) return value.map((one) => walk(one, key));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, walk(one, name)]));
    if (typeof value !== "string" || !value.includes("${")) return value;
    const whole = values.get(/^\$\{(\w+)\}$/.exec(value)?.[1] ?? "");
    if (whole?.type === "datasource") return key === "datasource" ? { type: whole.pluginId, uid: "default" } : key === "uid" ? "default" : "";
    return value.replace(/\$\{(\w+)\}/g, (all, name: string) => (values.get(name)?.type === "constant" ? values.get(name)!.value ?? "" : all));
  };
  return walk(json) as T;
}

/** Old templating: intervals hold "auto" in their options, constants were shown, and "all" had other names. */
function variable(json: VariableJson & { allFormat?: string }): VariableJson {
  const current = json.current && json.current.value === "$__all" ? { text: "All", value: "$__all" } : json.current;
  if (json.type === "query" && json.refresh === undefined) return { ...json, current, refresh: 1 };
  if (json.type === "custom" && !json.query && json.options?.length) return { ...json, current, query: json.options.filter(({ value }) => value !== "$__all").map(({ value }) => value).join(",") };
  return { ...json, current };
}

const annotation = (json: AnnotationJson & { query?: string }): AnnotationJson => (json.expr || json.target || !json.query ? json : { ...json, expr: json.query });

/** Every dashboard, whatever its age, as the pages read it. Panels inside closed rows too. */
export function migrated(old: OldDashboard): DashboardJson {
  const json = old.__inputs?.length ? filled(old, old.__inputs) : old;
  const panels = json.rows?.length && !json.panels?.length ? placed(json.rows) : json.panels ?? [];
  const own = (panel: OldPanel): PanelJson => ({ ...panelOf(panel), ...(panel.panels && { panels: panel.panels.map((inner) => own(inner as OldPanel)) }) });
  return {
    ...json, panels: panels.map(own), graphTooltip: json.graphTooltip ?? (json.sharedCrosshair ? 1 : 0),
    templating: { list: (json.templating?.list ?? []).map(variable) }, annotations: { list: (json.annotations?.list ?? []).map(annotation) },
  };
}
