"""Real PostgreSQL and Redis on free ports with temporary data; they can be stopped, killed and started again."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until


def postgres_program(name: str) -> str:
    """Path of a PostgreSQL server program: the newest Debian version, else what is on the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise RuntimeError(f"{name} is missing: apt-get install postgresql")
    return found


class PostgresServer:
    """A cluster of its own under ``directory``. ``durable=False`` : no fsync, which only a power loss notices."""

    def __init__(self, directory: Path, *, port: int | None = None, durable: bool = False) -> None:
        self.directory = _directory_for_postgres(directory)
        self.port = port or free_port()
        self.durable = durable
        self.process: Process | None = None

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's URL of a database (asyncpg)."""
        return f"postgresql+asyncpg://pytake@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Create the cluster when there is none, start the server, wait until it accepts connections."""
        data = self.directory / "data"
        if not data.exists():
            self._create(data)
        options = {
            "unix_socket_directories": "",
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self.process = Process(
            [postgres_program("postgres"), "-D", data, *flags],
            self.directory / "postgres.log",
            user="postgres",
            die_with="INT",
            cwd=self.directory,
        )
        self.process.start()
        wait_until(self._ready, 30, f"PostgreSQL on port {self.port}")

    def stop(self) -> None:
        """Fast shutdown."""
        if self.process:
            self.process.stop(signal.SIGINT)

    def kill(self) -> None:
        """``kill -9`` of the postmaster and its children."""
        if self.process:
            self.process.kill()

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run one statement with psql and return its output (rows a line, fields separated by ``|``)."""
        program = shutil.which("psql") or postgres_program("psql")
        target = f"postgresql://pytake@127.0.0.1:{self.port}/{database}"
        done = subprocess.run(
            [program, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql, target], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def _create(self, data: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [postgres_program("initdb"), "-D", data, "-U", "pytake", "-A", "trust", "-E", "UTF8"]
        process = Process(
            [*command, "--no-sync", "--locale=C.UTF-8"],
            self.directory / "initdb.log",
            user="postgres",
            cwd=self.directory,
        )
        process.start()
        wait_until(lambda: not process.running, 60, "initdb")
        if not (data / "PG_VERSION").exists():
            raise RuntimeError(f"initdb failed: {process.tail()}")

    def _ready(self) -> bool:
        assert self.process is not None
        self.process.check()
        program = postgres_program("pg_isready")
        return subprocess.run([program, "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0


def _directory_for_postgres(wanted: Path) -> Path:
    """PostgreSQL refuses to run as root, and every pytest of root's closes root's temporary directories to others.

    So as root the data lies beside them, in a directory of its own that goes away with this process.
    """
    if os.geteuid() != 0:
        return wanted
    directory = Path(tempfile.mkdtemp(prefix="pytake-postgres-"))
    shutil.chown(directory, "postgres")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


class RedisServer:
    """A Redis server under ``directory``; ``appendonly=True`` keeps every acknowledged write over a ``kill -9``."""

    def __init__(self, directory: Path, *, port: int | None = None, appendonly: bool = False) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.appendonly = appendonly
        self.process: Process | None = None

    def url(self, database: int = 0) -> str:
        """redis-py's URL."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers PING (after loading its file)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        program = shutil.which("redis-server")
        if not program:
            raise RuntimeError("redis-server is missing: apt-get install redis-server")
        options = ["--appendonly", "yes", "--appendfsync", "always"] if self.appendonly else ["--appendonly", "no"]
        self.process = Process(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options, "--dir", self.directory],
            self.directory / "redis.log",
            cwd=self.directory,
        )
        self.process.start()
        wait_until(self._ready, 20, f"Redis on port {self.port}")

    def stop(self) -> None:
        """Clean shutdown."""
        if self.process:
            self.process.stop()

    def kill(self) -> None:
        """``kill -9``."""
        if self.process:
            self.process.kill()

    def _ready(self) -> bool:
        assert self.process is not None
        self.process.check()
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
