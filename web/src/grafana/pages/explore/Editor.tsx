// The editor of PromQL and LogQL: CodeMirror, in a file of its own because it is large.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, type Extension } from "@codemirror/state";
import { EditorView, keymap, placeholder as ghost, tooltips } from "@codemirror/view";
import { config } from "@grafana/runtime";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { logqlLanguage } from "./logqlLanguage";
import { promqlLanguage } from "./promqlLanguage";

/** `value` is taken over when `revision` changes: what is being typed is never replaced by an older state of itself. */
interface Props { type: string; uid: string; value: string; revision: number; placeholder: string; label: string; onChange: (text: string) => void; onRun: (text: string) => void }

function look(): Extension {
  const { colors, typography, shape, isDark } = config.theme2;
  const by = config.theme2.visualization.getColorByName;
  return [
    EditorView.theme({
      "&.cm-editor": { background: colors.background.primary, color: colors.text.primary, border: `1px solid ${colors.border.medium}`, borderRadius: shape.radius.default, fontSize: "13px", minHeight: "34px" },
      "&.cm-focused": { outline: `2px solid ${colors.primary.main}`, outlineOffset: "1px" },
      ".cm-content": { fontFamily: typography.fontFamilyMonospace, padding: "6px 0", caretColor: colors.text.primary },
      ".cm-cursor": { borderLeftColor: colors.text.primary },
      ".cm-placeholder": { color: colors.text.disabled },
      "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: colors.action.selected },
      ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { background: colors.action.focus, outline: `1px solid ${colors.border.strong}` },
      ".cm-tooltip": { background: colors.background.elevated ?? colors.background.secondary, color: colors.text.primary, border: `1px solid ${colors.border.medium}`, maxWidth: "90vw" },
      ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: typography.fontFamilyMonospace, fontSize: "12px", maxHeight: "260px" },
      ".cm-tooltip-autocomplete ul li[aria-selected]": { background: colors.primary.main, color: colors.primary.contrastText },
      ".cm-completionDetail": { opacity: "0.7" }, ".cm-completionIcon": { display: "none" },
    }, { dark: isDark }),
    syntaxHighlighting(HighlightStyle.define([
      { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: by("purple") },
      { tag: [tags.function(tags.variableName), tags.controlKeyword], color: by("blue") },
      { tag: [tags.labelName, tags.propertyName], color: by(isDark ? "light-blue" : "dark-blue") },
      { tag: tags.string, color: by(isDark ? "light-green" : "dark-green") },
      { tag: [tags.number, tags.unit], color: by("orange") },
      { tag: tags.comment, color: colors.text.disabled },
    ])),
  ];
}

export default function Editor(props: Props) {
  const box = useRef<HTMLDivElement>(null), view = useRef<EditorView>(null);
  const now = useRef(props);
  useEffect(() => { now.current = props; });
  const { type, uid, label, placeholder } = props;
  useEffect(() => {
    const language = new Compartment();
    const run = (held: EditorView) => {
      if (completionStatus(held.state) === "active") return false;
      now.current.onRun(held.state.doc.toString());
      return true;
    };
    const made = new EditorView({
      parent: box.current!,
      state: EditorState.create({
        doc: now.current.value,
        extensions: [
          history(), bracketMatching(), closeBrackets(), autocompletion({ icons: false }), EditorView.lineWrapping, ghost(placeholder), look(),
          tooltips({ position: "fixed", parent: document.body }),
          EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
          Prec.high(keymap.of([{ key: "Mod-Enter", run }, { key: "Shift-Enter", run: insertNewlineAndIndent }, { key: "Enter", run }])),
          keymap.of([...completionKeymap, ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
          language.of(type === "loki" ? logqlLanguage(uid) : promqlLanguage(uid)),
          EditorView.updateListener.of((update) => update.docChanged && now.current.onChange(update.state.doc.toString())),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, [type, uid, label, placeholder]);
  useEffect(() => {
    const held = view.current, { value } = now.current;
    if (held && held.state.doc.toString() !== value) held.dispatch({ changes: { from: 0, to: held.state.doc.length, insert: value } });
  }, [props.revision]);
  return <div ref={box} data-testid="query-editor" style={{ minWidth: 0 }} />;
}
