"""What a rule must be beyond valid syntax: the checks of pint's list that matter here, done offline on the catalogue.

Each problem names the check; ``promtool check rules --lint=all`` covers syntax and duplicates within a file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import promql_parser as pp

from pytake.checks.exporters import Sample
from pytake.checks.known import schema
from pytake.checks.promql import COMPARISONS, RATES, Labels, PromQLError, Selector, is_scalar, op, parse, unwrap, walk
from pytake.checks.rules import Rule

SEVERITIES = {"critical": "page", "warning": "ticket", "none": "heartbeat"}
"""Severity and the ``notify`` that goes with it."""
COMPONENTS = frozenset({"api", "worker", "queue", "whatsapp", "ai", "database", "redis", "host", "monitoring"})
TEAMS = frozenset({"platform", "messaging", "ai"})
CAUSES = frozenset({"ours", "meta", "recipient"})
RUNBOOK_URL = "{{{{ $externalLabels.runbooks_url }}}}/{name}.md"
DASHBOARD_URL = re.compile(
    r"\{\{ \$externalLabels\.grafana_url \}\}/d/(?P<uid>[a-z0-9-]+)(\?var-\w+=\{\{ \$labels\.\w+ \}\})?"
)
WITHOUT_HOLD = re.compile(r"Watchdog|HostOutOfMemoryKill|.*Burn(Fast|Slow)")
"""Alerts that may fire at once: their windows are their patience."""

_RECORD = re.compile(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+")
_TEMPLATE_LABEL = re.compile(r"\$labels\.(\w+)")
_REGEX_META = re.compile(r"[.*+?()\[\]|^$\\{}]")
_READS_COUNTERS = RATES | {"changes", "absent", "absent_over_time", "timestamp", "count_over_time"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one rule."""

    rule: Rule
    check: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule.where}: {self.check}: {self.text}"


def lint(rules: list[Rule], known: Mapping[str, Sample]) -> list[Finding]:
    """All findings, in the order of the rules."""
    found: list[Finding] = list(_duplicates(rules))
    for rule in rules:
        try:
            tree = parse(rule.expr)
        except PromQLError as error:
            found.append(Finding(rule, "syntax", str(error)))
            continue
        labels = Labels(schema(known))
        result = labels.of(tree) | frozenset(rule.labels)
        found += [Finding(rule, p.check, p.text) for p in labels.problems]
        found += [Finding(rule, check, text) for check, text in expression(tree, known)]
        checks = alert_conventions(rule, tree, result) if rule.alert else record_name(rule, result)
        found += [Finding(rule, check, text) for check, text in checks]
    return found


Problems = Iterable[tuple[str, str]]


def expression(tree: pp.Expr, known: Mapping[str, Sample]) -> Problems:
    """Checks of any expression: rates of counters only, divisions, regular expressions, bucket bounds, topk."""
    yield from _counters(tree, known)
    for node in walk(tree):
        if isinstance(node, pp.VectorSelector):
            yield from _matchers(Selector.of(node))
        elif isinstance(node, pp.BinaryExpr) and op(node) == "/":
            for side in (unwrap(node.lhs), unwrap(node.rhs)):
                if isinstance(side, pp.Call) and side.func.name in RATES:
                    yield "division", f"aggregate both sides before dividing, or one error reads as 100 %: {side!s}"
        elif isinstance(node, pp.AggregateExpr) and str(node.op) in {"topk", "bottomk"}:
            yield "fragile", f"{node.op!s} in a rule gives series that come and go"


def _counters(tree: pp.Expr, known: Mapping[str, Sample]) -> Problems:
    """rate() wants a counter; a counter wants rate(), or to be compared with itself before (``offset``)."""
    selectors = [n for n in walk(tree) if isinstance(n, pp.VectorSelector)]
    read_right: set[Selector] = set()
    for node in walk(tree):
        if isinstance(node, pp.Call) and node.func.name in _READS_COUNTERS:
            inside = [Selector.of(n) for n in walk(node) if isinstance(n, pp.VectorSelector)]
            read_right.update(inside)
            for name in (name for selector in inside for name in selector.names(known)):
                if node.func.name in RATES and known[name].type == "gauge":
                    yield "rate", f"{node.func.name}() of {name}, which is a gauge"
        elif isinstance(node, pp.AggregateExpr) and str(node.op) == "count":
            read_right.update(Selector.of(n) for n in walk(node) if isinstance(n, pp.VectorSelector))
    before = {Selector.of(n).name for n in selectors if n.offset}
    for selector in map(Selector.of, selectors):
        if selector in read_right or selector.name in before:
            continue
        for name in selector.names(known):
            if known[name].type == "counter":
                yield "counter", f"{name} is a counter: its value means nothing without rate() or increase()"


