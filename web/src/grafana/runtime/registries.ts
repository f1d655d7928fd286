// What a field may be configured with, and which transformations there are.
import {
  booleanOverrideProcessor, dataLinksOverrideProcessor, displayNameOverrideProcessor, identityOverrideProcessor,
  numberOverrideProcessor, standardEditorsRegistry, standardFieldConfigEditorRegistry, standardTransformers,
  standardTransformersRegistry, stringOverrideProcessor, thresholdsOverrideProcessor, ThresholdsMode, unitOverrideProcessor,
  valueMappingsOverrideProcessor, monacoLanguageRegistry, type DataTransformerInfo, type FieldConfigPropertyItem,
  type TransformerRegistryItem,
} from "@grafana/data";

const Nothing = () => null;
type Process = FieldConfigPropertyItem["process"];

function item(id: string, process: unknown, defaultValue?: unknown): FieldConfigPropertyItem {
  return {
    id, path: id, name: id, description: id, editor: Nothing, override: Nothing, process: process as Process,
    shouldApply: () => true, settings: {}, defaultValue,
  } as FieldConfigPropertyItem;
}

const STANDARD: FieldConfigPropertyItem[] = [
  item("unit", unitOverrideProcessor), item("min", numberOverrideProcessor), item("max", numberOverrideProcessor),
  item("decimals", numberOverrideProcessor), item("displayName", displayNameOverrideProcessor),
  item("noValue", stringOverrideProcessor), item("color", identityOverrideProcessor),
  item("thresholds", thresholdsOverrideProcessor, {
    mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: "green" }, { value: 80, color: "red" }],
  }),
  item("mappings", valueMappingsOverrideProcessor, []), item("links", dataLinksOverrideProcessor),
  item("filterable", booleanOverrideProcessor), item("fieldMinMax", booleanOverrideProcessor),
];

/** scenes reads `.transformation.operator`, @grafana/data calls `.transformation()`: this answers both. */
function transformer(info: DataTransformerInfo): TransformerRegistryItem {
  const transformation = Object.assign(() => Promise.resolve(info), { id: info.id, defaultOptions: info.defaultOptions, operator: info.operator });
  return { id: info.id, name: info.name, editor: Nothing, transformation, imageDark: "", imageLight: "" };
}

export function fillRegistries(): void {
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() => STANDARD);
  // some stand there under an old name too, with the same id
  const transformers = new Map((Object.values(standardTransformers) as DataTransformerInfo[]).map((info) => [info.id, info]));
  standardTransformersRegistry.setInit(() => [...transformers.values()].map(transformer));
  monacoLanguageRegistry.setInit(() => []);
}
