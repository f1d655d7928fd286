"""The native PostgreSQL cluster: made once, never run by root, reachable over TCP on 127.0.0.1 with passwords only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has none

from pytake.stack.errors import StackError
from pytake.stack.layout import Stack

EXPORTER = "pytake_exporter"
OWNER = "pytake"
DATABASE = "pytake"

_CONF = """\
# Written by the stack on every deployment; own settings go to local.conf beside this file.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 2000
track_io_timing = on
log_destination = 'stderr'
logging_collector = off
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 500
log_lock_waits = on
log_checkpoints = on
include_if_exists = 'local.conf'
"""


def program(name: str) -> str:
    """Path of a server program of Debian's PostgreSQL 15."""
    return f"/usr/lib/postgresql/15/bin/{name}"


def system_user() -> str | None:
    """The user that runs the server when we are root: PostgreSQL refuses root."""
    return "postgres" if os.geteuid() == 0 else None


def data_folder(stack: Stack) -> Path:
    """Where the cluster lies, behind the link when it had to go elsewhere."""
    return stack.data("postgres").resolve()


def backend_url(stack: Stack) -> str:
    """SQLAlchemy's URL of the backend's database; one that the operator set wins."""
    password = stack.settings.pytake_postgres_password.get_secret_value()
    own = f"postgresql+asyncpg://{OWNER}:{password}@127.0.0.1:{stack.port(5432)}/{DATABASE}"
    return stack.env.get("PYTAKE_DATABASE_URL", own)


def prepare(stack: Stack) -> None:
    """Make the cluster when there is none, and write its settings."""
    link = stack.data("postgres")
    if not (link / "PG_VERSION").exists():
        _make_folder(stack, link)
        _initdb(stack)
    folder = link.resolve()
    if system_user() is None and folder.stat().st_uid != os.getuid():
        raise StackError(
            f"{folder} belongs to {_owner(folder)}, who deployed this stack before",
            hint=f"deploy as the same user again, or `sudo ./deploy-with-monitoring.sh cleanup` removes {stack.state}",
        )
    for name, text in {"pytake.conf": _CONF.format(port=stack.port(5432)), "pg_hba.conf": _HBA}.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        _give_to_server(path)
    main = folder / "postgresql.conf"
    if "include = 'pytake.conf'" not in (text := main.read_text(encoding="utf-8")):
        main.write_text(f"{text}\ninclude = 'pytake.conf'\n", encoding="utf-8")


_HBA = "# Written by the stack on every deployment.\nhost all all 127.0.0.1/32 scram-sha-256\n"


def _make_folder(stack: Stack, link: Path) -> None:
    """A folder that the server's user can reach: under var/, or, when a parent is closed to it, under /var/lib.

    /root, for example, is closed to others, and opening it is not ours to do.
    """
    target = link
    if (user := system_user()) and not _reachable(link.parent, user):
        target = Path("/var/lib/pytake") / stack.identity / "postgres"
        target.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    target.mkdir(mode=0o700, exist_ok=True)
    _give_to_server(target)


def _reachable(folder: Path, user: str) -> bool:
    command = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--", "test", "-x", str(folder)]
    return subprocess.run(command, check=False, timeout=10).returncode == 0


def _initdb(stack: Stack) -> None:
    """Run initdb as the server's user; the superuser's password goes through a file that is gone afterwards."""
    password = stack.settings.pytake_postgres_admin_password.get_secret_value()
    handle, name = tempfile.mkstemp(prefix="pytake-initdb-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(password)
        _give_to_server(Path(name))
        argv = [program("initdb"), "-D", str(data_folder(stack)), "-U", "postgres", "-A", "scram-sha-256"]
        argv += ["--pwfile", name, "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums", "--no-instructions"]
        if user := system_user():
            argv = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--", *argv]
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    finally:
        Path(name).unlink(missing_ok=True)
    if done.returncode:
        shutil.rmtree(data_folder(stack), ignore_errors=True)
        raise StackError(
            f"initdb failed:\n{done.stderr.strip()[-1500:]}", hint="correct the cause above and deploy again"
        )


def _give_to_server(path: Path) -> None:
    if user := system_user():
        shutil.chown(path, user, user)


def _owner(path: Path) -> str:
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


async def settle(stack: Stack) -> None:
    """Roles, database, extension; safe to repeat. The exporter's role reads statistics and nothing else."""
    settings = stack.settings
    admin = await _connect(stack, "postgres")
    try:
        # ALTER ROLE carries a password: keep it out of the statement statistics and of the log.
        await admin.execute("SET log_min_duration_statement = -1; SET pg_stat_statements.track_utility = off")
        await _role(admin, OWNER, settings.pytake_postgres_password.get_secret_value())
        await _role(admin, EXPORTER, settings.pytake_postgres_exporter_password.get_secret_value())
        await admin.execute(f"GRANT pg_monitor TO {EXPORTER}; ALTER ROLE {EXPORTER} CONNECTION LIMIT 10")
        await admin.execute(f"ALTER ROLE {EXPORTER} SET default_transaction_read_only = on")
        await admin.execute(f"ALTER ROLE {EXPORTER} SET statement_timeout = '5s'")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await admin.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        await admin.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        await admin.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {EXPORTER}")
    finally:
        await admin.close()
    inside = await _connect(stack, DATABASE)
    try:
        await inside.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    finally:
        await inside.close()


async def _connect(stack: Stack, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    password = stack.settings.pytake_postgres_admin_password.get_secret_value()
    try:
        return await asyncpg.connect(
            host="127.0.0.1", port=stack.port(5432), user="postgres", password=password, database=database, ssl=False
        )
    except asyncpg.InvalidPasswordError as error:
        raise StackError(
            f"PostgreSQL refuses the superuser's password of {stack.root / '.env'}",
            hint="PYTAKE_POSTGRES_ADMIN_PASSWORD was changed after the cluster was made; put the old one back, "
            "or `cleanup` removes the cluster with all its data",
        ) from error


async def _role(admin: "asyncpg.Connection[asyncpg.Record]", name: str, password: str) -> None:
    if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await admin.execute(f"CREATE ROLE {name} LOGIN")
    await admin.execute(
        await admin.fetchval("SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)", name, password)
    )
