"""The real servers' configuration files: YAML, ``${VAR:-default}`` expansion, their durations and sizes."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_REFERENCE = re.compile(r"(\$?)\$\{([A-Za-z_]\w*)(?:(:?[-=?])([^}]*))?\}")
_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
    "d": 86400.0, "w": 604800.0, "y": 31536000.0,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w|y)")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]?\s*")


class ConfigError(ValueError):
    """A configuration that cannot be used; the text says which file and key, and what is wrong."""


def expand_env(text: str, env: Mapping[str, str] | None = None) -> str:
    """Replace ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}`` as ``-config.expand-env`` does.

    An undefined name is empty; ``$${NAME}`` stays ``${NAME}``; a doubled backslash becomes one.
    """
    variables = os.environ if env is None else env

    def replace(match: re.Match[str]) -> str:
        escaped, name, operator, argument = match.groups()
        if escaped:
            return match.group(0)[1:]
        value = variables.get(name)
        missing = value is None or (value == "" and (operator or "").startswith(":"))
        if missing and operator and operator.endswith("?"):
            raise ConfigError(f"{name}: {argument or 'not set'}")
        return (argument or "") if missing else str(value)

    return _REFERENCE.sub(replace, text).replace("\\\\", "\\")


def load_yaml(path: Path, *, expand: bool) -> dict[str, Any]:
    """Read a YAML mapping; raises :class:`ConfigError` naming the file (unreadable, bad YAML, not a mapping)."""
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.safe_load(expand_env(text) if expand else text)
    except (OSError, yaml.YAMLError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping at the top, found {type(data).__name__}")
    return data


def parse_duration(text: str | float) -> float:
    """Seconds of a Go or Prometheus duration: ``90s``, ``1h30m``, ``7d``, ``0``; raises :class:`ConfigError`."""
    if isinstance(text, int | float):
        return float(text)
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    if body == "0":
        return 0.0
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ConfigError(f'not a valid duration string: "{text}"')
    return sign * sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(text: str | float) -> int:
    """Bytes of a size: ``4MB``, ``512KiB``, ``1GB``, ``4096``. As in Loki all units are powers of 1024."""
    if isinstance(text, int | float):
        return int(text)
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ConfigError(f'not a valid size: "{text}"')
    number, unit, _ = match.groups()
    return int(float(number) * 1024 ** " kmgt".index(unit.lower() or " "))
