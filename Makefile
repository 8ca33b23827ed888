# `make demo` shows it, `make test` proves it. Both set up what they need first.

export UV_PYTHON_DOWNLOADS := never
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup lint format test test-all bench demo lock clean

help:  ## Say what can be made.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY)  ## Install everything into .venv, and the Debian packages that the tests start.

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh
	touch $@

lint: $(READY)  ## Style, types, and who may import whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p tests.rigs -p tests.chaos
	$(BIN)/lint-imports

format: $(READY)  ## Put the code into its one format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint  ## Unit, integration and acceptance tests.
	$(BIN)/pytest -m "not slow" -n 2

test-all: lint  ## Everything, with the slow tests and the chaos tests.
	$(BIN)/pytest tests/unit tests/integration tests/acceptance tests/chaos

bench: $(READY)  ## Measure, and print the numbers.
	$(BIN)/python -m tests.benchmarks

demo: $(READY)  ## Run the example from start to end.
	$(BIN)/python -m examples.fruit.demo

lock: $(READY)  ## Work out requirements.lock afresh from pyproject.toml.
	build/tools/bin/uv pip compile pyproject.toml --extra dev --no-emit-package \
	    compute-target-dispatcher --universal --generate-hashes --no-header --upgrade \
	    --quiet -o requirements.lock

clean:  ## Remove all that was made here, .venv included.
	rm -rf .venv build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
