"""``pytake sandbox`` against a sandbox on a real port."""

import json

from typer.testing import CliRunner

from pytake.sandbox.cli import app
from tests.support.ports import free_port

runner = CliRunner()


def run(url: str, *arguments: str) -> tuple[int, str]:
    done = runner.invoke(app, [*arguments, "--url", url])
    return done.exit_code, done.output


def test_faults_are_added_listed_and_cleared(running_sandbox: str) -> None:
    assert run(running_sandbox, "faults", "clear")[0] == 0
    code, output = run(running_sandbox, "faults", "add", "error_rate", "ratio=0.5", "api=openai", "--seconds", "30")
    assert (code, output) == (0, "error_rate is in force for 30 s\n")
    code, output = run(running_sandbox, "faults", "list", "--json")
    (fault,) = json.loads(output)["faults"]
    assert fault["params"]["ratio"] == 0.5
    assert "error_rate" in run(running_sandbox, "faults", "list")[1]
    assert "webhook_silence" in run(running_sandbox, "faults", "list", "--kinds")[1]
    assert run(running_sandbox, "faults", "clear", "error_rate") == (0, "1 ended\n")


def test_refusals_say_why_and_exit_with_1(running_sandbox: str) -> None:
    code, output = run(running_sandbox, "faults", "add", "sunshine")
    assert code == 1
    assert "sunshine" in output
    code, output = run(running_sandbox, "faults", "add", "latency", "much")
    assert code == 2


def test_rate_send_and_status(running_sandbox: str) -> None:
    assert run(running_sandbox, "rate", "0")[0] == 0
    code, output = run(running_sandbox, "send", "Hello!", "--count", "2", "--json")
    assert code == 0
    assert len(json.loads(output)["wamids"]) == 2
    code, output = run(running_sandbox, "status")
    assert code == 0
    assert "quality GREEN" in output
    assert json.loads(run(running_sandbox, "status", "--json")[1])["received"] >= 2


def test_no_sandbox_is_exit_code_3() -> None:
    code, output = run(f"http://127.0.0.1:{free_port()}", "status")
    assert code == 3
    assert "pytake-sandbox" in output
