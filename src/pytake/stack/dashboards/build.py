"""Writes the dashboards: ``python -m pytake.stack.dashboards.build [--check]`` (``make generate``)."""

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from pytake.stack.dashboards import ai, api, conversation, edits, home, infrastructure, logs, slo, stack, whatsapp
from pytake.stack.dashboards.parts import Board

TARGET = Path("monitoring/grafana/dashboards")
BOARDS: tuple[Board, ...] = (
    home.BOARD, api.BOARD, whatsapp.BOARD, infrastructure.BOARD, ai.BOARD, slo.BOARD, stack.BOARD, logs.BOARD,
    conversation.BOARD,
)  # fmt: skip


def render(board: Board, edited: Path = edits.FOLDER) -> str:
    """The JSON of one dashboard, stable from run to run: what its builder makes, with edits that were pulled."""
    data = edits.apply(built(board), edits.load(board.uid, edited))
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def built(board: Board) -> dict[str, Any]:
    """What the builder alone makes."""
    data: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    data["schemaVersion"] = 39
    data["panels"] = [_clean(panel) for panel in data["panels"]]
    for variable in data["templating"]["list"]:
        variable.pop("id", None)
    data.pop("style", None)
    return data


def _clean(panel: dict[str, Any]) -> dict[str, Any]:
    """Without empty parts that the SDK writes and Grafana does not need."""
    return {
        key: value for key, value in panel.items() if value is not None and not (key == "transformations" and not value)
    }


def main() -> int:
    """Write, or with ``--check`` say what differs; returns the exit code."""
    check = "--check" in sys.argv[1:]
    TARGET.mkdir(parents=True, exist_ok=True)
    stale = []
    for board in BOARDS:
        path, text = TARGET / f"{board.uid}.json", render(board)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} {'differs; run make generate' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
