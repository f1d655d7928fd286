// All dashboards, by folder, found by title or tag.
import { css } from "@emotion/css";
import { Alert, Card, FilterInput, Icon, InlineSwitch, LinkButton, TagList } from "@grafana/ui";
import { useEffect, useMemo, useState } from "react";
import { useParams, useSearchParams } from "react-router-dom";
import { get } from "../runtime/http";

interface Hit { uid: string; title: string; url: string; type: string; tags: string[]; folderUid?: string; folderTitle?: string; isStarred?: boolean }
const folderOf = (hit: Hit) => hit.folderTitle ?? "General";
const head = css({ display: "flex", justifyContent: "space-between", alignItems: "center", padding: "16px 0 8px" });
const page = css({ maxWidth: 900, margin: "0 auto", width: "100%" });

export function SearchPage() {
  const { uid } = useParams();
  const [params, setParams] = useSearchParams();
  const [hits, setHits] = useState<Hit[]>([]);
  const [error, setError] = useState(""), [starred, setStarred] = useState(false);
  const words = params.get("query") ?? "", tag = params.get("tag") ?? "";
  useEffect(() => {
    get<Hit[]>("/api/search?type=dash-db").then(setHits, (failure: Error) => setError(failure.message));
    document.title = "Dashboards - PyTake";
  }, []);
  const folders = useMemo(() => {
    const wanted = hits.filter((hit) => hit.title.toLowerCase().includes(words.toLowerCase()) && (!tag || hit.tags.includes(tag)) && (!starred || hit.isStarred) && (!uid || hit.folderUid === uid));
    return [...new Set(wanted.map(folderOf))].map((name) => [name, wanted.filter((hit) => folderOf(hit) === name)] as const);
  }, [hits, words, tag, uid, starred]);
  const change = (query: string, picked: string) => setParams({ ...(query && { query }), ...(picked && { tag: picked }) }, { replace: true });
  return (
    <div className={page}>
      <div className={head}><h2>Dashboards</h2><LinkButton icon="upload" variant="secondary" href="/dashboard/import">Import</LinkButton></div>
      <FilterInput placeholder="Search for dashboards" value={words} onChange={(text) => change(text, tag)} autoFocus escapeRegex={false} />
      <InlineSwitch label="Starred" showLabel transparent value={starred} onChange={() => setStarred(!starred)} />
      {tag && <p>With the tag <TagList tags={[tag]} onClick={() => change(words, "")} /></p>}
      {error && <Alert title={error} />}
      {folders.map(([folder, found]) => (
        <section key={folder}>
          <h4>{found[0]?.folderUid ? <a href={`/dashboards/f/${found[0].folderUid}`}>{folder}</a> : folder}</h4>
          {found.map((hit) => (
            <Card key={hit.uid} href={hit.url} noMargin style={{ marginBottom: 8 }}>
              <Card.Heading>{hit.title}{hit.isStarred && <Icon name="favorite" style={{ marginLeft: 8 }} title="Starred" />}</Card.Heading>
              <Card.Tags><TagList tags={hit.tags} onClick={(name) => change(words, name)} /></Card.Tags>
            </Card>
          ))}
        </section>
      ))}
      {!folders.length && !error && <p>No dashboard is called so.</p>}
    </div>
  );
}
