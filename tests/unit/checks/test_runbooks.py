"""Reading runbooks: sections, fences, titles, and what is healthy."""

import math
from pathlib import Path

import pytest

from pytake.checks.runbooks import Condition, RunbookError, load, names

TEXT = """# QueueDeep

## Meaning

Deep.

## Impact

Slow.

## Diagnosis

1. Depth:

```promql
# healthy: < 5
max by (queue) (depth)
```

2. Lines:

```logql
{job="worker"}
```

```bash
ls
```

## Mitigation

- Wait.

```bash
not a query of the diagnosis
```
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "QueueDeep.md").write_text(TEXT)
    (tmp_path / "README.md").write_text("# About")
    return tmp_path


def test_sections_and_queries(folder: Path) -> None:
    runbook = load("QueueDeep", folder)
    assert list(runbook.sections) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert [(q.language, q.title) for q in runbook.queries] == [("promql", "Depth"), ("logql", "Lines"), ("bash", "")]
    first = runbook.of("promql")[0]
    assert (first.text, first.healthy) == ("max by (queue) (depth)", Condition("< 5"))


def test_names_leave_the_readme_out(folder: Path) -> None:
    assert names(folder) == ["QueueDeep"]


def test_an_unknown_name_offers_close_ones(folder: Path) -> None:
    with pytest.raises(RunbookError, match="did you mean QueueDeep"):
        load("deep", folder)
    with pytest.raises(RunbookError, match="--list"):
        load("Nothing", folder)


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ("< 5", 4, True), ("< 5", 5, False), ("<= 5", 5, True), ("> 0.5", 0.6, True), (">= -1", -1, True),
        ("== 1", 1, True), ("== 1", 0, False), ("!= 0", 0, False), ("< 5", math.nan, True), ("< 5", math.inf, False),
        ("nothing", 0, False),
    ],
)  # fmt: skip
def test_conditions(condition: str, value: float, holds: bool) -> None:
    assert Condition(condition).holds(value) is holds


@pytest.mark.parametrize("text", ["below 5", "< five", "", "< 5 and > 2"])
def test_conditions_that_are_none(text: str) -> None:
    with pytest.raises(RunbookError, match="neither"):
        Condition(text)
