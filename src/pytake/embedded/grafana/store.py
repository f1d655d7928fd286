"""Grafana's state in SQLite: users, sessions, tokens, preferences, stars, saved dashboards, folders, annotations.

Provisioned dashboards are not in it: a lost state file loses none of them.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, login TEXT UNIQUE NOT NULL,
  email TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', password TEXT NOT NULL, role TEXT NOT NULL,
  admin INTEGER NOT NULL DEFAULT 0, disabled INTEGER NOT NULL DEFAULT 0, must_change INTEGER NOT NULL DEFAULT 0,
  created REAL NOT NULL, theme TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE, created REAL NOT NULL, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS service_accounts (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, role TEXT NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES service_accounts ON DELETE CASCADE, name TEXT NOT NULL,
  token TEXT UNIQUE NOT NULL, created REAL NOT NULL, expires REAL);
CREATE TABLE IF NOT EXISTS folders (uid TEXT PRIMARY KEY, title TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS dashboards (id INTEGER PRIMARY KEY, uid TEXT UNIQUE NOT NULL, title TEXT NOT NULL,
  folder_uid TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
  created_by TEXT NOT NULL, updated_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (uid TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL,
  message TEXT NOT NULL, created REAL NOT NULL, created_by TEXT NOT NULL, PRIMARY KEY (uid, version));
CREATE TABLE IF NOT EXISTS annotations (id INTEGER PRIMARY KEY, dashboard_uid TEXT, panel_id INTEGER,
  time INTEGER NOT NULL, time_end INTEGER NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL, login TEXT NOT NULL,
  created REAL NOT NULL);
"""
MIGRATIONS = (
    SCHEMA,
    """
CREATE TABLE preferences (owner TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE stars (owner TEXT NOT NULL, uid TEXT NOT NULL, PRIMARY KEY (owner, uid));
ALTER TABLE annotations ADD COLUMN updated REAL NOT NULL DEFAULT 0;
ALTER TABLE annotations ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
""",
)
"""Steps from an empty file to today's tables; the file's ``user_version`` says how many it has seen."""
Row = dict[str, Any]


def digest(token: str) -> str:
    """How tokens and sessions are kept: whoever reads the file cannot use them."""
    return sha256(token.encode()).hexdigest()


class Store:
    """The database; one connection, used from one thread."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._migrate()
        if path is not None:
            path.chmod(0o600)

    def _migrate(self) -> None:
        (seen,) = self._db.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(MIGRATIONS[seen:], seen + 1):
            self._db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row."""
        row = self._db.execute(sql, values).fetchone()
        return dict(row) if row else None

    def all(self, sql: str, *values: Any, **named: Any) -> list[Row]:
        """All rows; values stand for ``?`` or, by name, for ``:name``."""
        return [dict(row) for row in self._db.execute(sql, named or values)]

    def run(self, sql: str, *values: Any) -> int:
        """Change something; gives the id of an inserted row."""
        return int(self._db.execute(sql, values).lastrowid or 0)

    def changed(self, sql: str, *values: Any) -> int:
        """Change something; gives the number of rows."""
        return self._db.execute(sql, values).rowcount

    # ---------------------------------------------------------------------------------------------------- dashboards
    def save_dashboard(self, data: dict[str, Any], folder_uid: str, login: str, message: str) -> Row:
        """Insert or update by uid, keeping every version; returns the stored row."""
        uid, now = data["uid"], time.time()
        with self.transaction():
            before = self.one("SELECT * FROM dashboards WHERE uid = ?", uid)
            version = (before["version"] if before else 0) + 1
            text = json.dumps({**data, "version": version})
            if before:
                self.run(
                    "UPDATE dashboards SET title=?, folder_uid=?, version=?, data=?, updated=?, updated_by=?"
                    " WHERE uid=?",
                    data["title"],
                    folder_uid,
                    version,
                    text,
                    now,
                    login,
                    uid,
                )
            else:
                self.run(
                    "INSERT INTO dashboards"
                    " (uid, title, folder_uid, version, data, created, updated, created_by, updated_by)"
                    " VALUES (?,?,?,?,?,?,?,?,?)",
                    uid,
                    data["title"],
                    folder_uid,
                    version,
                    text,
                    now,
                    now,
                    login,
                    login,
                )
            self.run("INSERT INTO versions VALUES (?,?,?,?,?,?)", uid, version, text, message, now, login)
        found = self.one("SELECT * FROM dashboards WHERE uid = ?", uid)
        assert found is not None
        return found

    def delete_dashboards(self, where: str, value: str) -> None:
        """Delete the dashboards whose ``uid`` or ``folder_uid`` is ``value``, with all that belongs to them."""
        with self.transaction():
            for row in self.all(f"SELECT uid FROM dashboards WHERE {where} = ?", value):  # noqa: S608 (a constant)
                self.run("DELETE FROM dashboards WHERE uid = ?", row["uid"])
                self.run("DELETE FROM versions WHERE uid = ?", row["uid"])
                self.run("DELETE FROM stars WHERE uid = ?", row["uid"])
                self.run("DELETE FROM annotations WHERE dashboard_uid = ?", row["uid"])

    # -------------------------------------------------------------------------------------------------------- tokens
    def new_session(self, user_id: int) -> str:
        """A session token for a cookie."""
        token, now = secrets.token_urlsafe(32), time.time()
        self.run("INSERT INTO sessions VALUES (?,?,?,?)", digest(token), user_id, now, now)
        return token

    def session(self, token: str, lifetime: float) -> Row | None:
        """The user of a session, unless it is too old."""
        row = self.one(
            "SELECT u.*, s.seen, s.created AS began FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token = ?",
            digest(token),
        )
        if row is None or row["disabled"] or time.time() - row["began"] > lifetime:
            return None
        if time.time() - row["seen"] > 60:
            self.run("UPDATE sessions SET seen = ? WHERE token = ?", time.time(), digest(token))
        return row

    def end_session(self, token: str) -> None:
        """Log out."""
        self.run("DELETE FROM sessions WHERE token = ?", digest(token))

    def new_token(self, account_id: int, name: str, seconds: float | None) -> tuple[int, str]:
        """A service account's token: its id, and the token, which is shown this once."""
        token = f"glsa_{secrets.token_urlsafe(24)}"
        expires = time.time() + seconds if seconds else None
        return self.run(
            "INSERT INTO tokens (account_id, name, token, created, expires) VALUES (?,?,?,?,?)",
            account_id,
            name,
            digest(token),
            time.time(),
            expires,
        ), token

    def token_account(self, token: str) -> Row | None:
        """The service account of a token that is valid now."""
        return self.one(
            "SELECT a.* FROM tokens t JOIN service_accounts a ON a.id = t.account_id"
            " WHERE t.token = ? AND a.disabled = 0 AND (t.expires IS NULL OR t.expires > ?)",
            digest(token),
            time.time(),
        )
