# One word for each thing a developer does; the same words in CI. `make run` and `make test` work right after a clone.
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
export VENV

.PHONY: help run test check bench docs setup format constraints clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: ## set up what is missing and start midge (ARGS="--port 4000" ...)
	@tools/setup run
	@exec $(BIN)/midge serve $(ARGS)

test: ## set up what is missing and run the tests (ARGS="-k invoke" ...)
	@tools/setup all
	@tools/setup packages gcc libc6-dev busybox-static g++ make cmake autoconf automake libtool || true
	$(BIN)/python -m pytest -n auto $(ARGS)

check: ## format, lint, types, imports, spelling, style
	@tools/setup all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/codespell src tests docs benchmarks examples tools *.md Makefile
	$(BIN)/python -m pytest -q tests/style

bench: ## measure midge against its baselines (ARGS="warm cold" for a part)
	@tools/setup all
	@tools/setup packages wrk gcc libc6-dev || true
	@$(BIN)/python -m benchmarks $(ARGS)

docs: ## write the generated pages anew
	@tools/setup all
	$(BIN)/python tools/configuration_reference.py
	$(BIN)/python tools/operations_reference.py

setup: ## only prepare .venv
	@tools/setup all

format: ## let the formatter and the safe fixes loose on the tree
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints: ## pin every dependency anew, with hashes and without addresses
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--upgrade --all-extras --group build --group setup --group test --group check --group bench \
		pyproject.toml -o constraints.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra neighbours --group build -c constraints.txt pyproject.toml -o constraints-run.txt
	printf 'awslambdaric\nboto3\n' | $(BIN)/uv pip compile -q --universal --python-version 3.9 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade - -o src/midge/runtimes/pins/python.txt
	cd src/midge/runtimes/nodejs && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean: ## remove what the verbs made, .venv included
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache benchmarks/results
