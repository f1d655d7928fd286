// Where panels and rows stand, with repeated ones written out: one for each value of their variable.
import type { PanelJson } from "./json";

export interface Choice { value: string; text: string }
export interface Local extends Choice { name: string }
export interface Placed { key: string; json: PanelJson; x: number; y: number; w: number; h: number; local?: Local }
export interface PlacedRow { key: string; json: PanelJson; y: number; collapsed: boolean; local?: Local; children: Placed[] }
export interface Layout { loose: Placed[]; rows: PlacedRow[] }
/** Chosen values of a variable; undefined while they are not known. */
export type ValuesOf = (name: string) => Choice[] | undefined;

interface Section { row?: PanelJson; panels: PanelJson[] }

const COLUMNS = 24;
const place = ({ gridPos }: PanelJson) => ({ x: gridPos?.x ?? 0, y: gridPos?.y ?? 0, w: gridPos?.w ?? 12, h: gridPos?.h ?? 8 });
const byPlace = (a: PanelJson, b: PanelJson) => place(a).y - place(b).y || place(a).x - place(b).x;

/** Every panel and row with a number of its own: builders leave those of rows out, and files repeat some. */
export function numbered(panels: PanelJson[]): PanelJson[] {
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const used = new Set<number>();
  let next = all.reduce((most, panel) => Math.max(most, panel.id || 0), 0);
  const own = (panel: PanelJson): PanelJson => {
    const id = panel.id && !used.has(panel.id) ? panel.id : ++next;
    used.add(id);
    return { ...panel, id, panels: panel.panels?.map(own) };
  };
  return panels.map(own);
}

/** Panels after an open row belong to it, a closed row holds its own. */
function sections(panels: PanelJson[]): Section[] {
  const found: Section[] = [{ panels: [] }];
  for (const json of numbered(panels).sort(byPlace)) {
    if (json.type === "row") found.push({ row: json, panels: [...(json.panels ?? [])].sort(byPlace) });
    else if (found.at(-1)!.row?.collapsed) found.push({ panels: [json] });
    else found.at(-1)!.panels.push(json);
  }
  return found;
}

/** Values that something repeats for; one undefined for what does not repeat. */
function copies(json: PanelJson | undefined, valuesOf: ValuesOf, around?: Local): (Local | undefined)[] {
  const name = json?.repeat;
  if (!name) return [undefined];
  if (around?.name === name) return [around];
  return (valuesOf(name) ?? []).map((choice) => ({ name, ...choice }));
}

const suffix = (index: number) => (index ? `-clone-${index}` : "");

/** Panels of one section; what a repeated one needs more pushes down what stands below it. */
function placed(panels: PanelJson[], valuesOf: ValuesOf, shift: number, tail: string, around?: Local): Placed[] {
  const made: Placed[] = [];
  const pushes: { below: number; by: number }[] = [];
  for (const json of panels) {
    const at = place(json);
    const y = at.y + shift + pushes.reduce((sum, push) => sum + (at.y >= push.below ? push.by : 0), 0);
    const key = `panel-${json.id}${tail}`;
    const locals = copies(json, valuesOf, around);
    const down = json.repeatDirection === "v";
    const columns = down ? 1 : Math.min(locals.length, json.maxPerRow || 4);
    const lines = Math.ceil(locals.length / Math.max(1, columns));
    locals.forEach((local, i) => {
      if (!json.repeat || locals[0] === around) return made.push({ key, json, ...at, y, local: json.repeat ? local : undefined });
      const w = down ? at.w : Math.floor(COLUMNS / columns);
      return made.push({ key: key + suffix(i), json, local, h: at.h, w, x: down ? at.x : w * (i % columns), y: y + at.h * Math.floor(i / columns) });
    });
    if (lines > 1) pushes.push({ below: at.y + at.h, by: at.h * (lines - 1) });
  }
  return made;
}

const bottom = (list: Placed[], least: number) => list.reduce((most, one) => Math.max(most, one.y + one.h), least);

/** All panels and rows of a dashboard in their places. */
export function layoutOf(panels: PanelJson[] = [], valuesOf: ValuesOf): Layout {
  const layout: Layout = { loose: [], rows: [] };
  let shift = 0;
  for (const { row, panels: inside } of sections(panels)) {
    if (!row) {
      const made = placed(inside, valuesOf, shift, "");
      layout.loose.push(...made);
      shift += bottom(made, 0) && bottom(made, 0) - bottom(placed(inside, () => [{ value: "", text: "" }], shift, ""), 0);
      continue;
    }
    const first = place(row).y, collapsed = row.collapsed ?? false;
    const planned = bottom(inside.map((json) => ({ key: "", json, ...place(json) })), first + 1) - first;
    let y = first + shift;
    copies(row, valuesOf).forEach((local, i) => {
      const children = placed(inside, valuesOf, y - first, suffix(i), local);
      layout.rows.push({ key: `row-${row.id}${suffix(i)}`, json: row, y, collapsed, local, children });
      y = collapsed ? y + 1 : bottom(children, y + 1);
    });
    shift = y - first - (collapsed ? 1 : planned);
  }
  return layout;
}

/** Names of the variables that something repeats for. */
export const repeatNames = (panels: PanelJson[] = []): string[] =>
  [...new Set(panels.flatMap((panel) => [panel.repeat, ...(panel.panels ?? []).map((inner) => inner.repeat)]).filter((name): name is string => !!name))];
