// Links of a dashboard: other dashboards by tag, or an address.
import { textUtil } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { Dropdown, LinkButton, Menu, ToolbarButton } from "@grafana/ui";
import { useEffect, useState } from "react";
import { get } from "../runtime/http";
import type { LinkJson } from "./json";

interface Hit { title: string; url: string }

/** The time range of the address goes along where the link asks for it. */
const kept = (url: string, link: LinkJson) => {
  const { from, to } = locationService.getSearchObject();
  return link.keepTime && from && to ? `${url}?from=${String(from)}&to=${String(to)}` : url;
};

function Tagged({ link }: { link: LinkJson }) {
  const [hits, setHits] = useState<Hit[]>([]);
  useEffect(() => {
    const tags = (link.tags ?? []).map((tag) => `&tag=${encodeURIComponent(tag)}`).join("");
    get<Hit[]>(`/api/search?type=dash-db${tags}`).then(setHits, () => setHits([]));
  }, [link]);
  const menu = () => <Menu>{hits.map((hit) => <Menu.Item key={hit.url} label={hit.title} onClick={() => locationService.push(kept(hit.url, link))} />)}</Menu>;
  return <Dropdown overlay={menu}><ToolbarButton variant="canvas" icon="apps" isOpen={false}>{link.title ?? "Dashboards"}</ToolbarButton></Dropdown>;
}

export function DashboardLinks({ links }: { links: LinkJson[] }) {
  return (
    <>
      {links.map((link, i) => link.type === "dashboards"
        ? <Tagged key={i} link={link} />
        : <LinkButton key={i} variant="secondary" icon="external-link-alt" href={textUtil.sanitizeUrl(kept(link.url ?? "", link))} target={link.targetBlank ? "_blank" : undefined}>{link.title}</LinkButton>)}
    </>
  );
}
