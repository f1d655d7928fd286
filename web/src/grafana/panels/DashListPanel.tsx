// Dashboards: starred, visited lately, or found by tag and words.
import { css } from "@emotion/css";
import type { PanelProps } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { Icon, LoadingPlaceholder } from "@grafana/ui";
import { useEffect, useState } from "react";
import { get } from "../runtime/http";
import { visited } from "../runtime/visited";

interface Options { showStarred?: boolean; showRecentlyViewed?: boolean; showSearch?: boolean; showHeadings?: boolean; includeVars?: boolean; keepTime?: boolean; maxItems?: number; query?: string; tags?: string[]; folderUID?: string }
interface Hit { uid: string; title: string; url: string; folderTitle?: string; isStarred?: boolean }
type Part = readonly [string, Hit[]];

const list = css({ listStyle: "none", li: { padding: "4px 0", display: "flex", gap: 8 }, small: { opacity: 0.7 } });

async function partsOf(options: Options, words: string): Promise<Part[]> {
  const most = options.maxItems ?? 10;
  const all = await get<Hit[]>("/api/search?type=dash-db");
  const parts: Part[] = [];
  if (options.showStarred) parts.push(["Starred dashboards", all.filter((hit) => hit.isStarred).slice(0, most)]);
  if (options.showRecentlyViewed) {
    parts.push(["Recently viewed dashboards", visited().flatMap((uid) => all.find((hit) => hit.uid === uid) ?? []).slice(0, most)]);
  }
  if (options.showSearch) {
    const params = new URLSearchParams([["type", "dash-db"], ["query", words], ["limit", String(most)], ...(options.tags ?? []).map((tag) => ["tag", tag]), ...(options.folderUID ? [["folderUIDs", options.folderUID]] : [])]);
    parts.push(["Search", await get<Hit[]>(`/api/search?${params}`)]);
  }
  return parts;
}

/** Time and variables go along where the panel says so. */
function address(url: string, { keepTime, includeVars }: Options): string {
  const kept = [...new URLSearchParams(locationService.getLocation().search)].filter(([name]) => (keepTime && (name === "from" || name === "to")) || (includeVars && name.startsWith("var-")));
  return kept.length ? `${url}?${new URLSearchParams(kept)}` : url;
}

export function DashListPanel({ options, replaceVariables }: PanelProps<Options>) {
  const [parts, setParts] = useState<Part[]>(), [error, setError] = useState("");
  const words = replaceVariables(options.query ?? "");
  useEffect(() => { partsOf(options, words).then(setParts, (failure: Error) => setError(failure.message)); }, [options, words]);
  if (error) return <div data-testid="panel-error">{error}</div>;
  if (!parts) return <LoadingPlaceholder text="" />;
  return (
    <div style={{ height: "100%", overflow: "auto" }}>
      {parts.map(([title, hits]) => (
        <section key={title}>
          {options.showHeadings !== false && <h6>{title}</h6>}
          <ul className={list}>
            {hits.map((hit) => (
              <li key={hit.uid}>
                <a href={address(hit.url, options)} onClick={(event) => { event.preventDefault(); locationService.push(address(hit.url, options)); }}>{hit.title}</a>
                <small>{hit.folderTitle ?? "General"}</small>{hit.isStarred && <Icon name="favorite" size="sm" />}
              </li>
            ))}
            {!hits.length && <li><small>None</small></li>}
          </ul>
        </section>
      ))}
    </div>
  );
}
