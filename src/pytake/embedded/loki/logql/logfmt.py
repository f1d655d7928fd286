"""logfmt: `key=value key="quoted value" key`."""

from __future__ import annotations

from pytake.embedded.loki.logql.gostrings import unquote


class LogfmtError(ValueError):
    """A pair that is not logfmt; the text says where."""


def parse_logfmt(line: str, *, strict: bool) -> list[tuple[str, str | None]]:
    """Keys and values in order; the value is None for a key that stands alone.

    Strict: LogfmtError at the first mistake. Otherwise wrong pairs are passed over.
    """
    pairs: list[tuple[str, str | None]] = []
    at, size = 0, len(line)
    while at < size:
        if line[at] <= " ":
            at += 1
            continue
        end = at
        while end < size and line[end] > " " and line[end] not in '="':
            end += 1
        key = line[at:end]
        stop = line[end] if end < size else " "
        if stop == '"' or (stop == "=" and not key):
            at = _wrong(line, end, stop, strict=strict)
        elif stop != "=":
            pairs.append((key, None))
            at = end
        elif end + 1 < size and line[end + 1] == '"':
            at = _quoted(line, end + 1, key, pairs, strict=strict)
        else:
            at = _plain(line, end + 1, key, pairs, strict=strict)
    return pairs


def _plain(line: str, at: int, key: str, pairs: list[tuple[str, str | None]], *, strict: bool) -> int:
    end = at
    while end < len(line) and line[end] > " ":
        if line[end] in '="':
            return _wrong(line, end, line[end], strict=strict)
        end += 1
    pairs.append((key, line[at:end]))
    return end


def _quoted(line: str, at: int, key: str, pairs: list[tuple[str, str | None]], *, strict: bool) -> int:
    end, escaped = at + 1, False
    while end < len(line) and line[end] != '"':
        if line[end] == "\\":
            escaped = True
            end += 1
        end += 1
    if end >= len(line):
        return _wrong(line, len(line), "unterminated quoted value", strict=strict)
    body = line[at + 1 : end]
    if escaped:
        try:
            body = unquote(body.replace("\\/", "/"))
        except ValueError:
            return _wrong(line, end, "invalid quoted value", strict=strict)
    if end + 1 < len(line) and line[end + 1] > " ":
        return _wrong(line, end + 1, line[end + 1], strict=strict)
    pairs.append((key, body))
    return end + 1


def _wrong(line: str, at: int, what: str, *, strict: bool) -> int:
    """Where to go on after a mistake."""
    if strict:
        problem = what if len(what) > 1 else f"unexpected {what!r}"
        raise LogfmtError(f"logfmt syntax error at pos {at + 1} : {problem}")
    while at < len(line) and line[at] > " ":
        at += 1
    return at