def _matchers(selector: Selector) -> Problems:
    for label, kind, value in selector.matchers:
        if kind in {"=~", "!~"}:
            if not _REGEX_META.search(value):
                yield "regexp", f"{selector}: {label}{kind}{value!r} is no pattern; use {kind[0]}="[:80]
            if value.startswith("^") or value.endswith("$"):
                yield "regexp", f"{selector}: patterns are anchored already: {value!r}"
        elif label == "le" and value != "+Inf":
            yield "le", f'{selector}: le="{value}" is written differently by Prometheus 2 and 3; use le=~"2|2[.]0"'


def _duplicates(rules: list[Rule]) -> Iterable[Finding]:
    names = Counter((rule.name, tuple(sorted(rule.labels.items()))) for rule in rules if not rule.alert)
    alerts = Counter(rule.name for rule in rules if rule.alert)
    exprs = Counter(" ".join(rule.expr.split()) for rule in rules if not rule.expr.startswith("vector("))
    for rule in rules:
        if not rule.alert and names[rule.name, tuple(sorted(rule.labels.items()))] > 1:
            yield Finding(rule, "duplicate", "another rule records the same series")
        if rule.alert and alerts[rule.name] > 1:
            yield Finding(rule, "duplicate", "another alert has this name; one name, one runbook")
        if exprs[" ".join(rule.expr.split())] > 1:
            yield Finding(rule, "duplicate", "another rule has the same expression")


def record_name(rule: Rule, labels: frozenset[str]) -> Problems:
    """``level:metric:operation``, where the level is made of the labels that the result has."""
    if not _RECORD.fullmatch(rule.name):
        yield "name", "recorded series are called level:metric:operation"
        return
    rest = rule.name.split(":", maxsplit=1)[0]
    for label in sorted(labels - {"le"}, key=len, reverse=True):
        short = label if label in rest else label.rsplit("_", maxsplit=1)[-1]
        if short not in rest:
            yield "name", f"the level {rule.name.split(':')[0]!r} does not name the label {label!r}"
        rest = rest.replace(short, "", 1)
    if rest.replace("le", "").strip("_") and (labels - {"le"} or rest not in {"global", "service"}):
        yield (
            "name",
            f"the level names {rest.strip('_')!r}, which the result has not ({', '.join(sorted(labels))})",
        )


def alert_conventions(rule: Rule, tree: pp.Expr, labels: frozenset[str]) -> Problems:
    """Labels, annotations, patience, and a condition that is one."""
    yield from _alert_labels(rule)
    if (
        not any(isinstance(n, pp.BinaryExpr) and op(n) in COMPARISONS for n in walk(tree))
        and "absent(" not in rule.expr
    ):
        yield "comparison", "without a comparison it fires for as long as the series is there"
    if all(is_scalar(n) for n in [tree]):
        yield "comparison", "a constant is no condition"
    if rule.hold == "0s" and not WITHOUT_HOLD.fullmatch(rule.name):
        yield "for", "fires at the first bad sample; give it a `for`, or add it to lint.WITHOUT_HOLD with the reason"
    yield from _annotations(rule, labels)


def _alert_labels(rule: Rule) -> Problems:
    severity = rule.labels.get("severity", "")
    if SEVERITIES.get(severity) != rule.labels.get("notify"):
        yield (
            "labels",
            f"severity {severity!r} goes with notify {SEVERITIES.get(severity)!r}, not {rule.labels.get('notify')!r}",
        )
    for name, allowed in (("component", COMPONENTS), ("team", TEAMS)):
        if rule.labels.get(name) not in allowed:
            yield "labels", f"{name} {rule.labels.get(name)!r} is none of {', '.join(sorted(allowed))}"
    if rule.labels.get("cause", "ours") not in CAUSES:
        yield "labels", f"cause {rule.labels['cause']!r} is none of {', '.join(sorted(CAUSES))}"


def _annotations(rule: Rule, labels: frozenset[str]) -> Problems:
    for name in ("summary", "description", "runbook_url", "dashboard_url"):
        if not rule.annotations.get(name):
            yield "annotations", f"{name} is missing"
    if rule.annotations.get("runbook_url") != RUNBOOK_URL.format(name=rule.name):
        yield "annotations", f"runbook_url is not {RUNBOOK_URL.format(name=rule.name)!r}"
    if not DASHBOARD_URL.fullmatch(rule.annotations.get("dashboard_url", "")):
        yield (
            "annotations",
            f"dashboard_url {rule.annotations.get('dashboard_url')!r} is not the base address and /d/<uid>",
        )
    for name, text in rule.annotations.items():
        for label in _TEMPLATE_LABEL.findall(text):
            if label not in labels:
                yield "template", f"{name} shows $labels.{label}, which the alert has not ({', '.join(sorted(labels))})"
    if "$value" in rule.annotations.get("summary", ""):
        yield "template", "a summary with a value changes at every evaluation; put it into the description"
