"""``pytake-loki``: the real server's flags, its configuration file, then serving until SIGTERM or Ctrl-C."""

import sys
from dataclasses import replace
from pathlib import Path

from pytake.embedded.common.config import ConfigError
from pytake.embedded.common.goflags import Flag, parse_or_exit
from pytake.embedded.common.serving import PortTakenError, bind, serve, tame_allocator
from pytake.embedded.loki.app import VERSION, Application
from pytake.embedded.loki.ruler.ruler import check_directory
from pytake.embedded.loki.settings import Settings, load
from pytake.telemetry.setup import configure

FLAGS = {
    "config.file": Flag("", "Configuration file (loki.yml)."),
    "config.expand-env": Flag(False, "Expand ${VAR:-default} in the configuration file."),
    "server.http-listen-address": Flag("", "Address to listen on; the configuration's by default."),
    "server.http-listen-port": Flag(-1, "Port to listen on; the configuration's by default, 0 for any free one."),
    "server.grpc-listen-port": Flag(-1, "Accepted; nothing listens there."),
    "auth.enabled": Flag("", "true or false: take the tenant from X-Scope-OrgID."),
    "common.path-prefix": Flag("", "Data directory; the configuration's by default."),
    "target": Flag("all", "Accepted: all is the only target of a single process."),
    "log.level": Flag("", "debug, info, warn or error."),
    "verify-config": Flag(False, "Check the configuration and the rule files, then exit."),
    "print-config-stderr": Flag(False, "Print the configuration to standard error."),
    "version": Flag(False, "Print the version."),
}


def _settings(flags: dict[str, bool | int | float | str]) -> Settings:
    if not flags["config.file"]:
        raise ConfigError("no configuration: give -config.file=PATH")
    settings = load(Path(str(flags["config.file"])), expand=bool(flags["config.expand-env"]))
    if flags["target"] != "all":
        raise ConfigError(f"-target={flags['target']}: the embedded server runs everything in one process; use all")
    changes: dict[str, object] = {}
    if flags["server.http-listen-address"]:
        changes["host"] = str(flags["server.http-listen-address"])
    if int(flags["server.http-listen-port"]) >= 0:
        changes["port"] = int(flags["server.http-listen-port"])
    if flags["auth.enabled"]:
        changes["auth_enabled"] = str(flags["auth.enabled"]).lower() == "true"
    if flags["common.path-prefix"]:
        changes["data_dir"] = Path(str(flags["common.path-prefix"]))
    if flags["log.level"]:
        changes["log_level"] = str(flags["log.level"])
    return replace(settings, **changes)  # type: ignore[arg-type]  # each key is a field, each value of its type


def _verify(settings: Settings) -> int:
    problems = check_directory(settings.ruler.directory) if settings.ruler.directory is not None else []
    for problem in problems:
        print(problem, file=sys.stderr)
    print("config is valid" if not problems else f"{len(problems)} rule files are invalid")
    return 1 if problems else 0


def main(argv: list[str] | None = None) -> None:
    """Entry point; exits 0 after a clean stop, 1 when it cannot start, 2 on a bad flag."""
    flags = parse_or_exit("pytake-loki", "Loki in one process: stores logs and answers LogQL.", FLAGS, argv)
    if flags["version"]:
        print(f"loki, version {VERSION} (embedded, PyTake)")
        return
    try:
        settings = _settings(flags)
        if flags["print-config-stderr"]:
            print(settings.raw, file=sys.stderr)
        if flags["verify-config"]:
            raise SystemExit(_verify(settings))
        tame_allocator()
        telemetry = configure("loki")
        try:
            sock = bind(settings.host, settings.port)
            print(f"listening on http://{settings.host}:{sock.getsockname()[1]}", file=sys.stderr, flush=True)
            serve(Application(settings), sock)
        finally:
            telemetry.shutdown()
    except (ConfigError, PortTakenError, OSError) as error:
        print(f"pytake-loki: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
