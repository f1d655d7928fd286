"""Everything that runs, as processes of its own on free ports: PostgreSQL, Redis, sandbox, API, worker."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from tests.e2e.collector import Collector
from tests.e2e.meta import Meta
from tests.e2e.scrape import Page, scrape
from tests.e2e.wire import HTTP
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.servers import PostgresServer, RedisServer
from tests.support.waiting import wait_until

SECRET = "app-secret-of-the-end-to-end-tests"
VERIFY = "verify-token-of-the-end-to-end-tests"
KEYS = {role: f"{role}-key-of-the-end-to-end-tests-{'x' * 16}" for role in ("admin", "agent", "readonly")}
ALERT_TOKEN = "alert-token-of-the-end-to-end-tests"
NUMBERS: list[dict[str, Any]] = [
    {
        "slug": "support",
        "phone_number_id": "106540352242922",
        "waba_id": "102290129340398",
        "display_phone_number": "15550783881",
        "access_token": "EAAJB-token-of-support",
    },
    {
        "slug": "sales",
        "phone_number_id": "106540352242933",
        "waba_id": "102290129340398",
        "display_phone_number": "15550783882",
        "access_token": "EAAJB-token-of-sales",
    },
]
ROOT = Path(__file__).parents[2]


class Stack:
    """One deployment. ``durable``: everything that was acknowledged survives ``kill -9`` of the stores."""

    def __init__(self, directory: Path, *, durable: bool = False, **settings: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.postgres = PostgresServer(directory / "postgres", durable=durable)
        self.redis = RedisServer(directory / "redis", appendonly=True)
        self.collector = Collector()
        self.api_port, self.sandbox_port = free_port(), free_port()
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self.webhook_url = f"{self.api_url}/webhooks/whatsapp"
        self.meta = Meta(self.webhook_url, SECRET)
        self.logs_dir = directory / "logs"
        self.workers: list[Process] = []
        self.worker_ports: dict[int, int] = {}
        self._extra = settings
        self._made = 0
        self.env = self._environment()
        self.api = self._process("pytake.backend.server", "api")
        self.sandbox = self._process("pytake.sandbox.main", "sandbox")

    def _environment(self) -> dict[str, str]:
        instances = self.directory / "instances.json"
        instances.write_text(json.dumps(NUMBERS))
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTAKE_", "OTEL_", "ENABLE_", "JAEGER_", "ALERT_"))
        }
        return inherited | {
            "PYTHONPATH": str(ROOT),
            "PYTAKE_ENVIRONMENT": "e2e",
            "PYTAKE_LOG_DIR": str(self.logs_dir),
            "PYTAKE_DATA_DIR": str(self.directory),
            "PYTAKE_DATABASE_URL": self.postgres.url("pytake"),
            "PYTAKE_REDIS_URL": self.redis.url(),
            "PYTAKE_API_PORT": str(self.api_port),
            "PYTAKE_INSTANCES_FILE": str(instances),
            "PYTAKE_META_BASE_URL": f"{self.sandbox_url}/meta",
            "PYTAKE_META_APP_SECRET": SECRET,
            "PYTAKE_META_VERIFY_TOKEN": VERIFY,
            "PYTAKE_META_TIMEOUT": "5",
            "PYTAKE_OPENAI_BASE_URL": f"{self.sandbox_url}/openai/v1",
            "PYTAKE_OPENAI_API_KEY": "sk-end-to-end",
            "PYTAKE_ADMIN_API_KEY": KEYS["admin"],
            "PYTAKE_AGENT_API_KEY": KEYS["agent"],
            "PYTAKE_READONLY_API_KEY": KEYS["readonly"],
            "ALERT_WEBHOOK_TOKEN": ALERT_TOKEN,
            "PYTAKE_JOB_LEASE": "3",
            "PYTAKE_JOB_BACKOFF": "0.2",
            "PYTAKE_SWEEP_INTERVAL": "1",
            "PYTAKE_SWEEP_AFTER": "2",
            "PYTAKE_GAUGES_INTERVAL": "1",
            "PYTAKE_SANDBOX_PORT": str(self.sandbox_port),
            "PYTAKE_SANDBOX_TARGET": self.webhook_url,
            "PYTAKE_SANDBOX_SPEED": "20",
            "PYTAKE_SANDBOX_CUSTOMERS": "50",
            "PYTAKE_SANDBOX_RETRY_INITIAL": "0.2",
            "PYTAKE_SANDBOX_RETRY_MAX": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_SAMPLER": "parentbased_always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            **self._extra,
        }

    # --- start and stop
    def start(self) -> None:
        """Start everything, in order, each when the one before is ready."""
        self.postgres.start()
        self.redis.start()
        self.postgres.create_database("pytake")
        migrate = self._process("pytake.backend.migrate", "migrate")
        migrate.start()
        wait_until(lambda: not migrate.running, 60, "the migration")
        assert migrate.stop() == 0, migrate.tail()
        self.sandbox.start()
        self.start_api()
        self.start_worker()
        self.wait_for(self.sandbox, f"{self.sandbox_url}/healthz")
        known = "SELECT count(*) FROM instances"
        wait_until(lambda: self.count(known) == len(NUMBERS), 30, "the worker to store the numbers")

    def start_api(self) -> None:
        """Start the API and wait until it is ready for webhooks."""
        self.api.start()
        self.wait_for(self.api, f"{self.api_url}/observability/ready")

    def start_worker(
        self, *, crash_at: str | None = None, crash_after: int = 1, wait: bool = True, **settings: str
    ) -> Process:
        """Start one more worker; ``crash_at`` names a step of ``tests/e2e/crashing.py`` at which it kills itself."""
        module = "tests.e2e.crashing" if crash_at else "pytake.backend.worker.main"
        port = free_port()
        extra = {"PYTAKE_WORKER_METRICS_PORT": str(port), **settings}
        if crash_at:
            extra |= {"PYTAKE_TEST_CRASH_AT": crash_at, "PYTAKE_TEST_CRASH_AFTER": str(crash_after)}
        self._made += 1
        worker = self._process(module, f"worker-{self._made}", **extra)
        worker.start()
        self.workers.append(worker)
        self.worker_ports[id(worker)] = port
        if wait:
            self.wait_for(worker, f"http://127.0.0.1:{port}/metrics")
        return worker

    def kill_postgres(self) -> None:
        """``kill -9`` of the postmaster and its processes (which have sessions of their own), then start it again."""
        assert self.postgres.process is not None
        postmaster = psutil.Process(self.postgres.process.pid)
        family = [postmaster, *postmaster.children(recursive=True)]  # the head first: it would start them again
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.postgres.kill()
        wait_until(lambda: not any(process.is_running() for process in family[1:]), 15, "PostgreSQL's processes to end")
        self.postgres.start()

    def kill_redis(self) -> None:
        """``kill -9`` of Redis, then start it again."""
        self.redis.kill()
        self.redis.start()

    def kill_api(self) -> None:
        """``kill -9`` of the API, then start it again."""
        self.api.kill()
        self.start_api()

    def kill_workers(self) -> None:
        """``kill -9`` of every worker, then start one."""
        for worker in self.workers:
            worker.kill()
        self.start_worker()

    def stop(self) -> dict[str, int]:
        """Stop everything gracefully; exit codes by name, of those that still ran."""
        codes: dict[str, int] = {}
        ours = {"sandbox": self.sandbox, "api": self.api} | {
            f"worker-{number}": worker for number, worker in enumerate(self.workers, start=1)
        }
        for name, process in ours.items():
            if process.running:
                codes[name] = process.stop(timeout=30)
        self.redis.stop()
        self.postgres.stop()
        self.collector.close()
        return codes

    def wait_for(self, process: Process, url: str) -> None:
        """Wait for 200 from a process that is starting."""

        def answers() -> bool:
            return not process.running or HTTP.get(url, timeout=5).status_code == 200

        try:
            wait_until(answers, 40, f"200 from {url}", every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{process.tail()}") from None
        process.check()

    def _process(self, module: str, name: str, **extra: str) -> Process:
        log = self.directory / f"{name}.out"
        return Process([sys.executable, "-m", module], log, env=self.env | extra, cwd=self.directory)

    # --- looking and asking
    def sql(self, query: str) -> list[list[str]]:
        """Rows of a query, fields as text."""
        answer = self.postgres.execute(query, "pytake")
        return [line.split("|") for line in answer.splitlines()] if answer else []

    def count(self, query: str) -> int:
        """The single number that a query gives."""
        return int(self.sql(query)[0][0])

    def control(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Call the sandbox's control API."""
        response = HTTP.request(method, f"{self.sandbox_url}/sandbox{path}", json=body or None, timeout=10)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    @contextmanager
    def fault(self, kind: str, **params: Any) -> Iterator[None]:
        """Inject a fault of the sandbox for the length of a block."""
        self.control("POST", "/faults", kind=kind, params=params)
        try:
            yield
        finally:
            self.control("DELETE", f"/faults/{kind}")

    def sent_to(self, customer: str) -> list[dict[str, Any]]:
        """The messages that the sandbox accepted for a customer."""
        url = f"{self.sandbox_url}/sandbox/messages"
        response = HTTP.get(url, params={"customer": customer, "limit": "1000"}, timeout=10)
        found: list[dict[str, Any]] = response.json()["messages"]
        return found

    def rest(self, method: str, path: str, *, role: str = "admin", **options: Any) -> httpx.Response:
        """Call the REST API with the key of a role."""
        headers = {"authorization": f"Bearer {KEYS[role]}"}
        return HTTP.request(method, f"{self.api_url}{path}", headers=headers, timeout=15, **options)

    def post_alert(self, body: dict[str, Any], token: str) -> httpx.Response:
        """Post a notification as Alertmanager does."""
        headers = {"authorization": f"Bearer {token}"}
        return HTTP.post(f"{self.api_url}/api/v1/webhooks/alerts", json=body, headers=headers, timeout=15)

    def queue_length(self, queue: str) -> int:
        """Jobs of a queue that are not done, waiting ones included."""
        return int(self.redis_call("XLEN", f"pytake:{queue}")) + int(
            self.redis_call("ZCARD", f"pytake:delayed:{queue}")
        )

    def redis_call(self, *words: str) -> Any:
        """One Redis command."""
        with redis.Redis.from_url(self.redis.url()) as client:
            return client.execute_command(*words)

    def metrics(self, service: str) -> Page:
        """Scrape ``api``, ``sandbox`` or ``worker`` (the first one that runs)."""
        if service == "worker":
            worker = next(one for one in self.workers if one.running)
            return scrape(f"http://127.0.0.1:{self.worker_ports[id(worker)]}")
        return scrape({"api": self.api_url, "sandbox": self.sandbox_url}[service])

    def log_lines(self, service: str) -> list[dict[str, Any]]:
        """The log file of a service, parsed; every line must be JSON."""
        path = self.logs_dir / f"pytake-{service}.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
