# Two commands for a newcomer: `make quickstart` and `make test`. They need Python 3.10 to 3.13, make and a package index.
PYTHON ?= python3
VENV ?= .venv
# Further arguments for pip. On Linux the package index serves torch built for CUDA, several GB that a machine without a
# GPU cannot use; PyTorch's "Get Started" page names the index of the builds for CPU: make test PIP_ARGS="--extra-index-url URL".
PIP_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS)
TRAIN := $(VENV)/.installed-train
DEV := $(VENV)/.installed-dev
FAIRSEQ2 := $(VENV)/.installed-fairseq2
RAY := $(VENV)/.installed-ray
ONNX := $(VENV)/.installed-onnx

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint types unit slow-test test-fairseq2 unit-fairseq2 test-gpu test-ray test-browser test-onnx unit-onnx format docs wheel clean

help: ## what there is to make
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo "variables: PYTHON=$(PYTHON) VENV=$(VENV) PIP_ARGS=$(PIP_ARGS)"

quickstart: $(TRAIN) ## install, distil a real model on real text, print the scores and three translations
	@$(BIN)/nmt-distill run quickstart

test: $(DEV) ## install, lint, check types and run all tests but the slow ones
	@$(MAKE) --no-print-directory lint types
	@$(MAKE) --no-print-directory unit

lint: $(DEV) ## ruff
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(DEV) ## mypy --strict
	@$(BIN)/mypy

unit: $(DEV) ## pytest without the slow tests
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

slow-test: $(DEV) ## the slow tests too, and those that need the package index
	@$(BIN)/python -m pytest -m "slow or network"

test-fairseq2: ## the tests of the fairseq2 teacher, in an environment of its own, .venv-fairseq2
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "fairseq2 0.8 is built for Python 3.10 to 3.12; name one: make test-fairseq2 PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libsndfile.so.1")' 2>/dev/null || \
	  { echo "fairseq2 needs the system's libsndfile; on Debian: apt-get install libsndfile1" >&2; exit 2; }
	@$(MAKE) --no-print-directory VENV=.venv-fairseq2 unit-fairseq2

unit-fairseq2: $(FAIRSEQ2)
	@$(BIN)/python -m pytest -m fairseq2

test-onnx: ## the tests of ONNX exports, in an environment of their own, .venv-onnx
	@$(MAKE) --no-print-directory VENV=.venv-onnx unit-onnx

unit-onnx: $(ONNX)
	@$(BIN)/python -m pytest tests/unit/export/test_onnx.py

test-gpu: $(DEV) ## the tests of an NVIDIA GPU, on a machine that has one
	@$(BIN)/python -m pytest -m gpu tests/gpu

test-ray: $(RAY) ## install Ray too, and label on a cluster of two workers on this machine
	@$(BIN)/python -m pytest -m ray

test-browser: $(DEV) ## look at the report in Chromium, which must be installed
	@$(BIN)/python -m pytest -m system tests/unit/evaluation/test_browser.py

format: $(DEV) ## let ruff lay out the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(DEV) ## write docs/configuration.md from the strings under the fields
	@$(BIN)/python -m nmt_distill.configuration nmt_distill.recipe:Recipe docs/configuration.md

wheel: $(DEV) ## build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel

clean: ## remove the environment, caches and builds; runs/ stays
	rm -rf $(VENV) .venv-fairseq2 .venv-onnx build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find nmt_distill tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "nmt-distill needs Python 3.10 to 3.13; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "$(PYTHON) cannot make environments; on Debian install python3-venv." >&2; exit 2; }

# Not every torch is for every machine: say so before it is fetched.
HINT := @[ -n "$(PIP_ARGS)" ] || command -v nvidia-smi >/dev/null || \
  echo "No NVIDIA driver here: if pip fetches torch for CUDA, stop and give PIP_ARGS (see CONTRIBUTING.md)." >&2

$(TRAIN): pyproject.toml | $(BIN)/pip
	$(HINT)
	$(PIP) --editable '.[train]'
	@touch $@

$(DEV): pyproject.toml | $(BIN)/pip
	$(HINT)
	$(PIP) --editable '.[train,embed,sentence-transformers,dev]'
	@touch $(TRAIN) $@

# fairseq2's native part is linked against torch's build for CUDA, which works without a GPU too.
$(FAIRSEQ2): pyproject.toml | $(BIN)/pip
	$(PIP) --editable '.[train,fairseq2,dev]'
	@touch $@

# optimum wants an older transformers than the newest.
$(ONNX): pyproject.toml | $(BIN)/pip
	$(HINT)
	$(PIP) --editable '.[train,onnx,dev]'
	@touch $@

$(RAY): $(DEV)
	$(PIP) --editable '.[train,embed,dev,ray]'
	@touch $@
