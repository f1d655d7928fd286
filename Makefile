# Entry points of the project; `make help` lists them.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help

help: ## list the entry points
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

lock: ## pin the dependencies of pyproject.toml with hashes
	.venv/bin/uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q -o requirements/runtime.txt
	.venv/bin/uv pip compile pyproject.toml --group dev --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q -o requirements/dev.txt -c requirements/runtime.txt

lint: ## ruff (lint and format), mypy strict, import directions
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: ## let ruff mend what it can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.PHONY: help lock lint format
