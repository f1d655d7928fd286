"""What the evaluation of all rules costs with 100 WhatsApp numbers: share of one core, of a private Prometheus.

    python -m bench.rules_cost [--seconds 60] [--full] [--json]

Every metric of the catalogue gets the series of 100 numbers, 100 templates, 50 routes, 15 tables and five values of
every other label (`--full`: all that its budget allows, which no deployment has at once), 20 minutes of samples at
10 s, and an hour of the webhooks; recorded series get what the long windows read (a day of cost, 30 days of
SLO records). `promtool tsdb create-blocks-from openmetrics` makes blocks of it, a Prometheus with the committed rules
evaluates on them and scrapes nothing but itself. Two figures: the process's CPU (rules, appending their results, its
own scrape), and the sum of rule_group_last_duration / interval, which is wall time and suffers from what else runs.
Exit code 0 when the CPU is under 5 % of a core and no rule fails, 1 when not.
"""

import argparse
import itertools
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import httpx

from pytake.checks.rules import RULES
from pytake.telemetry import catalog
from pytake.telemetry.metrics import Metric

LIMIT = 0.05
STEP = 10
MINUTES = 20
SLOS = ("api-availability", "api-success-rate", "api-latency", "whatsapp-delivery")
CLOCK = os.sysconf("SC_CLK_TCK")


MANY = {"whatsapp_instance": 100, "template": 100, "endpoint": 50, "table": 15, "metric": 80}
FEW = 5


def values_of(name: str, spec: Any, full: bool) -> list[str]:
    """Values of one label: all of a closed set and up to the limit of an open one, or what a deployment has."""
    closed = isinstance(spec, type) and issubclass(spec, StrEnum)
    values = [str(member) for member in spec] if closed else [f"v{number}" for number in range(spec.limit)]
    return values if full else values[: MANY.get(name, FEW)]


def label_sets(metric: Metric[Any], full: bool) -> Iterator[str]:
    """Label sets up to the metric's budget; the WhatsApp number varies fastest, so that all of them are there."""
    names = sorted(metric.label_names, key=lambda name: name != "whatsapp_instance", reverse=True)
    product = itertools.product(*(values_of(name, metric.specs[name], full) for name in names))
    job = "pytake-api" if metric.name.startswith(("http_", "websocket_")) else "pytake-worker"
    for values in itertools.islice(product, metric.budget):
        pairs = [f'{name}="{value}"' for name, value in zip(names, values, strict=True)]
        yield ",".join([f'job="{job}"', 'instance="127.0.0.1:1"', *pairs])


def write_series(out: TextIO, name: str, labels: str, times: range, per_step: float) -> None:
    """One series that grows by ``per_step`` a sample (0: a gauge that stays at 1)."""
    out.writelines(
        f"{name}{{{labels}}} {number * per_step if per_step else 1:g} {stamp}\n" for number, stamp in enumerate(times)
    )


def write_catalogue(out: TextIO, now: int, full: bool) -> int:
    """All metrics of ours; returns how many series."""
    series = 0
    short = range(now - MINUTES * 60, now, STEP)
    for metric in (m for m in vars(catalog).values() if isinstance(m, Metric)):
        times = range(now - 3700, now, STEP) if metric is catalog.WEBHOOK_RECEIVED else short
        kind = "counter" if metric.kind == "counter" else "gauge"
        out.write(
            f"# TYPE {metric.name.removesuffix('_total')} {kind if metric.kind != 'histogram' else 'histogram'}\n"
        )
        for labels in label_sets(metric, full):
            if metric.kind != "histogram":
                write_series(out, metric.name, labels, times, 2.0 if kind == "counter" else 0.0)
                series += 1
                continue
            bounds = [*(f"{bound:g}" for bound in metric.bounds), "+Inf"]
            for number, bound in enumerate(bounds, 1):
                write_series(out, f"{metric.name}_bucket", f'{labels},le="{bound}"', times, number / len(bounds))
            series += len(bounds)
    return series


