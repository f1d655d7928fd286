// A gauge: an arc with thresholds around its rim.
import { getActiveThreshold, type FieldDisplay, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { VizRepeater } from "@grafana/ui";
import { Empty } from "./Empty";
import { displayValues, hasNumbers, orientationOf, type ValueOptions } from "./values";

interface Options extends ValueOptions { showThresholdMarkers?: boolean; showThresholdLabels?: boolean }
interface GaugeProps { value: FieldDisplay; width: number; height: number; markers: boolean }

const START = -210, SWEEP = 240;
const point = (cx: number, cy: number, r: number, degrees: number) => {
  const angle = (degrees * Math.PI) / 180;
  return `${cx + r * Math.cos(angle)} ${cy + r * Math.sin(angle)}`;
};
/** An arc between two shares (0..1) of the gauge. */
function arc(cx: number, cy: number, r: number, from: number, to: number): string {
  const a = START + from * SWEEP, b = START + to * SWEEP;
  return `M ${point(cx, cy, r, a)} A ${r} ${r} 0 ${b - a > 180 ? 1 : 0} 1 ${point(cx, cy, r, b)}`;
}

function Gauge({ value, width, height, markers }: GaugeProps) {
  const { display, field } = value;
  const named = display.title ? 18 : 0;
  const room = height - named;
  const r = Math.max(10, Math.min(width / 2, room / 1.5) - 10), cx = width / 2, cy = r + 8, thick = r * 0.22;
  const min = field.min ?? 0, max = field.max ?? 100;
  const share = (number: number) => Math.min(1, Math.max(0, (number - min) / (max - min || 1)));
  const steps = field.thresholds?.steps ?? [];
  return (
    <svg width={width} height={height} role="img" aria-label={`${display.title ?? ""} ${display.text}`}>
      <path d={arc(cx, cy, r - thick, 0, 1)} stroke={config.theme2.colors.background.secondary} strokeWidth={thick} fill="none" />
      {Number.isFinite(display.numeric) && share(display.numeric) > 0 && (
        <path d={arc(cx, cy, r - thick, 0, share(display.numeric))} stroke={display.color} strokeWidth={thick} fill="none" />
      )}
      {markers && steps.map((step, i) => {
        const from = share(step.value), to = i + 1 < steps.length ? share(steps[i + 1]!.value) : 1;
        const color = config.theme2.visualization.getColorByName(getActiveThreshold(step.value, steps).color);
        return to > from && <path key={i} d={arc(cx, cy, r - thick * 0.25, from, to)} stroke={color} strokeWidth={thick * 0.2} fill="none" />;
      })}
      <text x={cx} y={cy} textAnchor="middle" dominantBaseline="middle" fill={display.color} fontSize={r * 0.36} fontWeight={500}>
        {display.prefix}{display.text}{display.suffix}
      </text>
      {named > 0 && <text x={cx} y={height - 5} textAnchor="middle" fill={config.theme2.colors.text.primary} fontSize={13}>{display.title}</text>}
    </svg>
  );
}

export function GaugePanel(props: PanelProps<Options>) {
  if (!hasNumbers(props)) return <Empty data={props.data} noValue={props.fieldConfig.defaults.noValue} />;
  return (
    <VizRepeater<FieldDisplay>
      getValues={() => displayValues(props)} source={props.data} renderCounter={props.renderCounter} width={props.width} height={props.height}
      orientation={orientationOf(props)} itemSpacing={8}
      renderValue={({ value, width, height }) => <Gauge value={value} width={width} height={height} markers={props.options.showThresholdMarkers ?? true} />}
    />
  );
}
