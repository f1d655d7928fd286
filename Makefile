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
	.venv/bin/pytest -m "not slow" $(ARGS)

test-all: setup ## every test, the slow ones too
	.venv/bin/pytest $(ARGS)

generate:: ## make the generated files again (CI fails when they differ)
	$(PY) -m pytake.checks.docs_metrics
	$(PY) -m pytake.checks.docs_settings
	$(PY) -m pytake.checks.slo

bench:: ## measured claims; each is one command in bench/
	$(PY) -m bench.telemetry_cost
	$(PY) -m bench.metrics_page

screenshots:: ## pictures of the pages for the documentation

lock: ## pin the dependencies of pyproject.toml with hashes
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -o requirements/dev.txt -c requirements/runtime.txt
	$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt -c requirements/dev.txt
	$(COMPILE) requirements/web.in -o requirements/web.txt

.PHONY: help setup web web-check lint types format test test-all generate bench screenshots lock
