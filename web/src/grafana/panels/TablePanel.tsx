import { cacheFieldDisplayNames, FieldType, type DataFrame, type PanelProps } from "@grafana/data";
import { Select } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { useMemo, useState } from "react";
import { Empty } from "./Empty";

interface Options { frameIndex?: number; showHeader?: boolean; sortBy?: { displayName: string; desc?: boolean }[]; cellHeight?: never }

const PICKER = 36;

/** Columns that hold objects are shown as JSON; hidden columns are left out. */
function shown(frame: DataFrame): DataFrame {
  const fields = frame.fields.filter((field) => !field.config.custom?.hidden).map((field) =>
    field.type === FieldType.other ? { ...field, type: FieldType.string, values: field.values.map((value) => JSON.stringify(value)) } : field);
  return { ...frame, fields };
}

export function TablePanel({ data, width, height, options, timeRange, fieldConfig }: PanelProps<Options>) {
  const [picked, pick] = useState(options.frameIndex ?? 0);
  const frames = useMemo(() => {
    cacheFieldDisplayNames(data.series);
    return data.series.filter((frame) => frame.fields.length);
  }, [data.series]);
  const index = Math.min(picked, frames.length - 1);
  const frame = useMemo(() => (frames[index] ? shown(frames[index]) : undefined), [frames, index]);
  if (!frame?.length) return <Empty data={data} noValue={fieldConfig.defaults.noValue} />;
  const several = frames.length > 1;
  return (
    <>
      <TableNG
        data={frame} width={width} height={height - (several ? PICKER : 0)} noHeader={options.showHeader === false} sortBy={options.sortBy} resizable
        timeRange={timeRange} fieldConfig={fieldConfig} structureRev={data.structureRev} cellHeight={options.cellHeight}
      />
      {several && <Select options={frames.map((one, i) => ({ label: one.name ?? one.refId ?? `Frame ${i}`, value: i }))} value={index} onChange={(choice) => pick(choice.value ?? 0)} />}
    </>
  );
}
