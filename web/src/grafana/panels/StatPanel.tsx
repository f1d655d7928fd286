import { getDisplayValueAlignmentFactors, VizOrientation, type FieldDisplay, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { BigValueTextMode } from "@grafana/schema";
import { BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, VizRepeater } from "@grafana/ui";
import { Empty } from "./Empty";
import { displayValues, hasNumbers, type ValueOptions } from "./values";

interface Options extends ValueOptions {
  colorMode?: BigValueColorMode; graphMode?: BigValueGraphMode; justifyMode?: BigValueJustifyMode; textMode?: BigValueTextMode;
}

/** Few rows are all value: the default padding would leave tiny text. */
const LOW = 70;

export function StatPanel(props: PanelProps<Options>) {
  const { options, width, height, data } = props;
  if (!hasNumbers(props)) return <Empty data={data} noValue={props.fieldConfig.defaults.noValue} />;
  const graph = options.graphMode ?? BigValueGraphMode.Area;
  const extra = height < LOW ? 12 : 0;
  const orientation = options.orientation ?? VizOrientation.Auto;
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      getValues={() => displayValues(props, graph !== BigValueGraphMode.None)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={data} renderCounter={props.renderCounter} width={width} height={height} orientation={orientation}
      itemSpacing={3} autoGrid={orientation === VizOrientation.Auto}
      renderValue={({ value, width: w, height: h, count, alignmentFactors }) => {
        const link = value.hasLinks ? value.getLinks?.()[0] : undefined;
        const drawn = (
          <BigValue
            value={value.display} count={count} width={w} height={h + extra} sparkline={value.sparkline} alignmentFactors={alignmentFactors}
            colorMode={options.colorMode ?? BigValueColorMode.Value} graphMode={graph} textMode={options.textMode ?? BigValueTextMode.Auto}
            justifyMode={options.justifyMode ?? BigValueJustifyMode.Auto} theme={config.theme2} text={options.text}
          />
        );
        return link ? <a href={link.href} target={link.target} title={link.title}>{drawn}</a> : drawn;
      }}
    />
  );
}
