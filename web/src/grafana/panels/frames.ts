// Frames that can be drawn as lines over time.
import { cacheFieldDisplayNames, FieldType, isBooleanUnit, sortDataFrame, type DataFrame, type Field } from "@grafana/data";

const DRAWN = new Set([FieldType.number, FieldType.boolean]);

function numeric(field: Field): Field {
  if (field.type !== FieldType.boolean) return field;
  const config = isBooleanUnit(field.config.unit) ? field.config : { ...field.config, unit: "bool", max: 1, min: 0 };
  return { ...field, config, type: FieldType.number, values: field.values.map((value) => (value === null ? null : Number(value))) };
}

/** Each frame's time and numbers, in order of time; frames without either are left out. */
export function lineFrames(series: DataFrame[]): DataFrame[] {
  cacheFieldDisplayNames(series);
  return series.flatMap((frame) => {
    const at = frame.fields.findIndex((field) => field.type === FieldType.time);
    const values = frame.fields.filter((field) => DRAWN.has(field.type));
    if (at < 0 || !values.length || !frame.length) return [];
    const times = frame.fields[at]!.values;
    const ordered = times.every((value, i) => i === 0 || value >= times[i - 1]) ? frame : sortDataFrame(frame, at);
    const fields = ordered.fields.filter((field, i) => i === at || DRAWN.has(field.type)).map(numeric);
    return [{ ...ordered, fields }];
  });
}
