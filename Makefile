# Everything runs in .venv, which the first target makes; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/uv pip install --quiet --python .venv --constraint constraints.txt

.PHONY: quickstart test lint clean

quickstart: .venv/installed
	$(BIN)/colorsweep launch sweeps/quickstart.yaml
	@echo "Report: $$($(BIN)/colorsweep report quickstart)"
	@echo "Runs:   $(BIN)/mlflow ui --backend-store-uri sqlite:///runs/mlflow.db"

test: lint
	$(BIN)/pytest --numprocesses 2 --dist loadfile

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
