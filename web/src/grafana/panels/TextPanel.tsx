import { css } from "@emotion/css";
import { renderMarkdown, textUtil, type PanelProps } from "@grafana/data";

interface Options { mode?: "markdown" | "html" | "code"; content?: string }
const scroll = css({ height: "100%", overflow: "auto" });

export function TextPanel({ options, replaceVariables }: PanelProps<Options>) {
  const text = replaceVariables(options.content ?? "", undefined, "html");
  if (options.mode === "code") return <pre className={scroll}>{replaceVariables(options.content ?? "")}</pre>;
  const html = options.mode === "html" ? textUtil.sanitize(text) : renderMarkdown(text);
  return <div className={`markdown-html ${scroll}`} dangerouslySetInnerHTML={{ __html: html }} />;
}
