"""Pipeline stages by name; the stages' options are those of Promtail's documentation."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.stages import edit, flow, label, metric, multiline, parse, timestamp
from pytake.embedded.promtail.stages.base import Context, Options, Stage

__all__ = ["Context", "Stage", "build_stages"]

_SIMPLE: dict[str, Callable[[Options, Context], Stage]] = {
    "json": parse.Json, "logfmt": parse.Logfmt, "regex": parse.Regex, "replace": edit.Replace,
    "template": edit.TemplateStage, "output": edit.Output, "decolorize": edit.Decolorize,
    "timestamp": timestamp.Timestamp, "tenant": label.Tenant, "pack": label.Pack, "drop": flow.Drop,
    "limit": flow.Limit, "sampling": flow.Sampling, "multiline": multiline.Multiline, "cri": multiline.Cri,
    "docker": multiline.Docker,
}  # fmt: skip
_MAPPED: dict[str, Callable[[object, Options, Context], Stage]] = {
    "labels": label.Labels, "structured_metadata": label.StructuredMetadata, "metrics": metric.Metrics,
}  # fmt: skip
REFUSED = {
    "geoip": "needs a MaxMind database; the real Promtail or Alloy does this",
    "eventlogmessage": "is for Windows event logs",
    "non_indexed_labels": "was renamed: use structured_metadata",
}


def build_stages(config: Sequence[dict[str, Any]], where: str, context: Context) -> list[Stage]:
    """Build ``pipeline_stages``; raises :class:`ConfigError` naming the place of a fault or of an unknown stage."""
    stages: list[Stage] = []
    for number, item in enumerate(config):
        place = f"{where}[{number}]"
        if not isinstance(item, dict) or len(item) != 1:
            raise ConfigError(f"{place}: a stage is a mapping with exactly one key, its name")
        ((name, value),) = item.items()
        stages.append(_build(str(name), value, place, context))
    return _fuse(stages)


def _fuse(stages: list[Stage]) -> list[Stage]:
    """Put neighbouring ``replace`` stages together (see :class:`~.edit.ReplaceMany`)."""
    fused: list[Stage] = []
    for together, group in itertools.groupby(stages, lambda stage: isinstance(stage, edit.Replace) and stage.fusible):
        found = list(group)
        fused += [edit.ReplaceMany([s for s in found if isinstance(s, edit.Replace)])] if together else found
    return fused


def _build(name: str, value: Any, place: str, context: Context) -> Stage:
    if name in REFUSED:
        raise ConfigError(f"{place}: stage {name!r} {REFUSED[name]}")
    try:
        if name in _SIMPLE:
            return _SIMPLE[name](Options(name, place, value), context)
        if name in _MAPPED:
            return _MAPPED[name](value, Options(name, place, None), context)
        match name:
            case "labeldrop":
                return label.LabelDrop(label.names(name, place, value))
            case "labelallow":
                return label.LabelAllow(label.names(name, place, value))
            case "static_labels":
                return label.StaticLabels(label.static(place, value))
            case "match":
                return _match(value, place, context)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{place}.{name}: {error}") from error
    raise ConfigError(f"{place}: unknown stage type: {name}")


def _match(value: Any, place: str, context: Context) -> Stage:
    options = Options("match", place, value)
    action = str(options.take("action", "keep"))
    inner = options.take("stages", [])
    if action not in ("keep", "drop"):
        raise options.fail(f"action is keep or drop, not {action!r}")
    if action == "keep" and not inner:
        raise options.fail("action keep needs stages")
    if action == "drop" and inner:
        raise options.fail("action drop takes no stages")
    return flow.Match(options, context, build_stages(inner, f"{options.where}.stages", context), action)
