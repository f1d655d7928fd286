// A link to what is seen, with its time and variables; and the same as a picture.
import { css } from "@emotion/css";
import { locationService } from "@grafana/runtime";
import { sceneGraph, type SceneObject } from "@grafana/scenes";
import { ClipboardButton, Drawer, Field, InlineSwitch, Input, LinkButton } from "@grafana/ui";
import { useState } from "react";

interface Props { scene: SceneObject; uid: string; panel?: string; title: string }

const column = css({ display: "flex", flexDirection: "column", gap: 8 });
const GONE = ["shareView", "inspect", "inspectTab", "editview", "kiosk"];
const theme = () => (document.documentElement.style.colorScheme || localStorage.getItem("pytake.theme")) ?? "dark";

/** The address of what is seen; a fixed time stays what it is now. */
function addresses({ scene, uid, panel }: Props, fixed: boolean): { link: string; image: string } {
  const url = new URL(location.href);
  GONE.forEach((name) => url.searchParams.delete(name));
  const { from, to, value } = sceneGraph.getTimeRange(scene).state;
  url.searchParams.set("from", fixed ? String(value.from.valueOf()) : from);
  url.searchParams.set("to", fixed ? String(value.to.valueOf()) : to);
  if (panel) url.searchParams.set("viewPanel", panel);
  const image = new URL(url);
  const slug = location.pathname.split("/")[3] ?? "_";
  image.searchParams.delete("viewPanel");
  image.searchParams.set("theme", theme());
  image.searchParams.set("width", "1200");
  if (panel) image.searchParams.set("panelId", panel.replace("panel-", ""));
  image.searchParams.set("height", panel ? "600" : "1600");
  image.pathname = `/render/${panel ? "d-solo" : "d"}/${uid}/${slug}`;
  return { link: url.href, image: image.href };
}

export default function ShareDrawer(props: Props) {
  const [fixed, fix] = useState(true);
  const { link, image } = addresses(props, fixed);
  return (
    <Drawer title={`Share: ${props.title}`} size="sm" onClose={() => locationService.partial({ shareView: null })}>
      <div className={column}>
        <InlineSwitch label="Lock the time range" showLabel value={fixed} onChange={() => fix(!fixed)} />
        <Field label="Link" noMargin><Input readOnly value={link} aria-label="Link" addonAfter={<ClipboardButton icon="copy" getText={() => link}>Copy</ClipboardButton>} /></Field>
        <Field label="Picture (PNG)" description="Drawn by the server; needs its Chromium." noMargin><Input readOnly value={image} aria-label="Picture" addonAfter={<ClipboardButton icon="copy" getText={() => image}>Copy</ClipboardButton>} /></Field>
        <LinkButton href={image} target="_blank" icon="camera" variant="secondary">Open the picture</LinkButton>
      </div>
    </Drawer>
  );
}