def write_records(out: TextIO, now: int) -> None:
    """What windows of a day and of 30 days read: recorded series, every 30 s."""
    for name in ("slo:sli_bad:rate5m", "slo:sli_total:rate5m"):
        out.write(f"# TYPE {name} gauge\n")
        for slo in SLOS:
            write_series(out, name, f'slo="{slo}"', range(now - 30 * 86400, now, 30), 0.0)
    out.write("# TYPE spender:cost_usd:rate15m gauge\n")
    for spender in ("ai", "whatsapp"):
        write_series(out, "spender:cost_usd:rate15m", f'spender="{spender}"', range(now - 86400, now, 30), 0.0)


def make_blocks(folder: Path, full: bool) -> int:
    """Blocks under ``folder/data`` that end now."""
    text = folder / "series.txt"
    now = int(time.time())
    with text.open("w", encoding="utf-8") as out:
        series = write_catalogue(out, now, full)
        write_records(out, now)
        out.write("# EOF\n")
    print(f"{series} series, {text.stat().st_size / 1e6:.0f} MB of text", file=sys.stderr)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "--max-block-duration=720h", text]
    subprocess.run([*command, folder / "data"], check=True, stdout=subprocess.DEVNULL)
    text.unlink()
    return series


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK


class Prometheus:
    """A private server on the blocks."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shutil.copytree(RULES, folder / "rules")
        config = {
            "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
            "rule_files": ["rules/*.yml"],
            "scrape_configs": [{"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}"
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    "--storage.tsdb.retention.time=60d",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )

    def query(self, text: str) -> list[dict[str, Any]]:
        """Answer of an instant query."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": text}, timeout=30).json()
        return list(answer["data"]["result"])

    def wait(self) -> None:
        """Until it is ready."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/-/ready", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise SystemExit("Prometheus is not ready after a minute")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)


SHARE = "prometheus_rule_group_last_duration_seconds / prometheus_rule_group_interval_seconds"


def measure(seconds: float, full: bool) -> dict[str, Any]:
    """Set up, warm up for two evaluations of the slowest group but one, then measure."""
    with tempfile.TemporaryDirectory(prefix="rules-cost-") as name:
        folder = Path(name)
        series = make_blocks(folder, full)
        server = Prometheus(folder)
        try:
            server.wait()
            time.sleep(40)
            before, started = cpu_seconds(server.process.pid), time.monotonic()
            shares = []
            while time.monotonic() - started < seconds:
                time.sleep(5)
                shares.append(sum(float(row["value"][1]) for row in server.query(SHARE)))
            cpu = (cpu_seconds(server.process.pid) - before) / (time.monotonic() - started)
            failing = server.query("sum(prometheus_rule_evaluation_failures_total)")
            groups = {r["metric"]["rule_group"].rsplit(";")[-1]: float(r["value"][1]) for r in server.query(SHARE)}
            recorded = server.query('count({__name__=~".+:.+"})')
        finally:
            server.stop()
    return {
        "series": series,
        "recorded_series": int(recorded[0]["value"][1]) if recorded else 0,
        "rule_failures": int(failing[0]["value"][1]) if failing else 0,
        "duration_share": round(statistics.median(shares), 4),
        "cpu_share": round(cpu, 4),
        "groups": {name: round(share, 5) for name, share in sorted(groups.items(), key=lambda item: -item[1])},
        "limit": LIMIT,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure")
    parser.add_argument("--full", action="store_true", help="every metric at its series budget")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    found = measure(arguments.seconds, arguments.full)
    fine = found["cpu_share"] < LIMIT and not found["rule_failures"]
    if arguments.json:
        print(json.dumps(found | {"ok": fine}, indent=2))
    else:
        print(
            f"{found['series']} scraped series, {found['recorded_series']} recorded; failures {found['rule_failures']}"
        )
        print(f"CPU of Prometheus     {found['cpu_share']:.2%} of a core (limit {LIMIT:.0%})")
        print(f"duration / interval   {found['duration_share']:.2%} of wall time")
        for name, share in found["groups"].items():
            print(f"  {name:24} {share:.3%}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
