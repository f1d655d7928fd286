"""The positions file: how far each file was read **and delivered**.

``positions: {"/var/log/x.log": "1234"}`` as Promtail writes it. What Promtail does not keep stands in a second file
beside it (``<name>.ids``): which file (inode, first bytes) the offset belongs to, so that a rotation that happened
while Promtail was down loses nothing.
"""

import logging
import os
import zlib
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger("promtail.positions")
FINGERPRINT_BYTES = 256


class PositionsError(ValueError):
    """The positions file is damaged; the text names it and what to do."""


class Positions:
    """Offsets by path; :meth:`sync` writes them atomically when they changed."""

    def __init__(self, path: Path, *, ignore_invalid: bool = False, read_only: bool = False) -> None:
        self._path = path
        self._ids_path = path.with_name(path.name + ".ids")
        self._read_only = read_only
        self._changed = False
        self._offsets: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        try:
            self._offsets = _read(path)
        except PositionsError:
            if not ignore_invalid:
                raise
        try:
            self._ids = _read(self._ids_path)
        except PositionsError:
            self._ids = {}

    def get(self, key: str) -> int:
        """Offset of a file; 0 when it is not known."""
        value = self._offsets.get(key, "0")
        return int(value) if value.isdigit() else 0

    def get_text(self, key: str) -> str:
        """A position that is no offset (a journal's cursor)."""
        return self._offsets.get(key, "")

    def identity(self, key: str) -> str:
        """Which file the offset belongs to; empty when it is not known."""
        return self._ids.get(key, "")

    def put(self, key: str, offset: int, identity: str) -> None:
        """Note how far a file was delivered."""
        self.put_text(key, str(offset))
        self._ids[key] = identity

    def put_text(self, key: str, value: str) -> None:
        """Note a position that is no offset."""
        if self._offsets.get(key) != value:
            self._offsets[key] = value
            self._changed = True

    def remove(self, key: str) -> None:
        """Forget a file that is gone."""
        self._changed |= self._offsets.pop(key, None) is not None
        self._ids.pop(key, None)

    def sync(self) -> None:
        """Write both files when something changed."""
        if not self._changed or self._read_only:
            return
        self._changed = False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _write(self._ids_path, self._ids)
        _write(self._path, self._offsets)


def identity_of(path: str, size: int | None = None) -> str:
    """``inode:length:crc`` of a file by its first bytes; a longer file with the same beginning is the same file."""
    with open(path, "rb") as file:
        head = file.read(min(FINGERPRINT_BYTES, size if size is not None else FINGERPRINT_BYTES))
        return f"{os.fstat(file.fileno()).st_ino}:{len(head)}:{zlib.crc32(head)}"


def same_file(path: str, identity: str) -> bool:
    """Whether ``path`` is the file that ``identity`` was made of (it may have grown since)."""
    inode, length, checksum = identity.split(":")
    try:
        if os.stat(path).st_ino != int(inode):
            return False
        with open(path, "rb") as file:
            head = file.read(int(length))
    except OSError:
        return False
    return len(head) == int(length) and zlib.crc32(head) == int(checksum)


def _read(path: Path) -> dict[str, str]:
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PositionsError(
            f"{path}: not a positions file ({error}); move it away to read all files anew, or set "
            "positions.ignore_invalid_yaml"
        ) from error
    positions = (data or {}).get("positions") if isinstance(data, dict) or data is None else None
    if not isinstance(positions, dict):
        if data in (None, {}):
            return {}
        raise PositionsError(
            f"{path}: not a positions file (no mapping `positions`); move it away to read all files anew"
        )
    return {str(key): str(value) for key, value in positions.items()}


def _write(path: Path, positions: dict[str, str]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        yaml.safe_dump({"positions": positions}, file, default_flow_style=False, allow_unicode=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
