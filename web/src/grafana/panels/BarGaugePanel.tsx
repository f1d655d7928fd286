import { getDisplayValueAlignmentFactors, VizOrientation, type FieldDisplay, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode } from "@grafana/schema";
import { BarGauge, VizRepeater } from "@grafana/ui";
import { Empty } from "./Empty";
import { displayValues, hasNumbers, type ValueOptions } from "./values";

interface Options extends ValueOptions {
  displayMode?: BarGaugeDisplayMode; valueMode?: BarGaugeValueMode; namePlacement?: BarGaugeNamePlacement;
  showUnfilled?: boolean; minVizWidth?: number; minVizHeight?: number; maxVizHeight?: number;
}

export function BarGaugePanel(props: PanelProps<Options>) {
  const { options, data } = props;
  if (!hasNumbers(props)) return <Empty data={data} noValue={props.fieldConfig.defaults.noValue} />;
  const wanted = options.orientation ?? VizOrientation.Auto;
  const orientation = wanted === VizOrientation.Auto ? (props.width > props.height * 1.5 ? VizOrientation.Horizontal : VizOrientation.Vertical) : wanted;
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      getValues={() => displayValues(props)} getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={data} renderCounter={props.renderCounter} width={props.width} height={props.height} orientation={orientation}
      itemSpacing={options.displayMode === BarGaugeDisplayMode.Lcd ? 2 : 10}
      minVizWidth={options.minVizWidth ?? 8} minVizHeight={options.minVizHeight ?? 16} maxVizHeight={options.maxVizHeight ?? 60}
      renderValue={({ value, width, height, alignmentFactors, orientation: way }) => (
        <BarGauge
          value={value.display} width={width} height={height} orientation={way} field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)} theme={config.theme2} alignmentFactors={alignmentFactors}
          itemSpacing={10} lcdCellWidth={8} displayMode={options.displayMode ?? BarGaugeDisplayMode.Gradient} text={options.text}
          valueDisplayMode={options.valueMode} namePlacement={options.namePlacement ?? BarGaugeNamePlacement.Auto} showUnfilled={options.showUnfilled ?? true}
        />
      )}
    />
  );
}
