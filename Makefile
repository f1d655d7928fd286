# Entry points of the project; `make help` lists them. A `::` target may have more than one recipe: add yours.
SHELL := /bin/bash
PY := .venv/bin/python
UV := .venv/bin/uv
COMPILE := $(UV) pip compile --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q
.DEFAULT_GOAL := help

help: ## list the entry points
	@grep -hE '^[a-z-]+::?.*## ' $(MAKEFILE_LIST) | sed -E 's/::?.*## /\t/' | expand -t 22

setup: ## make .venv with the development tools and install the Debian packages that stack and tests need
	@PYTAKE_SETUP=dev ./deploy-with-monitoring.sh --setup-only
	@.venv/bin/pytake packages --tests
	@.venv/bin/pytake web

web: ## build the web pages of the embedded servers when they are not current
	@.venv/bin/pytake web

web-check: web ## types, eslint and unit tests of the web pages
	cd web && npm run check && npm test

lint: ## ruff (lint and format), mypy strict, import directions, shellcheck
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	shellcheck deploy-with-monitoring.sh .ci/run docker/*.sh

types: ## mypy strict on src/
	.venv/bin/mypy

format: ## let ruff mend what it can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

test: setup ## set up what the tests need, then run all but the slow ones (ARGS="-k name" to choose)
	.venv/bin/pytest -m "not slow" -n 2 --dist loadfile $(ARGS)

test-all: setup ## every test, the slow ones too
	.venv/bin/pytest $(ARGS)

generate:: ## make the generated files again (CI fails when they differ)
	$(PY) -m pytake.checks.docs_metrics
	$(PY) -m pytake.checks.docs_settings
	$(PY) -m pytake.stack.dashboards.build
	$(PY) -m pytake.checks.slo

BENCHES := webhook_ack.py telemetry_cost.py metrics_page.py rules_cost.py promtail_ship.py loki_ingest.py loki_query.py \
  jaeger_ingest.py jaeger_query.py grafana_viewers.py

bench:: ## measured claims, each one command in bench/ (a quiet machine, please); fails when a figure misses its goal
	@missed=; for b in $(BENCHES); do echo "== $$b"; PYTHONPATH=.:bench $(PY) bench/$$b || missed="$$missed $$b"; done; \
	  [ -z "$$missed" ] || { echo "missed their goals:$$missed" >&2; exit 1; }

screenshots:: ## pictures of the pages of the running stack, for the documentation (docs/img)
	.venv/bin/pytake dashboards screenshots

lock: ## pin the dependencies of pyproject.toml with hashes
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -o requirements/dev.txt -c requirements/runtime.txt
	$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt -c requirements/dev.txt
	$(COMPILE) requirements/web.in -o requirements/web.txt
	$(COMPILE) requirements/grafana-wtf.in -o requirements/grafana-wtf.txt
	$(COMPILE) requirements/grafana-backup.in -o requirements/grafana-backup.txt

.PHONY: help setup web web-check lint types format test test-all generate bench screenshots lock
