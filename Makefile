# make help lists what there is. Every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS ?=

# Where .pyc files are forbidden, each of the tests' many processes would compile PyTorch anew (ten seconds).
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup check lint types test test-slow test-browser smoke demo clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP) ## the environment in .venv, with the tested versions

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev]"
	@touch $@

check: lint types test ## everything that must be green before a commit

lint: $(STAMP) ## ruff, style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy --strict
	$(BIN)/mypy

test: $(STAMP) ## the tests that need no hub and no GPU, without the slow ones
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m "not net and not gpu and not slow and not browser" --durations 15 $(TESTS)

test-slow: $(STAMP) ## the others: full-width networks, simulations (half an hour)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "slow and not net and not gpu and not browser" --durations 15 $(TESTS)

test-browser: $(STAMP) ## the pages in Debian's chromium, which is installed if absent (as root; else it says how)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	  { echo "no chromium: sudo apt-get install -y chromium"; exit 1; }
	OMP_NUM_THREADS=1 $(BIN)/pytest -m browser tests/browser

smoke: $(STAMP) ## the fast half: no slow tests, no real speech
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m "not net and not gpu and not slow and not data and not browser" $(TESTS)

demo: $(STAMP) ## generated voices -> features -> heads -> held-out score -> report -> one prediction
	$(BIN)/profiling demo

clean: ## removes the environment, caches and the demo; keeps data/ and runs/
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
