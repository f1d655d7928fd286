"""Who asks: sessions by cookie, basic authentication, service-account tokens; roles; limits on guessing."""

import base64
import binascii
import hmac
import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from starlette.requests import Request

from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.settings import GrafanaSettings
from pytake.embedded.grafana.store import Row, Store

COOKIE = "grafana_session"
RENDER_COOKIE = "renderKey"
ROLES = ("Viewer", "Editor", "Admin")
LOGIN_TRIES = 10
ADDRESS_TRIES = 100
"""Failed logins a window from one address, whatever the login: many people may share an address."""
LOGIN_WINDOW = 300.0
VERIFIED_SECONDS = 60.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_QUERIES = ("/api/ds/query", "/api/datasources/proxy/")


@dataclass(frozen=True)
class Principal:
    """Who asks, with which role; ``user`` is the row of a person, None for a service account."""

    login: str
    role: str
    admin: bool
    user: Row | None = None
    by_cookie: bool = False

    @property
    def key(self) -> str:
        """Owner of what this one keeps: preferences, stars."""
        return f"user:{self.user['id']}" if self.user else f"account:{self.login}"

    def need(self, role: str) -> None:
        """403 unless the role is at least ``role``."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise ApiError(403, "You'll need additional permissions to perform this action.")

    def need_admin(self) -> None:
        """403 unless this is a server administrator."""
        if not self.admin:
            raise ApiError(403, "You'll need additional permissions to perform this action.")


class Throttle:
    """At most so many failures a window by key."""

    def __init__(self, tries: int = LOGIN_TRIES, window: float = LOGIN_WINDOW) -> None:
        self._tries, self._window = tries, window
        self._failed: dict[str, deque[float]] = {}

    def check(self, key: str) -> None:
        """429 when ``key`` has failed too often."""
        now, failed = time.monotonic(), self._failed.get(key, deque())
        while failed and now - failed[0] > self._window:
            failed.popleft()
        if len(failed) >= self._tries:
            raise ApiError(429, "Too many failed logins; try again in a few minutes.")

    def failed(self, key: str) -> None:
        """Note a failure."""
        if len(self._failed) > 10_000:
            self._failed.clear()
        self._failed.setdefault(key, deque(maxlen=self._tries)).append(time.monotonic())

    def passed(self, key: str) -> None:
        """A success forgives."""
        self._failed.pop(key, None)


class Identity:
    """Decides who asks."""

    def __init__(self, store: Store, settings: GrafanaSettings) -> None:
        self._store = store
        self._settings = settings
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's argon2id minimum
        self._nobody = self._hasher.hash("nobody")
        self._by_login, self._by_address = Throttle(), Throttle(ADDRESS_TRIES)
        self._render_keys: dict[str, Principal] = {}
        self._verified: dict[bytes, tuple[float, int]] = {}
        self._key = base64.b64encode(str(time.time_ns()).encode())
        if store.one("SELECT id FROM users LIMIT 1") is None:
            self.create_user(
                settings.security_admin_user,
                settings.security_admin_password.get_secret_value(),
                "Admin",
                admin=True,
                must_change=settings.first_password_must_change,
            )

    # ---------------------------------------------------------------------------------------------------- passwords
    def create_user(
        self,
        login: str,
        password: str,
        role: str,
        *,
        admin: bool = False,
        email: str = "",
        name: str = "",
        must_change: bool = False,
    ) -> int:
        """Add a person; 409 when the login is taken, 400 on a short password."""
        self.check_password(password)
        if self._store.one("SELECT id FROM users WHERE login = ?", login):
            raise ApiError(412, f"User with login '{login}' already exists")
        return self._store.run(
            "INSERT INTO users (login, email, name, password, role, admin, must_change, created)"
            " VALUES (?,?,?,?,?,?,?,?)",
            login,
            email,
            name,
            self._hasher.hash(password),
            role,
            int(admin),
            int(must_change),
            time.time(),
        )

    @staticmethod
    def check_password(password: str) -> None:
        """400 unless it is long enough."""
        if len(password) < 4:
            raise ApiError(400, "New password is too short")

    def set_password(self, user_id: int, password: str) -> None:
        """Change a password; other logins of the user end."""
        self.check_password(password)
        self._store.run("UPDATE users SET password=?, must_change=0 WHERE id=?", self._hasher.hash(password), user_id)
        self._store.run("DELETE FROM sessions WHERE user_id=?", user_id)
        self._verified.clear()

    def verify(self, login: str, password: str, address: str) -> Row | None:
        """The user whose password this is. Checked hashes are remembered for a minute: argon2 is slow on purpose."""
        mark = hmac.digest(self._key, f"{login}\0{password}".encode(), "sha256")
        row = self._store.one("SELECT * FROM users WHERE (login = ? OR email = ?) AND disabled = 0", login, login)
        known = self._verified.get(mark)
        if row is not None and known and known[1] == row["id"] and time.monotonic() - known[0] < VERIFIED_SECONDS:
            return row
        self._by_login.check(f"{address} {login}")
        self._by_address.check(address)
        try:  # a login that nobody has takes as long: the time must not tell
            matches = self._hasher.verify(row["password"] if row else self._nobody, password) and row is not None
        except (VerificationError, InvalidHashError):
            matches = False
        if not matches or row is None:
            self._by_login.failed(f"{address} {login}")
            self._by_address.failed(address)
            return None
        self._by_login.passed(f"{address} {login}")
        if len(self._verified) > 1000:
            self._verified.clear()
        self._verified[mark] = (time.monotonic(), row["id"])
        return row

    # ------------------------------------------------------------------------------------------------------ requests
    def of(self, request: Request) -> Principal | None:
        """Who asks, or None. Raises 401 on wrong credentials, 403 on a forged cross-site request."""
        authorization = request.headers.get("authorization", "")
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(value.strip())
        if scheme.lower() == "basic":
            return self._by_basic(value.strip(), request.client.host if request.client else "")
        if key := request.cookies.get(RENDER_COOKIE):
            return self._by_render_key(key, request)
        token = request.cookies.get(COOKIE, "")
        if not token:
            return None
        row = self._store.session(token, self._settings.auth_login_maximum_lifetime_hours * 3600)
        if row is None:
            return None
        if request.method not in _SAFE:
            _same_origin(request)
        return _person(row, by_cookie=True)

    @contextmanager
    def render_key(self, who: Principal) -> Iterator[str]:
        """A key for one picture, on behalf of ``who``; it ends with the block."""
        key = secrets.token_urlsafe(32)
        self._render_keys[key] = replace(who, role="Viewer", admin=False, by_cookie=False)
        try:
            yield key
        finally:
            del self._render_keys[key]

    def _by_render_key(self, key: str, request: Request) -> Principal:
        """Reading only: pages, their data, queries."""
        who = self._render_keys.get(key)
        if who is None:
            raise ApiError(401, "Invalid render key")
        if request.method not in _SAFE and not request.url.path.startswith(_QUERIES):
            raise ApiError(403, "a picture changes nothing")
        return who

    def _by_token(self, token: str) -> Principal:
        account = self._store.token_account(token)
        if account is None:
            raise ApiError(401, "Invalid API key")
        return Principal(f"sa-{account['name']}", account["role"], False)

    def _by_basic(self, value: str, address: str) -> Principal:
        try:
            login, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ApiError(401, "Invalid username or password") from None
        if login == "api_key":
            return self._by_token(password)
        row = self.verify(login, password, address)
        if row is None:
            raise ApiError(401, "Invalid username or password")
        return _person(row)


def _person(row: Row, *, by_cookie: bool = False) -> Principal:
    return Principal(row["login"], row["role"], bool(row["admin"]), row, by_cookie)


def _same_origin(request: Request) -> None:
    """Browsers send Origin with every changing request: another site's is refused (CSRF)."""
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise ApiError(403, "origin not allowed")
        return
    if urlsplit(origin).netloc != request.headers.get("host", ""):
        raise ApiError(403, "origin not allowed")
