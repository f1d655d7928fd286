"""Go's command-line flags: ``-name=value``, ``--name value``, ``-switch``; the real servers take them this way."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BOOLS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class FlagError(ValueError):
    """A flag that does not exist or a value it cannot have; the text is Go's."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: its default decides the type (bool, int, float or str); ``help`` is shown by ``-help``."""

    default: bool | int | float | str
    help: str


def _convert(name: str, flag: Flag, text: str) -> bool | int | float | str:
    try:
        if isinstance(flag.default, bool):
            return _BOOLS[text.lower()]
        return type(flag.default)(text)
    except (KeyError, ValueError):
        raise FlagError(f'invalid value "{text}" for flag -{name}') from None


def parse(argv: Sequence[str], flags: Mapping[str, Flag]) -> dict[str, bool | int | float | str]:
    """Values of all flags (defaults included). Raises :class:`FlagError` on an unknown flag or a bad value."""
    values = {name: flag.default for name, flag in flags.items()}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            raise FlagError(f"unexpected argument: {word}")
        name, equals, text = word.lstrip("-").partition("=")
        flag = flags.get(name)
        if flag is None:
            raise FlagError(f"flag provided but not defined: -{name}")
        if not equals:
            if isinstance(flag.default, bool):
                text = "true"
            elif rest:
                text = rest.pop(0)
            else:
                raise FlagError(f"flag needs an argument: -{name}")
        values[name] = _convert(name, flag, text)
    return values


def usage(program: str, about: str, flags: Mapping[str, Flag]) -> str:
    """The ``-help`` text."""
    lines = [about, "", f"Usage of {program}:"]
    for name, flag in sorted(flags.items()):
        kind = "" if isinstance(flag.default, bool) else f" {type(flag.default).__name__}"
        shown = f" (default {flag.default})" if flag.default not in ("", False) else ""
        lines += [f"  -{name}{kind}", f"        {flag.help}{shown}"]
    return "\n".join(lines)


def parse_or_exit(
    program: str, about: str, flags: Mapping[str, Flag], argv: Sequence[str] | None = None
) -> dict[str, bool | int | float | str]:
    """Parse ``argv`` (default: the process's); ``-help`` exits 0, a mistake prints usage and exits 2, as Go does."""
    words = sys.argv[1:] if argv is None else argv
    if any(word in ("-h", "--h", "-help", "--help") for word in words):
        print(usage(program, about, flags))
        raise SystemExit(0)
    try:
        return parse(words, flags)
    except FlagError as error:
        print(f"{error}\nRun '{program} -help' for the flags.", file=sys.stderr)
        raise SystemExit(2) from None
