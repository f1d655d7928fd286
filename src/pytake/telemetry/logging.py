"""Structured logs: one JSON object a line, with request and trace ids, redacted.

``get_logger(name).info("message_sent", conversation_id=...)`` for our code; the standard library's and uvicorn's
records take the same path. Keys: ``timestamp level logger event message request_id trace_id span_id`` and the fields.
"""

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import orjson
import structlog
from opentelemetry import trace

from pytake.telemetry import catalog
from pytake.telemetry.labels import LogLevel
from pytake.telemetry.logcontext import bound_fields, log_fields, request_id
from pytake.telemetry.redact import redact_text, redact_value
from pytake.telemetry.settings import TelemetrySettings
from pytake.telemetry.sinks import RotatingFile, Sink, write_stdout

__all__ = ["LogPipeline", "configure_logging", "get_logger", "log_fields", "request_id"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_NAMES = {number: name for name, number in _LEVELS.items()}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class LogPipeline:
    """Turns events into lines and hands them to the sinks."""

    def __init__(self, service: str, settings: TelemetrySettings) -> None:
        self.service, self.level, self.redact = service, _LEVELS[settings.log_level], settings.log_redact
        self.sinks: list[Sink] = []
        self._file: RotatingFile | None = None
        if settings.log_stdout:
            self.sinks.append(Sink(write_stdout, size=settings.log_queue, name="stdout"))
        if settings.log_dir is not None:
            path = Path(settings.log_dir) / f"{service}.log"
            self._file = RotatingFile(path, max_bytes=settings.log_max_bytes, backups=settings.log_backups)
            self.sinks.append(Sink(self._file.write, size=settings.log_queue, name="file"))
        self._counts = {name: catalog.LOG_LINES.labels(level=LogLevel(name)) for name in _LEVELS}

    def write(self, level: str, logger: str, event: str, message: str, fields: MutableMapping[str, Any]) -> None:
        """Write one line; nothing here may raise into the code that logs."""
        try:
            if self.redact:
                message = redact_text(message)
                fields = {key: redact_value(key, value) for key, value in fields.items()}
            self.emit(level, logger, event, message, fields)
        except Exception:
            sys.stderr.write(f"log line lost: {traceback.format_exc(limit=3)}\n")

    def emit(self, level: str, logger: str, event: str, message: str, fields: MutableMapping[str, Any]) -> None:
        """Write one line whose fields need no redaction."""
        record: dict[str, Any] = {
            "timestamp": timestamp(), "level": level, "logger": logger, "event": event, "message": message,
        }  # fmt: skip
        found = request_id.get()
        if found:
            record["request_id"] = found
        context = trace.get_current_span().get_span_context()
        if context.trace_id:
            record["trace_id"] = f"{context.trace_id:032x}"
            record["span_id"] = f"{context.span_id:016x}"
        bound = bound_fields()
        for key, value in bound.items():
            record[key] = redact_value(key, value) if self.redact else value
        for key, value in fields.items():
            if key not in record:
                record[key] = value
            elif record[key] != value:  # what is bound already need not be said twice
                record[f"field_{key}"] = value
        self.line(level, encode(record))

    def line(self, level: str, line: bytes) -> None:
        """Queue a finished line."""
        self._counts[level].inc()
        for sink in self.sinks:
            sink.put(line)

    def flush(self) -> None:
        """Wait until every line is written."""
        for sink in self.sinks:
            sink.flush()

    def close(self) -> None:
        """Flush and stop; a second call does nothing."""
        sinks, self.sinks = self.sinks, []
        for sink in sinks:
            sink.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()


def encode(record: MutableMapping[str, Any]) -> bytes:
    """Return one JSON line; what orjson refuses (huge integers, lone surrogates) is written the slow way."""
    try:
        return orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        text = json.dumps(record, default=str, skipkeys=True, ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"


_pipeline: LogPipeline | None = None
_lock = threading.Lock()
_clock: Callable[[], float] = time.time
_second: tuple[int, str] = (0, "")


def timestamp() -> str:
    """Return the time now as RFC 3339 with microseconds, UTC."""
    global _second  # noqa: PLW0603 (the text of the current second is kept: half the cost of a line's time)
    now = _clock()
    second = int(now)
    if _second[0] != second:
        _second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return f"{_second[1]}.{int((now - second) * 1e6):06d}Z"


def pipeline() -> LogPipeline | None:
    """Return the pipeline in use; None before :func:`configure_logging`."""
    return _pipeline


def _processor(logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    level = "error" if method == "exception" else "warning" if method == "warn" else method
    name = event_dict.pop("logger_name", "pytake")
    event = str(event_dict.pop("event", ""))
    info = event_dict.pop("exc_info", True if method == "exception" else None)
    if info:
        event_dict.update(_exception_fields(info))
    message = str(event_dict.pop("message", event))
    target = _pipeline
    if target is None:
        logging.getLogger(name).log(_LEVELS.get(level, 20), "%s", message, extra={"fields_": dict(event_dict)})
    elif _LEVELS.get(level, 20) >= target.level:
        target.write(level, name, event, message, event_dict)
    raise structlog.DropEvent


def _exception_fields(info: Any) -> dict[str, Any]:
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif not isinstance(info, tuple):
        info = sys.exc_info()
    if info[0] is None:
        return {}
    return {
        "exception_type": info[0].__name__,
        "exception_message": str(info[1]),
        "exception": "".join(traceback.format_exception(*info)),
    }


structlog.configure(
    processors=[_processor], wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    logger_factory=lambda *_args: None, cache_logger_on_first_use=True,
)  # fmt: skip


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger: ``log.info("message_sent", wamid=wamid)`` — an event name and fields, never a sentence."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger


class _Repeats:
    """Lets the same message of the exporters' libraries through once a minute: a collector that is away is one fact."""

    SECONDS = 60.0

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def __call__(self, record: logging.LogRecord) -> bool:
        """Tell whether the record was written a short time ago."""
        if not record.name.startswith(("opentelemetry.", "pytake.telemetry.")):
            return False
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._seen.get(key, -self.SECONDS) < self.SECONDS:
            return True
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[key] = now
        return False


class _StandardHandler(logging.Handler):
    """Takes the standard library's records into the pipeline."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = _Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        target = _pipeline
        if target is None or self._repeats(record):
            return
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            extra.update(_exception_fields(record.exc_info))
        try:
            message = record.getMessage()
        except Exception:
            message = str(record.msg)
        level = _NAMES.get(record.levelno) or _NAMES[max(10, min(50, record.levelno // 10 * 10))]
        target.write(level, record.name, "log", message, extra)


def configure_logging(service: str, settings: TelemetrySettings) -> LogPipeline:
    """Send all logs of this process through one pipeline; a second call replaces the first."""
    global _pipeline
    with _lock:
        before, _pipeline = _pipeline, LogPipeline(service, settings)
    if before is not None:
        before.close()
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _StandardHandler)]
    root.addHandler(_StandardHandler())
    root.setLevel(_pipeline.level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
    for name in ("httpx", "httpx2"):  # a line a request, with its URL: the spans and metrics say it better
        logging.getLogger(name).setLevel(max(logging.WARNING, _pipeline.level))
    return _pipeline
