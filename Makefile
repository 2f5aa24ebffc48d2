# Two commands to begin with: make demo, make test. Both need Python >= 3.11, make and a package index, nothing else.

VENV := .venv
BIN := $(VENV)/bin

# The first Python that is new enough and can make environments; overrule with make PYTHON=/path/to/python.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

# Workers of one machine must not each start a thread per core.
TEST_ENV := WINDVANE_THREADS=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint types docs bench clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

demo: $(VENV)/.demo  ## Run the whole pipeline on a year of real groceries; writes demo/
	$(BIN)/windvane demo demo

test: $(VENV)/.dev  ## Run the tests (all but the slow ones)
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS) --dist loadfile

test-all: $(VENV)/.dev  ## Run the slow tests too
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS) --dist loadfile -m ""

lint: $(VENV)/.dev  ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types
	$(BIN)/mypy

docs: $(VENV)/.docs  ## Write the generated reference pages and build the site into site/
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.demo  ## Measure accuracy and cost on the demo's data, and on those in WINDVANE_DATA where it is set
	$(BIN)/python benchmarks/shops.py --data demo $(if $(WINDVANE_DATA),fresh_market_zh online_retail m5)

clean:  ## Remove what the other verbs wrote, but for .venv/
	rm -rf demo site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, three sets of packages; each stamp is renewed when the packages it stands for change.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Windvane needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,sql,dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,docs]'
	@touch $@
