# `make demo` shows it, `make test` proves it. Both set up what they need first.

export UV_PYTHON_DOWNLOADS := never
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --silent --prefix dispatcher/studio

.PHONY: help setup studio studio-types lint format test test-all bench demo lock clean

help:  ## Say what can be made.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY)  ## Install everything into .venv, and the Debian packages that the tests start.

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh
	touch $@

studio: $(READY)  ## Build the studio, unless it is up to date.
	$(BIN)/python packaging/build_studio.py --with-packages

studio-types: $(READY)  ## Generate the studio's types from the description of the API.
	$(BIN)/python scripts/describe_api.py > build/openapi.json
	$(NPM) run types -- $(CURDIR)/build/openapi.json -o src/api/schema.ts

lint: studio  ## Style, types, and who may import whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p tests.rigs -p tests.chaos
	$(BIN)/lint-imports
	$(NPM) run lint

format: $(READY)  ## Put the code into its one format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint  ## Unit, integration and acceptance tests.
	$(NPM) test
	$(BIN)/pytest -m "not slow" -n 2

test-all: lint  ## Everything, with the slow tests and the chaos tests.
	$(NPM) test
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
	rm -rf .venv build dist dispatcher/studio/node_modules dispatcher/studio/built .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
