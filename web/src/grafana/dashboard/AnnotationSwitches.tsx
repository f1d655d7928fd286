// One switch for each annotation of a dashboard (the library's own shows them without names).
import { SceneDataLayerSet, type SceneDataLayerProvider, type SceneObject } from "@grafana/scenes";
import { InlineSwitch } from "@grafana/ui";

function Switch({ layer }: { layer: SceneDataLayerProvider }) {
  const { name, isEnabled, isHidden } = layer.useState();
  if (isHidden) return null;
  return <InlineSwitch label={name} showLabel value={isEnabled ?? false} onChange={() => layer.setState({ isEnabled: !isEnabled })} />;
}

export function AnnotationSwitches({ scene }: { scene: SceneObject }) {
  const held = scene.state.$data;
  if (!(held instanceof SceneDataLayerSet)) return null;
  return <>{held.state.layers.map((layer) => <Switch key={layer.state.key} layer={layer} />)}</>;
}
