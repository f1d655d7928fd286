// Fills the grid, anew whenever a variable that something repeats for has other values.
import {
  LocalValueVariable, MultiValueVariable, SceneGridItem, SceneGridLayout, SceneGridRow, SceneObjectBase, SceneVariableSet, sceneGraph, VariableDependencyConfig,
  type SceneGridItemLike, type SceneObjectState,
} from "@grafana/scenes";
import type { PanelJson } from "./json";
import { layoutOf, repeatNames, type Choice, type Local, type Placed, type PlacedRow } from "./layout";
import { vizPanel } from "./panels";

interface State extends SceneObjectState { panels: PanelJson[] }

const localSet = (local?: Local) => local && new SceneVariableSet({ variables: [new LocalValueVariable(local)] });
/** What an object was made for: the same again keeps it, with the data it has. */
const stamp = (key: string, ...locals: (Local | undefined)[]) => [key, ...locals.map((local) => local && `${local.name}=${local.value}`)].join("|");

export class Repeats extends SceneObjectBase<State> {
  private items = new Map<string, SceneGridItem>();
  protected override _variableDependency = new VariableDependencyConfig(this, {
    variableNames: repeatNames(this.state.panels), onVariableUpdateCompleted: () => this.fill(),
  });

  constructor(state: State) {
    super(state);
    this.addActivationHandler(() => { if (repeatNames(this.state.panels).length) this.fill(); });
  }

  private valuesOf = (name: string): Choice[] | undefined => {
    const variable = sceneGraph.lookupVariable(name, this);
    if (!variable || sceneGraph.hasVariableDependencyInLoadingState(this)) return undefined;
    if (!(variable instanceof MultiValueVariable)) return [{ value: String(variable.getValue()), text: String(variable.getValue()) }];
    const { value, text, options } = variable.state;
    if (variable.hasAllValue()) return options.map((option: { value: unknown; label: string }) => ({ value: String(option.value), text: option.label }));
    return [value].flat().map((one, i) => ({ value: String(one), text: String([text].flat()[i] ?? one) }));
  };

  fill(): void {
    const grid = this.parent as SceneGridLayout;
    const closed = new Map(grid.state.children.flatMap((child) => (child instanceof SceneGridRow ? [[child.state.key, child.state.isCollapsed] as const] : [])));
    const { loose, rows } = layoutOf(this.state.panels, this.valuesOf);
    const old = this.items;
    this.items = new Map();
    const children = [...loose.map((one) => this.item(one, old)), ...rows.map((row) => this.row(row, old, closed.get(row.key)))];
    grid.setState({ children: children.sort((a, b) => (a.state.y ?? 0) - (b.state.y ?? 0) || (a.state.x ?? 0) - (b.state.x ?? 0)) });
  }

  private item(one: Placed, old: Map<string, SceneGridItem>, row?: PlacedRow): SceneGridItem {
    const name = stamp(one.key, row?.local, one.local);
    const place = { x: one.x, y: one.y, width: one.w, height: one.h };
    const item = old.get(name) ?? new SceneGridItem({ key: `grid-item-${one.key}`, ...place, $variables: localSet(one.local), body: vizPanel(one.json, one.key) });
    item.setState(place);
    this.items.set(name, item);
    return item;
  }

  private row(row: PlacedRow, old: Map<string, SceneGridItem>, closed?: boolean): SceneGridItemLike {
    const children = row.children.map((one) => this.item(one, old, row));
    children.forEach((child) => child.clearParent());
    return new SceneGridRow({ key: row.key, title: row.json.title ?? "", y: row.y, isCollapsed: closed ?? row.collapsed, $variables: localSet(row.local), children });
  }
}

/** The grid of a dashboard. */
export function grid(panels: PanelJson[] = []): SceneGridLayout {
  const repeats = new Repeats({ panels });
  const made = new SceneGridLayout({ isDraggable: false, isResizable: false, isLazy: true, children: [], $behaviors: [repeats] });
  if (!repeatNames(panels).length) repeats.fill();
  return made;
}
