"""A process of a service that shares its metrics; the test tells it what to count, line by line."""

import sys
from pathlib import Path

from pytake.telemetry import catalog as c
from pytake.telemetry.metrics import render
from pytake.telemetry.shared import SharedMetrics


def main() -> None:
    """Read commands: ``count N``, ``gauge N``, ``observe TRACE``, ``render``, ``leave``."""
    shared = SharedMetrics(Path(sys.argv[1]), "service")
    shared.join()
    print("ready", flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "count":
            c.HTTP_REQUESTS.inc(float(argument), method="GET", endpoint="/items", status="200")
        elif command == "gauge":
            c.HTTP_IN_FLIGHT.set(float(argument))
            c.DEPENDENCY_UP.set(float(argument), dependency="redis")
            c.WEBHOOK_LAST.set(float(argument), whatsapp_instance="other")
        elif command == "observe":
            c.HTTP_DURATION.observe(0.3, trace_id=int(argument), method="GET", endpoint="/items")
        elif command == "run":  # counts until it is killed, as fast as it can
            print("running", flush=True)
            child = c.HTTP_REQUESTS.labels(method="POST", endpoint="/items", status="200")
            while True:
                child.inc()
        elif command == "leave":
            shared.leave()
        print(len(page := render(True)) if command == "render" else "done", flush=True)
        if command == "render":
            sys.stdout.buffer.write(page)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
