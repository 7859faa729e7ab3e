# Everything runs in .venv, which the first target makes; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
# A process for each core, up to 4: each may start servers and a Ray of its own, of 2 GB or so.
CORES := $(shell nproc 2>/dev/null || echo 2)
PYTEST := $(BIN)/pytest --numprocesses $(CORES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
INSTALL := $(BIN)/uv pip install --quiet --python .venv --constraint constraints.txt
# What is imported is compiled once: most of the packages' 26,000 files never are.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart check test lint quick-tests all-tests kills benchmark clean

quickstart: .venv/installed
	$(BIN)/colorsweep launch sweeps/quickstart.yaml
	@echo "Report: $$($(BIN)/colorsweep report quickstart)"
	@echo "Runs:   $(BIN)/mlflow ui --backend-store-uri sqlite:///runs/mlflow.db"

# Linters, types, contracts, and the quick tests; `make --jobs 2 check` runs both at once.
check: lint quick-tests

test: lint all-tests

quick-tests: .venv/installed-dev
	$(PYTEST) -m "not slow and not system"

all-tests: .venv/installed-dev
	$(PYTEST)

# 500 kills instead of the 20 of make test.
kills: .venv/installed-dev
	COLORSWEEP_KILLS=500 $(BIN)/pytest tests/system/test_kills.py

# What deaths and orchestration cost, as lines of a Markdown table. Takes 50 minutes.
benchmark: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.restart
	$(BIN)/python -m tests.benchmarks.checkpoints
	$(BIN)/python -m tests.benchmarks.orchestration
	$(BIN)/python -m tests.benchmarks.goodput
	$(BIN)/python -m tests.benchmarks.report
	$(BIN)/python -m tests.benchmarks.scale

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(INSTALL) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(INSTALL) --group dev
	@touch $@

clean:
	rm -rf .venv runs dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
