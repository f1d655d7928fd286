"""Go's `fmt.Sprintf`."""

from __future__ import annotations

import re
from typing import Any

from pytake.embedded.loki.logql.gostrings import quote
from pytake.embedded.loki.logql.template.values import go_type, show

_VERB = re.compile(r"%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*)?)?(.)?", re.DOTALL)


def sprintf(template: str, *args: Any) -> str:
    """The template with its verbs replaced; mistakes show in the text, as Go shows them."""
    out, at, used = [], 0, 0

    def take() -> Any:
        nonlocal used
        used += 1
        return args[used - 1] if used <= len(args) else _MISSING

    for found in _VERB.finditer(template):
        if found.start() < at:
            continue
        out.append(template[at : found.start()])
        at = found.end()
        flags, width, precision, verb = found.groups()
        if verb is None:
            out.append("%!(NOVERB)")
            continue
        if verb == "%":
            out.append("%")
            continue
        has_precision = "." in found[0][1 + len(flags) : -1]
        wide = take() if width == "*" else int(width or 0)
        exact = take() if precision == "*" else int(precision or 0) if has_precision else None
        out.append(_one(verb, flags, wide, exact, take()))
    out.append(template[at:])
    if used < len(args):
        extra = ", ".join(f"{go_type(arg)}={show(arg)}" for arg in args[used:])
        out.append(f"%!(EXTRA {extra})")
    return "".join(out)


_MISSING = object()


def _one(verb: str, flags: str, width: Any, precision: Any, value: Any) -> str:
    if value is _MISSING:
        return f"%!{verb}(MISSING)"
    text = _convert(verb, flags, precision, value)
    if text is None:
        return f"%!{verb}({go_type(value)}={show(value)})"
    width = int(width)
    if width < 0:
        flags, width = flags + "-", -width
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb not in "qT":
        sign = text[0] if text[:1] in "+-" and isinstance(value, int | float) else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _convert(verb: str, flags: str, precision: int | None, value: Any) -> str | None:  # noqa: PLR0911 - a table of verbs
    if verb == "T":
        return go_type(value)
    if verb == "v":
        return _signed(show(value) if value is not None else "<nil>", flags, value)
    if isinstance(value, bool):
        return show(value) if verb == "t" else None
    if isinstance(value, str):
        return _text(verb, flags, precision, value)
    if isinstance(value, int):
        return _integer(verb, flags, value)
    if isinstance(value, float):
        return _float(verb, flags, precision, value)
    return show(value) if verb == "s" and value is not None else None


def _signed(text: str, flags: str, value: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool) or text[:1] == "-":
        return text
    return ("+" if "+" in flags else " " if " " in flags else "") + text


def _text(verb: str, flags: str, precision: int | None, value: str) -> str | None:
    cut = value if precision is None else value[:precision]
    if verb == "s":
        return cut
    if verb == "q":
        return f"`{cut}`" if "#" in flags and "`" not in cut else quote(cut)
    if verb in "xX":
        digits = cut.encode().hex()
        return digits.upper() if verb == "X" else digits
    return None


def _integer(verb: str, flags: str, value: int) -> str | None:
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    if verb == "d":
        return _signed(str(value), flags, value)
    if verb in "xXob":
        return ("-" if value < 0 else "") + prefix + format(abs(value), verb)
    if verb == "c":
        return chr(value)
    if verb == "q":
        return f"'{chr(value)}'"
    if verb == "U":
        return f"U+{value:04X}"
    return None


def _float(verb: str, flags: str, precision: int | None, value: float) -> str | None:
    if verb not in "feEgGF":
        return None
    if verb in "gG" and precision is None:
        text = show(value)
        return _signed(text.upper() if verb == "G" else text, flags, value)
    spec = f".{6 if precision is None else precision}{verb}"
    return _signed(format(value, spec), flags, value)
