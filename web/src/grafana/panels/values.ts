// Single values of a panel: what stat, gauge, bar gauge and pie have in common.
import { FieldType, getFieldDisplayValues, VizOrientation, type FieldDisplay, type PanelProps, type ReduceDataOptions } from "@grafana/data";
import { config } from "@grafana/runtime";

export interface ValueOptions { reduceOptions?: Partial<ReduceDataOptions>; orientation?: VizOrientation; text?: object }

export function displayValues(props: PanelProps, sparkline = false): FieldDisplay[] {
  const options = props.options as ValueOptions;
  const reduce = { values: false, ...options.reduceOptions };
  if (!reduce.calcs?.length) reduce.calcs = ["lastNotNull"];
  return getFieldDisplayValues({
    fieldConfig: props.fieldConfig, reduceOptions: reduce as ReduceDataOptions, replaceVariables: props.replaceVariables,
    theme: config.theme2, data: props.data.series, sparkline, timeZone: props.timeZone,
  });
}

/** The orientation that "auto" means for this size. */
export function orientationOf(props: PanelProps): VizOrientation {
  const wanted = (props.options as ValueOptions).orientation ?? VizOrientation.Auto;
  if (wanted !== VizOrientation.Auto) return wanted;
  return props.width > props.height ? VizOrientation.Vertical : VizOrientation.Horizontal;
}

export const hasNumbers = (props: PanelProps): boolean =>
  props.data.series.some((frame) => frame.length > 0 && frame.fields.some((field) => field.type !== FieldType.time));
