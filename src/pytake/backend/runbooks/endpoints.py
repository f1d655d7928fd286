"""``/runbooks``: the Markdown files of ``docs/runbooks`` as pages, so that an alert's link works wherever the API runs.

They hold no secrets and an engineer reads them while other things are broken, so they need no key.
"""

import re
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from pytake.backend.problems import Problem
from pytake.backend.resources import current_resources

router = APIRouter(prefix="/runbooks", tags=["runbooks"], include_in_schema=False)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,80}")
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - PyTake runbooks</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root{{color-scheme:dark light}}
body{{font:16px/1.55 Inter,system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1.5rem 1rem 4rem}}
pre{{background:#8882;border-radius:6px;padding:.8rem;overflow-x:auto}} code{{font-size:.88em}}
:not(pre)>code{{background:#8882;border-radius:4px;padding:.1em .3em}}
table{{border-collapse:collapse}} td,th{{border:1px solid #8886;padding:.3rem .6rem;text-align:left}}
</style></head><body><p><a href="/runbooks">All runbooks</a></p>{body}</body></html>"""


def _folder(request: Request) -> Path:
    return current_resources(request).settings.runbooks_dir


@router.get("")
async def index(request: Request) -> HTMLResponse:
    """All runbooks by name."""
    names = sorted(path.stem for path in _folder(request).glob("*.md"))
    items = "".join(f'<li><a href="/runbooks/{escape(name)}.md">{escape(name)}</a></li>' for name in names)
    return HTMLResponse(_PAGE.format(title="Runbooks", body=f"<h1>Runbooks</h1><ul>{items}</ul>"))


@router.get("/{name}")
async def runbook(request: Request, name: str) -> HTMLResponse:
    """One runbook; the ending ``.md`` may be left out."""
    stem = name.removesuffix(".md")
    path = _folder(request) / f"{stem}.md"
    if not _NAME.fullmatch(stem) or not path.is_file():
        raise Problem(404, f"there is no runbook {stem[:80]!r}", kind="not_found")
    return HTMLResponse(_PAGE.format(title=escape(stem), body=_markdown.render(path.read_text(encoding="utf-8"))))
