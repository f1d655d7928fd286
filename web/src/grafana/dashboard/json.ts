// The parts of a dashboard's JSON that are read here.
import type { DataTransformerConfig, FieldConfigSource } from "@grafana/data";
import type { DataSourceRef } from "@grafana/schema";
import type { SceneDataQuery } from "@grafana/scenes";

export interface LinkJson { title?: string; url?: string; targetBlank?: boolean; type?: string; tags?: string[]; keepTime?: boolean; icon?: string; tooltip?: string }
export interface PanelJson {
  id: number; type: string; title?: string; description?: string; gridPos?: { x: number; y: number; w: number; h: number };
  datasource?: DataSourceRef | string | null; targets?: SceneDataQuery[]; options?: Record<string, unknown>; fieldConfig?: FieldConfigSource;
  transformations?: DataTransformerConfig[]; panels?: PanelJson[]; collapsed?: boolean; transparent?: boolean; interval?: string | null;
  maxDataPoints?: number | null; links?: LinkJson[]; pluginVersion?: string; timeFrom?: string; timeShift?: string; repeat?: string | null; repeatDirection?: string; maxPerRow?: number;
}
export interface VariableJson {
  name: string; type: string; label?: string | null; hide?: number; query?: unknown; datasource?: DataSourceRef | string | null; regex?: string; sort?: number;
  refresh?: number; multi?: boolean; includeAll?: boolean; allValue?: string | null; skipUrlSync?: boolean; description?: string | null;
  current?: { text?: string | string[]; value?: string | string[] } | null; options?: { text: string; value: string }[]; auto?: boolean; auto_count?: number; auto_min?: string;
}
export interface AnnotationJson {
  name: string; enable?: boolean; hide?: boolean; iconColor?: string; datasource?: DataSourceRef | string | null; expr?: string; titleFormat?: string; textFormat?: string;
  step?: string; builtIn?: number; type?: string; tags?: string[]; target?: Record<string, unknown>;
}
/** What the server says about a dashboard. */
export interface DashboardMeta { folderTitle?: string; folderUid?: string; provisioned?: boolean; canSave?: boolean; url?: string; slug?: string; version?: number }
export interface DashboardJson {
  id?: number | null; version?: number; schemaVersion?: number; uid: string; title: string; description?: string; tags?: string[]; panels?: PanelJson[]; templating?: { list?: VariableJson[] }; time?: { from: string; to: string };
  timezone?: string; refresh?: string | false; graphTooltip?: number; links?: LinkJson[]; annotations?: { list?: AnnotationJson[] };
  timepicker?: { refresh_intervals?: string[]; hidden?: boolean }; weekStart?: string;
}

/** A data source as newer dashboards write it; older ones have its name. */
export function reference(source: DataSourceRef | string | null | undefined): DataSourceRef | undefined {
  if (!source) return undefined;
  return typeof source === "string" ? { uid: source } : source;
}
