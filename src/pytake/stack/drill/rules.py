"""The alerts that there are: Prometheus' and those of Loki's ruler, with their labels."""

from pathlib import Path

import yaml

FOLDERS = ("prometheus/rules", "loki/rules")


def alerts(root: Path) -> dict[str, dict[str, str]]:
    """Labels by alert, from the committed rules below ``root``/monitoring."""
    found: dict[str, dict[str, str]] = {}
    for folder in FOLDERS:
        for path in sorted((root / "monitoring" / folder).rglob("*.yml")):
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
                found |= {rule["alert"]: rule["labels"] for rule in group["rules"] if "alert" in rule}
    return found
