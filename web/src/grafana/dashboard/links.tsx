// Links of a panel (its runbook, mostly), shown beside its title.
import { textUtil } from "@grafana/data";
import { SceneObjectBase, sceneGraph, type SceneComponentProps, type SceneObjectState } from "@grafana/scenes";
import { Icon, Tooltip } from "@grafana/ui";
import type { LinkJson } from "./json";

interface State extends SceneObjectState { links: LinkJson[] }

export class PanelLinks extends SceneObjectBase<State> {
  static Component = ({ model }: SceneComponentProps<PanelLinks>) => {
    const { links } = model.useState();
    return (
      <>
        {links.map((link, i) => {
          const title = sceneGraph.interpolate(model, link.title ?? link.url ?? "");
          const href = textUtil.sanitizeUrl(sceneGraph.interpolate(model, link.url ?? ""));
          return (
            <Tooltip key={i} content={title}>
              <a href={href} target={link.targetBlank ? "_blank" : undefined} rel="noreferrer" aria-label={title} style={{ padding: 4 }}><Icon name="external-link-alt" size="sm" /></a>
            </Tooltip>
          );
        })}
      </>
    );
  };
}
