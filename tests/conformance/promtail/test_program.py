"""The program: flags, dry run, syntax check, pages, and the product's own configuration with its redaction."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[3]
PRODUCT = ROOT / "monitoring" / "promtail" / "promtail.yml"


def run(command, text="", **env):
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "OTEL_SDK_DISABLED": "true", **env},
    )  # fmt: skip


def test_syntax_check_of_the_products_file(promtail):
    command = [*promtail.command()[:-1], f"-config.file={PRODUCT}", "-config.expand-env=true", "-check-syntax"]
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert "Valid config file" in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scrape_configs": [{"job_name": "x", "pipeline_stages": [{"jsn": {}}]}]}, "unknown stage type: jsn"),
        ({"scrap_configs": []}, "scrap_configs"),
        ({"scrape_configs": [{"job_name": "x", "kubernetes_sd_configs": [{}]}]}, "kubernetes_sd_configs"),
        ({"scrape_configs": [{"job_name": "x", "relabel_configs": [{"regex": "("}]}]}, "relabel_configs"),
        ({"clients": []}, "at least one client"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(promtail, change, words):
    promtail.config |= change
    done = run(promtail.command("-check-syntax"))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_input_in_a_dry_run_prints_and_sends_nothing(promtail, loki):
    promtail.scrape("x.log", {"json": {"expressions": {"level": None}}}, {"labels": {"level": None}})
    done = run(promtail.command("-stdin", "-dry-run"), '{"level":"warn"}\n')
    assert 'level="warn"' in done.stdout
    assert loki.requests == 0
    assert not (promtail.folder / "positions.yaml").exists()


def test_inspect_shows_what_each_stage_changed(promtail):
    promtail.scrape("x.log", {"json": {"expressions": {"level": None}}}, {"labels": {"level": None}})
    done = run(promtail.command("-stdin", "-dry-run", "-inspect"), '{"level":"warn"}\n')
    assert "[0] json" in done.stderr
    assert "[1] labels" in done.stderr


def test_standard_input_is_shipped(promtail, loki):
    promtail.scrape("x.log")
    assert run(promtail.command("-stdin"), "a\nb\n").returncode == 0
    assert loki.lines() == ["a", "b"]


def test_not_ready_without_targets_and_pages_with(promtail, write):
    promtail.scrape("none.log")
    promtail.start(ready=False)
    answer = httpx.get(f"{promtail.url}/ready")
    assert answer.status_code == 500
    assert "Unable to find any logs to tail" in answer.text
    path = write("none.log", "x")
    promtail.wait_lines(1)
    assert httpx.get(f"{promtail.url}/ready").text == "Ready\n"
    for page in ("/targets", "/service-discovery"):
        assert str(path) in httpx.get(f"{promtail.url}{page}").text
    assert "promtail_read_lines_total" in httpx.get(f"{promtail.url}/metrics").text
    openmetrics = httpx.get(f"{promtail.url}/metrics", headers={"Accept": "application/openmetrics-text"})
    assert openmetrics.text.count("# EOF") == 1
    list(text_string_to_metric_families(openmetrics.text))
    assert "scrape_configs" in httpx.get(f"{promtail.url}/config").text


SECRETS = {
    "phone": "+5511998765432",
    "bearer": "abcdefgh12345678",
    "key": "sk-live0123456789abcdefghij",
    "token": "EAAGm0PX4ZCpsBAKZ",
    "password": "hunter2hunter2",
    "text": "my message to the shop",
}


def test_the_products_pipeline_redacts_and_labels(promtail, loki, write, tmp_path):
    line = json.dumps(
        {
            "timestamp": "2026-11-24T10:00:00.123456789Z", "level": "warning", "event": "odd",
            "trace_id": "0af7651916cd43dd",
            "message": f"call {SECRETS['phone']} with Authorization: Bearer {SECRETS['bearer']} key {SECRETS['key']}",
            "access_token": SECRETS["token"], "password": SECRETS["password"], "text": SECRETS["text"],
        }
    )  # fmt: skip
    write("pytake-api.log", line)
    write(
        "postgres.log",
        "2026-11-24 10:00:01.500 UTC [12] ERROR:  bad\n\tSTATEMENT: select 1",
        "2026-11-24 10:00:02.500 UTC [12] LOG:  fine",
    )
    write("redis.log", "123:M 24 Nov 2026 10:00:03.250 # Warning: overcommit")
    write("prometheus.log", "ts=2026-11-24T10:00:04.000Z caller=main.go level=warn msg=x")
    command = [*promtail.command()[:-1], f"-config.file={PRODUCT}", "-config.expand-env=true"]
    environment = {
        "PYTAKE_LOG_DIR": str(tmp_path), "PYTAKE_DATA_DIR": str(tmp_path / "data"), "PYTAKE_ENVIRONMENT": "test",
        "PYTAKE_LOKI_URL": loki.url.removesuffix("/loki/api/v1/push"), "PYTAKE_PROMTAIL_HOST": "127.0.0.1",
        "PYTAKE_HOST_LOG_DIR": str(tmp_path / "none"), "OTEL_SDK_DISABLED": "true",
    }  # fmt: skip
    from tests.support.processes import Process

    process = Process(
        [*command, f"-server.http-listen-port={promtail.port}"], tmp_path / "out.txt", env={**os.environ, **environment}
    )
    process.start()
    try:
        promtail.wait_lines(5, 15)
    finally:
        process.stop()
    by_service = {}
    for labels, at, text, metadata, _ in loki.entries:
        if 'service="promtail"' not in labels:
            by_service.setdefault(labels.split('service="')[1].split('"')[0], []).append((labels, at, text, metadata))
    labels, at, text, metadata = by_service["pytake-api"][0]
    assert labels == '{environment="test", job="pytake-api", level="warning", service="pytake-api"}'
    assert at == 1795514400123456789
    assert metadata == {"trace_id": "0af7651916cd43dd"}
    for name, secret in SECRETS.items():
        assert secret not in text, f"{name} is still there: {text}"
    assert 'level="error"' in by_service["postgres"][0][0]
    assert "STATEMENT" in by_service["postgres"][0][2]
    assert by_service["postgres"][0][1] == 1795514401500000000
    assert 'level="warning"' in by_service["redis"][0][0]
    assert by_service["redis"][0][1] == 1795514403250000000
    assert 'level="warning"' in by_service["prometheus"][0][0]
