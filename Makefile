# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Small models run slower on more threads; jobs run side by side instead.
export OMP_NUM_THREADS ?= 1
EXTERNAL := daemon or cp2k or deepmd or lammps or tblite or packmol or slurm
LONG := medium or slow
# Three at a time on two cores: half of a test with a daemon is waiting. tests/conftest.py has the order.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help install demo demo-cp2k cp2k lint test test-fast test-slow clean

help:  ## List the targets.
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## Virtual environment in .venv with the package, programs and test tools.

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11; give another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || if [ "$$(id -u)" = 0 ]; then \
	  apt-get update -q && apt-get install -y -q python3-venv; \
	  else echo "$(PYTHON) has no venv module; run: sudo apt-get install python3-venv"; exit 1; fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -e '.[programs,structures,tests]'
	@touch $@

cp2k:  ## CP2K from Debian's package.
	@if command -v cp2k >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -y -q cp2k; \
	else echo "CP2K is not installed; run: sudo apt-get install cp2k"; exit 1; fi

demo: install  ## Molten LiCl from a structure to a conductivity, labelled with GFN1-xTB.
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/licl_melt/run.sh .demo demo

demo-cp2k: install cp2k  ## The same campaign, labelled with PBE-D3(BJ) by CP2K.
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/licl_melt/run.sh .demo-cp2k demo-cp2k --engine cp2k

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-fast: install  ## Tests of less than a second, without a daemon or an external program.
	$(BIN)/pytest -q $(PARALLEL) -m "not ($(EXTERNAL) or $(LONG))"

test: lint cp2k  ## Lint, types and all tests that fit every change, with the real programs.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q $(PARALLEL) --durations=15 \
	  -m "not (slow or slurm)"

test-slow: install cp2k  ## Tests that are too long for every change.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q -m "slow or slurm"

clean:  ## Remove what the demos left; stop their daemons first.
	rm -rf .demo .demo-cp2k
