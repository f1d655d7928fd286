"""What can go wrong while a stack is set up or run; every message says what, where and what to do next."""


class StackError(Exception):
    """Base of all errors that the command line shows as one message, without a traceback."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class PortTaken(StackError):  # noqa: N818 (the name says what happened)
    """A port that a component needs belongs to a process that is not ours."""

    def __init__(self, component: str, port: int, owner: str) -> None:
        super().__init__(
            f"port {port}, which {component} needs, is taken by {owner}",
            hint="stop that process, or set PYTAKE_PORT_OFFSET in .env (for example 10000) to move all ports",
        )


class PackagesMissing(StackError):  # noqa: N818 (the name says what happened)
    """Debian packages could not be installed."""


class NotReady(StackError):  # noqa: N818 (the name says what happened)
    """A component ended, or did not become ready in time; carries the end of its log."""

    def __init__(self, component: str, why: str, log_tail: str, *, log: str) -> None:
        tail = f"\n{log_tail}" if log_tail else ""
        super().__init__(f"{component} {why}{tail}", hint=f"the whole log: {log} (`pytake logs {component}`)")


class ConfigInvalid(StackError):  # noqa: N818 (the name says what happened)
    """A configuration file was refused by the checking tool of its server."""


class SupervisorUnreachable(StackError):  # noqa: N818 (the name says what happened)
    """supervisord does not run or does not answer."""
