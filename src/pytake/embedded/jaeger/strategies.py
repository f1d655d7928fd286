"""Sampling strategies for clients that ask (``/sampling?service=...``), from Jaeger's strategies file."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson

from pytake.embedded.common.config import ConfigError
from pytake.embedded.jaeger.asgi import Receive, Scope, Send, lifespan, reply

_DEFAULT = {"type": "probabilistic", "param": 1}


def _answer(strategy: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """Jaeger's ``SamplingStrategyResponse``."""
    kind, param = strategy.get("type", "probabilistic"), strategy.get("param", 1)
    if kind == "ratelimiting":
        return {"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": int(param)}}
    out: dict[str, Any] = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": float(param)}}
    operations = {item["operation"]: item for item in default.get("operation_strategies") or []}
    operations |= {item["operation"]: item for item in strategy.get("operation_strategies") or []}
    if operations:
        out["operationSampling"] = {
            "defaultSamplingProbability": float(param),
            "defaultLowerBoundTracesPerSecond": 0,
            "perOperationStrategies": [
                {"operation": name, "probabilisticSampling": {"samplingRate": float(item["param"])}}
                for name, item in operations.items()
            ],
        }
    return out


class Strategies:
    """The strategies file, and the application that answers from it."""

    def __init__(self, path: Path | None) -> None:
        """Raises :class:`ConfigError` naming the file and the fault."""
        self._default: dict[str, Any] = _DEFAULT
        self._services: dict[str, dict[str, Any]] = {}
        if path is None:
            return
        try:
            document = orjson.loads(path.read_bytes())
            self._default = document.get("default_strategy") or _DEFAULT
            self._services = {item["service"]: item for item in document.get("service_strategies") or []}
            for strategy in (self._default, *self._services.values()):
                if strategy.get("type") not in ("probabilistic", "ratelimiting"):
                    raise ValueError(f"type {strategy.get('type')!r} is neither probabilistic nor ratelimiting")
                _answer(strategy, self._default)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: sampling strategies: {error!r}") from error

    def of(self, service: str) -> dict[str, Any]:
        """The strategy of a service, in Jaeger's JSON."""
        return _answer(self._services.get(service, self._default), self._default)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: ``GET /sampling?service=NAME``."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        service = parse_qs(scope["query_string"].decode("latin1")).get("service", [""])[0]
        if not service:
            await reply(send, 400, b"'service' parameter must be provided once\n", "text/plain")
            return
        await reply(send, 200, orjson.dumps(self.of(service)), "application/json")
