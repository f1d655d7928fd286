// The panel types that are drawn here; any other type shows its name and its data as a table.
import { FieldColorModeId, identityOverrideProcessor, PanelPlugin, type FieldConfigPropertyItem, type PanelProps } from "@grafana/data";
import type { ComponentType } from "react";
import { AlertListPanel } from "./AlertListPanel";
import { BarGaugePanel } from "./BarGaugePanel";
import { DashListPanel } from "./DashListPanel";
import { GaugePanel } from "./GaugePanel";
import { HeatmapPanel } from "./HeatmapPanel";
import { HistogramPanel } from "./HistogramPanel";
import { LogsPanel } from "./LogsPanel";
import { PiePanel } from "./PiePanel";
import { HistoryPanel, StatePanel } from "./StatePanel";
import { StatPanel } from "./StatPanel";
import { TablePanel } from "./TablePanel";
import { TextPanel } from "./TextPanel";
import { TimeSeriesPanel } from "./TimeSeriesPanel";
import { TracesPanel } from "./TracesPanel";
import { unknownPanel } from "./UnknownPanel";

type Custom = Record<string, unknown>;
interface Kind { draw: ComponentType<PanelProps>; palette: FieldColorModeId; custom?: Custom; noQuery?: boolean }

const HIDE = { tooltip: false, viz: false, legend: false };
const LINES: Custom = {
  drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, lineStyle: { fill: "solid" }, lineColor: undefined, fillOpacity: 0,
  fillColor: undefined, gradientMode: "none", showPoints: "auto", pointSize: 5, pointColor: undefined, pointSymbol: undefined,
  spanNulls: false, insertNulls: false, stacking: { mode: "none", group: "A" }, axisPlacement: "auto", axisLabel: "",
  axisColorMode: "text", axisBorderShow: false, axisGridShow: undefined, axisCenteredZero: false, axisWidth: undefined,
  axisSoftMin: undefined, axisSoftMax: undefined, scaleDistribution: { type: "linear" }, thresholdsStyle: { mode: "off" },
  hideFrom: HIDE, barAlignment: 0, barWidthFactor: 0.6, barMaxWidth: undefined, transform: undefined, fillBelowTo: undefined, showValues: false,
};
const CELLS: Custom = {
  align: "auto", displayMode: undefined, cellOptions: { type: "auto" }, inspect: false, filterable: false, minWidth: undefined,
  width: undefined, hidden: undefined, hideHeader: undefined, wrapText: undefined, wrapHeaderText: undefined, footer: undefined, tooltip: undefined, hideFrom: undefined,
};
const BLOCKS: Custom = { lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, hideFrom: HIDE };

const KINDS: Record<string, Kind> = {
  timeseries: { draw: TimeSeriesPanel, palette: FieldColorModeId.PaletteClassic, custom: LINES },
  stat: { draw: StatPanel, palette: FieldColorModeId.Thresholds },
  gauge: { draw: GaugePanel, palette: FieldColorModeId.Thresholds },
  bargauge: { draw: BarGaugePanel, palette: FieldColorModeId.Thresholds },
  table: { draw: TablePanel, palette: FieldColorModeId.Thresholds, custom: CELLS },
  piechart: { draw: PiePanel, palette: FieldColorModeId.PaletteClassic, custom: { hideFrom: HIDE } },
  heatmap: { draw: HeatmapPanel, palette: FieldColorModeId.PaletteClassic, custom: { hideFrom: HIDE, scaleDistribution: undefined } },
  "state-timeline": { draw: StatePanel, palette: FieldColorModeId.Thresholds, custom: BLOCKS },
  "status-history": { draw: HistoryPanel, palette: FieldColorModeId.Thresholds, custom: BLOCKS },
  logs: { draw: LogsPanel, palette: FieldColorModeId.PaletteClassic },
  traces: { draw: TracesPanel, palette: FieldColorModeId.PaletteClassic },
  histogram: { draw: HistogramPanel, palette: FieldColorModeId.PaletteClassic, custom: { ...LINES, lineWidth: 1, fillOpacity: 80 } },
  alertlist: { draw: AlertListPanel, palette: FieldColorModeId.Thresholds, noQuery: true },
  dashlist: { draw: DashListPanel, palette: FieldColorModeId.Thresholds, noQuery: true },
  text: { draw: TextPanel, palette: FieldColorModeId.Thresholds, noQuery: true },
};
/** Old types whose options are close enough to be read by the new ones. */
const SUCCESSORS: Record<string, string> = { graph: "timeseries", singlestat: "stat", "table-old": "table", "grafana-piechart-panel": "piechart" };

const Nothing = () => null;

function make(id: string, kind: Kind): PanelPlugin {
  const plugin = new PanelPlugin(kind.draw);
  plugin.meta = { id, name: id, type: "panel", module: "", baseUrl: "", sort: 0, skipDataQuery: kind.noQuery, info: { logos: { small: "", large: "" }, version: "13.2.2" } } as PanelPlugin["meta"];
  plugin.setDataSupport({ annotations: true, alertStates: false });
  plugin.useFieldConfig({
    standardOptions: { color: { defaultValue: { mode: kind.palette } } } as never,
    useCustomConfig: (builder) => {
      for (const [path, defaultValue] of Object.entries(kind.custom ?? {})) {
        builder.addCustomEditor({
          id: path, path, name: path, defaultValue, editor: Nothing, override: Nothing, shouldApply: () => true,
          process: identityOverrideProcessor as FieldConfigPropertyItem["process"],
        } as never);
      }
    },
  });
  return plugin;
}

const made = new Map<string, PanelPlugin>();

export function getPlugin(id: string): PanelPlugin {
  let plugin = made.get(id);
  if (!plugin) {
    const kind = KINDS[id] ?? { draw: unknownPanel(id), palette: FieldColorModeId.Thresholds, custom: CELLS };
    made.set(id, (plugin = make(id, kind)));
  }
  return plugin;
}

/** The type that draws panels of ``type``. */
export const successor = (type: string): string => SUCCESSORS[type] ?? type;
