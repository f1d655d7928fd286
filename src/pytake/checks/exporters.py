"""What the exporters really expose: captured from running ones into ``data/exporters.json``, and compared with it.

``python -m pytake.checks.exporters capture [NAME=URL ...]`` scrapes the stack that runs on the usual ports (or
the given addresses) and writes the names, types and labels, never values. Series come and go with what an exporter
watches, so a capture adds to what is there unless ``--fresh`` is given.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

FILE = Path(__file__).parent / "data" / "exporters.json"
DOCUMENTED = Path(__file__).parent / "data" / "documented.json"
PROBE = "/probe?module=remote_api&target=https://graph.facebook.com/"
URLS = {
    "node-exporter": "http://127.0.0.1:9100/metrics",
    "redis-exporter": "http://127.0.0.1:9121/metrics",
    "postgres-exporter": "http://127.0.0.1:9187/metrics",
    "blackbox-exporter": "http://127.0.0.1:9115/metrics",
    "probe": "http://127.0.0.1:9115" + PROBE,
    "prometheus": "http://127.0.0.1:9090/metrics",
    "alertmanager": "http://127.0.0.1:9093/metrics",
}


@dataclass(frozen=True)
class Sample:
    """A sample name as a rule would query it: ``_bucket``, ``_sum`` and ``_count`` are names of their own."""

    type: str
    labels: frozenset[str]


Names = dict[str, Sample]


_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+\S+(?:\s+\S+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')
_PARTS = ("_bucket", "_sum", "_count")


def names_of(page: str) -> Names:
    """Sample names of an exposition page (text format 0.0.4), with type and labels.

    Read here rather than with prometheus_client's parser, which adds ``_total`` to counters that lack it: these names
    have to be the ones that Prometheus stores.
    """
    types: dict[str, str] = {}
    found: Names = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(None, 3)
            types[name] = kind
        elif match := _SAMPLE.match(line):
            name, labels = match[1], frozenset(_LABEL.findall(match[2] or ""))
            before = found[name].labels if name in found else frozenset()
            found[name] = Sample(_type(types, name), labels | before)
    return found


def _type(types: dict[str, str], name: str) -> str:
    """A ``counter`` is what rate() may read: also parts of histograms and summaries, but not a summary's quantile."""
    for part in _PARTS:
        if types.get(name.removesuffix(part)) in {"histogram", "summary"} and name.endswith(part):
            return "counter"
    kind = types.get(name, "untyped")
    return "gauge" if kind == "summary" else kind


def load(path: Path = FILE) -> dict[str, Names]:
    """The committed names by exporter."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return {
        exporter: {name: Sample(entry["type"], frozenset(entry["labels"])) for name, entry in names.items()}
        for exporter, names in raw.items()
        if not exporter.startswith("//")
    }


def save(found: dict[str, Names], path: Path = FILE) -> None:
    """Write names as JSON, sorted, one metric a line."""
    exporters = []
    for exporter in sorted(found):
        lines = [
            f"    {json.dumps(name)}: {json.dumps({'type': sample.type, 'labels': sorted(sample.labels)})}"
            for name, sample in sorted(found[exporter].items())
        ]
        exporters.append(f"  {json.dumps(exporter)}: {{\n" + ",\n".join(lines) + "\n  }")
    path.write_text("{\n" + ",\n".join(exporters) + "\n}\n", encoding="utf-8")


def merged(old: Names, new: Names) -> Names:
    """Both; labels are joined, the type is the newer one's."""
    both = dict(old)
    for name, sample in new.items():
        labels = sample.labels | (both[name].labels if name in both else frozenset())
        both[name] = Sample(sample.type, labels)
    return both


def fetch(url: str, client: httpx.Client) -> Names:
    """Scrape one page; raises :class:`httpx.HTTPError`."""
    answer = client.get(url, headers={"Accept": "text/plain;version=0.0.4"})
    answer.raise_for_status()
    return names_of(answer.text)


app = typer.Typer(help="Metric names of the exporters.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Keep ``capture`` a sub-command."""


@app.command()
def capture(
    addresses: Annotated[list[str] | None, typer.Argument(help="NAME=URL; default: the usual ports")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="forget what was captured before")] = False,
) -> None:
    """Scrape running exporters and write their metric names to data/exporters.json."""
    urls: dict[str, str] = dict(pair.split("=", 1) for pair in addresses) if addresses else URLS
    found: dict[str, Any] = {} if fresh or not FILE.exists() else load()
    with httpx.Client(timeout=15) as client:
        for exporter, url in urls.items():
            try:
                names = fetch(url, client)
            except httpx.HTTPError as error:
                typer.echo(f"{exporter}: no answer from {url}: {error}; is the stack running?", err=True)
                raise typer.Exit(1) from error
            found[exporter] = merged(found.get(exporter, {}), names)
            typer.echo(f"{exporter}: {len(names)} names")
    save(found)


if __name__ == "__main__":
    app()
