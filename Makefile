# Everything a newcomer runs. Needs Python 3.11 or later and make; all else goes into .venv.

PYTHON ?= python3
FRAMEWORK ?= jax
BIN := .venv/bin
PACKAGES := core backends methods plugins
INSTALLED := .venv/installed
DEMO := .venv-demo-$(FRAMEWORK)

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check format lint types imports pages benchmarks zoo clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(INSTALLED): requirements/development.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements/development.txt
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

$(DEMO)/installed: requirements/demo.txt requirements/demo-$(FRAMEWORK).txt pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --no-compile --requirement requirements/demo-$(FRAMEWORK).txt
	$(DEMO)/bin/python -m pip install --quiet --no-compile --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(DEMO)/installed  ## Explain a network's mistakes on Fashion-MNIST; FRAMEWORK=jax, mlx, tensorflow or torch
	$(DEMO)/bin/backlight demo --framework $(FRAMEWORK)

test: $(INSTALLED)  ## Run the tests, on all four frameworks; those marked sweep are left to make zoo
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: format lint types imports test  ## All that must be green: format, lint, types, imports, tests

format: $(INSTALLED)
	$(BIN)/ruff format --check .

lint: $(INSTALLED)
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

tests/pages/node_modules: tests/pages/package-lock.json
	npm ci --prefix tests/pages --no-audit --no-fund
	@touch $@

pages: $(INSTALLED) tests/pages/node_modules  ## Open the page of a study in Chromium: needs chromium, chromedriver and npm
	$(BIN)/python -m pytest tests/pages --override-ini python_files="browse_*.py test_*.py" --numprocesses auto --maxprocesses 4 --dist loadgroup

benchmarks: $(INSTALLED)  ## Measure time and memory against bare loops and Captum
	$(BIN)/python -m benchmarks

zoo: $(INSTALLED)  ## Run the tests marked sweep, every pair; look at nets of other libraries: maps, kinds, gaps
	$(BIN)/python -m pytest -m sweep --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m benchmarks.zoo

clean:  ## Remove the environment and everything built
	rm -rf .venv .venv-demo-* build dist backlight-report backlight-demo backlight-demo-photos .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
