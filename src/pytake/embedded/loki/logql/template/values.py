"""Values as Go prints, tests and converts them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pytake.embedded.loki.logql.units import parse_float


def truth(value: Any) -> bool:
    """Go templates' truth: nothing, zero and empty are false."""
    if value is None:
        return False
    if isinstance(value, bool | int | float):
        return bool(value)
    if isinstance(value, str | list | tuple | Mapping):
        return len(value) > 0
    return True


def show_float(value: float) -> str:
    """`%v` of a float64: shortest digits, exponents below 1e-4 and from 1e21."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    exact = Decimal(repr(value))
    power = exact.adjusted()
    if -4 <= power < 21:
        text = f"{exact:f}"
        return text.rstrip("0").removesuffix(".") if "." in text else text
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if value < 0 else ''}{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def show(value: Any) -> str:  # noqa: PLR0911 - one return a case
    """`%v`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, list | tuple):
        return "[" + " ".join("<nil>" if item is None else show(item) for item in value) + "]"
    if isinstance(value, Mapping):
        body = " ".join(f"{key}:{'<nil>' if value[key] is None else show(value[key])}" for key in sorted(value))
        return f"map[{body}]"
    return str(value)


def to_int(value: Any) -> int:
    """`int64` of anything, 0 where it is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else -(2**63)
    if isinstance(value, int):
        return wrap(value)
    try:
        text = str(value)
        head, dot, tail = text.partition(".")
        if dot and tail.strip("0") == "":
            text = head
        return int(text, 0) if text.lstrip("+-")[:2].lower() in ("0x", "0b", "0o") else int(text)
    except ValueError:
        return 0


def wrap(value: int) -> int:
    """The value in 64 bits."""
    return (value + 2**63) % 2**64 - 2**63


def to_float(value: Any) -> float:
    """`float64` of anything, 0 where it is none."""
    if isinstance(value, bool | int | float):
        return float(value)
    parsed = parse_float(value) if isinstance(value, str) else None
    return 0.0 if parsed is None else parsed


def to_text(value: Any) -> str:
    """The value of a string parameter; Go refuses anything else."""
    if isinstance(value, str):
        return value
    raise TypeError(f"wrong type for value; expected string; got {go_type(value)}")


def go_type(value: Any) -> str:
    """Go's name of the value's type."""
    names = {str: "string", bool: "bool", int: "int", float: "float64", list: "[]interface {}"}
    if value is None:
        return "<nil>"
    if isinstance(value, Mapping):
        return "map[string]interface {}"
    return names.get(type(value), "time.Time")
