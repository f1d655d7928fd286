"""One stack on this machine: its settings, where its files lie and which ports it has."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pytake.stack.envfile import SECRET_NAMES, ensure_env_file, read_env
from pytake.stack.errors import StackError
from pytake.stack.settings import StackSettings

SOCKET_PATH_LIMIT = 100
"""A Unix socket's path may hold 107 bytes; the supervisor adds its pid while it binds."""


def checkout() -> Path:
    """Root of the checkout: where ``deploy-with-monitoring.sh`` and ``monitoring/`` are."""
    root = Path(os.environ.get("PYTAKE_ROOT", Path(__file__).resolve().parents[3]))
    if not (root / "monitoring").is_dir():
        raise StackError(
            f"{root} is not a checkout of PyTake Observability: it has no monitoring/",
            hint="run deploy-with-monitoring.sh of a checkout, or set PYTAKE_ROOT to one",
        )
    return root


@dataclass(frozen=True)
class Stack:
    """Everything that the rest of the package asks about one stack. ``env`` is .env under the environment."""

    root: Path
    settings: StackSettings
    env: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls, root: Path | None = None, *, create_env: bool = False) -> "Stack":
        """Read ``.env`` and the environment; with ``create_env`` write ``.env`` first when there is none."""
        root = root or checkout()
        if create_env:
            ensure_env_file(root / ".env")
        env = read_env(root / ".env")
        try:
            settings = StackSettings.model_validate({k.lower(): v for k, v in env.items()})
        except ValidationError as error:
            wrong = "; ".join(f"{str(e['loc'][0]).upper()}={e.get('input')!r}: {e['msg']}" for e in error.errors())
            raise StackError(
                f"a setting is wrong: {wrong}", hint=f"correct it in {root / '.env'} or the environment"
            ) from error
        if create_env and (unset := [name for name in SECRET_NAMES if not env.get(name)]):
            raise StackError(
                f"{', '.join(unset)} must not be empty",
                hint=f"give a value in {root / '.env'}, or remove the line to get a random one",
            )
        return cls(root, settings, env)

    @property
    def environment(self) -> str:
        """Name of the stack."""
        return self.settings.pytake_environment

    @property
    def state(self) -> Path:
        """All state of this stack."""
        base = self.settings.pytake_state_dir or self.root / "var"
        return (self.root / base) / self.environment

    @property
    def disk(self) -> Path:
        """Folder whose disk the backend's health check watches."""
        return self.state

    @property
    def resend_delay(self) -> str:
        """After how long Prometheus repeats an alert to an Alertmanager that may have missed it."""
        return "1m"

    @property
    def logs(self) -> Path:
        """Log files of all components."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Process ids, the supervisor's socket."""
        return self.state / "run"

    @property
    def config(self) -> Path:
        """Configuration rendered for this stack; everything in it can be made again."""
        return self.state / "config"

    @property
    def monitoring(self) -> Path:
        """The committed configuration that both runtimes read."""
        return self.root / "monitoring"

    def data(self, component: str) -> Path:
        """Folder of one component's data."""
        return self.state / component

    def port(self, base: int) -> int:
        """A port of design's table in this stack."""
        return base + self.settings.pytake_port_offset

    @property
    def identity(self) -> str:
        """Short name that is different for every state folder of this machine."""
        return f"{self.environment}-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def supervisor_socket(self) -> Path:
        """Socket of this stack's supervisor; a short path elsewhere when the checkout's is too long for a socket."""
        path = self.run / "supervisor.sock"
        if len(str(path)) <= SOCKET_PATH_LIMIT:
            return path
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/pytake-{os.getuid()}")  # noqa: S108 (mode 700, made by us, owner checked)
        return base / f"pytake-{self.identity}.sock"

    def make_folders(self) -> None:
        """Create the state folders; private ones with mode 700."""
        for folder, mode in ((self.state, 0o755), (self.logs, 0o755), (self.run, 0o700), (self.config, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        parent = self.supervisor_socket.parent
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if parent.stat().st_uid != os.getuid():
            raise StackError(
                f"{parent} belongs to another user", hint="remove it, or set PYTAKE_STATE_DIR to a shorter path"
            )
