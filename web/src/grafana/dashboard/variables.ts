// Variables of a dashboard as scene objects.
import {
  ConstantVariable, CustomVariable, DataSourceVariable, IntervalVariable, QueryVariable, SceneVariableSet, TextBoxVariable, type SceneVariable,
} from "@grafana/scenes";
import { reference, type VariableJson } from "./json";

function variable(json: VariableJson): SceneVariable {
  const common = { name: json.name, label: json.label ?? undefined, hide: json.hide ?? 0, skipUrlSync: json.skipUrlSync, description: json.description ?? undefined };
  const query = typeof json.query === "string" ? json.query : "";
  const several = {
    isMulti: json.multi ?? false, includeAll: json.includeAll ?? false, allValue: json.allValue ?? undefined, defaultToAll: json.includeAll ?? false,
    value: json.current?.value ?? "", text: json.current?.text ?? "",
  };
  switch (json.type) {
    case "query":
      return new QueryVariable({
        ...common, ...several, query: (json.query ?? "") as never, datasource: reference(json.datasource) ?? null, regex: json.regex ?? "",
        sort: json.sort ?? 0, refresh: json.refresh || 1,
      });
    case "datasource":
      return new DataSourceVariable({ ...common, ...several, pluginId: query, regex: json.regex ?? "" });
    case "custom":
      return new CustomVariable({ ...common, ...several, query });
    case "interval":
      return new IntervalVariable({
        ...common, intervals: query.split(",").map((text) => text.trim()).filter(Boolean), value: String(json.current?.value ?? ""), autoEnabled: json.auto ?? false,
        autoStepCount: json.auto_count ?? 30, autoMinInterval: json.auto_min ?? "10s",
      });
    case "textbox":
      return new TextBoxVariable({ ...common, value: String(json.current?.value ?? query) });
    default:
      return new ConstantVariable({ ...common, value: query || String(json.current?.value ?? ""), hide: 2 });
  }
}

export const variableSet = (list: VariableJson[] = []) => new SceneVariableSet({ variables: list.map(variable) });
