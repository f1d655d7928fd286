// States over time: one lane a series, equal neighbours joined.
import { css } from "@emotion/css";
import { dateTimeFormat, FieldType, getFieldDisplayName, type Field, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { Empty } from "./Empty";

interface Lane { name: string; spans: Span[] }
interface Span { from: number; to: number; text: string; color: string }

const AXIS = 20, NAMES = 130;
const lane = css({ display: "flex", alignItems: "center" });
const label = css({ width: NAMES, flex: "none", paddingRight: 8, textAlign: "right", overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap", fontSize: 12 });
const track = css({ position: "relative", flex: 1, height: "80%" });
const span = css({ position: "absolute", top: 0, bottom: 0, overflow: "hidden", whiteSpace: "nowrap", fontSize: 12, padding: "0 4px", display: "flex", alignItems: "center" });
const axis = css({ display: "flex", justifyContent: "space-between", height: AXIS, marginLeft: NAMES, fontSize: 11 });

function spansOf(time: Field, field: Field, end: number, join: boolean): Span[] {
  const found: Span[] = [];
  field.values.forEach((value, i) => {
    const at = Number(time.values[i]), next = i + 1 < time.values.length ? Number(time.values[i + 1]) : end;
    const last = found.at(-1);
    if (value === null || value === undefined) return;
    const shown = field.display?.(value);
    const text = shown ? `${shown.prefix ?? ""}${shown.text}${shown.suffix ?? ""}` : String(value), color = shown?.color ?? "gray";
    if (join && last && last.text === text && last.color === color && last.to >= at) last.to = next;
    else found.push({ from: at, to: next, text, color });
  });
  return found;
}

function lanesOf({ data, timeRange }: PanelProps, join: boolean): Lane[] {
  return data.series.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    if (!time) return [];
    return frame.fields.filter((field) => field !== time).map((field) => ({
      name: getFieldDisplayName(field, frame, data.series), spans: spansOf(time, field, timeRange.to.valueOf(), join),
    }));
  });
}

/** Each sample is a cell of its own. */
export const HistoryPanel = (props: PanelProps) => <StatePanel {...props} cells />;

export function StatePanel({ cells = false, ...props }: PanelProps & { cells?: boolean }) {
  const { width, height, timeRange, timeZone, data } = props;
  const lanes = lanesOf(props, !cells);
  if (!lanes.length) return <Empty data={data} noValue={props.fieldConfig.defaults.noValue} />;
  const from = timeRange.from.valueOf(), length = timeRange.to.valueOf() - from || 1;
  const tall = Math.max(18, (height - AXIS) / lanes.length);
  const tick = (share: number) => dateTimeFormat(from + share * length, { timeZone, format: length > 86_400_000 ? "MM/DD HH:mm" : "HH:mm" });
  return (
    <div style={{ width, height, overflowY: "auto" }}>
      {lanes.map((one, i) => (
        <div key={i} className={lane} style={{ height: tall }}>
          <div className={label} title={one.name}>{one.name}</div>
          <div className={track}>
            {one.spans.filter((part) => part.to > from).map((part) => {
              const left = Math.max(0, (100 * (part.from - from)) / length), right = Math.min(100, (100 * (part.to - from)) / length);
              const hint = `${one.name}: ${part.text}\n${dateTimeFormat(part.from, { timeZone })} – ${dateTimeFormat(part.to, { timeZone })}`;
              return (
                <div key={part.from} className={span} title={hint}
                  style={{ left: `${left}%`, width: cells ? `calc(${Math.max(0.1, right - left)}% - 1px)` : `${Math.max(0.1, right - left)}%`, background: part.color, color: config.theme2.colors.getContrastText(part.color) }}>
                  {right - left > 4 ? part.text : ""}
                </div>
              );
            })}
          </div>
        </div>
      ))}
      <div className={axis}>{[0, 0.25, 0.5, 0.75, 1].map((share) => <span key={share}>{tick(share)}</span>)}</div>
    </div>
  );
}
