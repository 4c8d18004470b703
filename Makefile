# Two commands for a newcomer: `make serve` and `make test`. Both bring what they need on Debian 12 (root or sudo,
# Python 3.11 or newer, Rust, network access to the usual registries); a second run finds it there and skips it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
PYTHON := $(VENV)/bin/python
CACHE := .cache
STEP := scripts/step.sh
CARGO_DENY := $(CACHE)/cargo-tools/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2

# Handed to `sfu serve` and to pytest: make serve ARGS="--host 0.0.0.0", make test PYTEST_ARGS="-k reload".
ARGS ?=
PYTEST_ARGS ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: serve
serve: develop ## build, then serve the page on http://localhost:8080 (ARGS="--host 0.0.0.0", ARGS=demo)
	@$(VENV)/bin/sfu $(if $(filter demo,$(ARGS)),,serve) $(ARGS)

.PHONY: test
test: fresh-times ready-for-tests ## every check and every test
	@$(STEP) "floors"       $(PYTHON) scripts/check_floors.py
	@$(MAKE) --no-print-directory format-check lint-python lint-rust deny doc test-rust stubtest test-python test-interop
	@$(STEP) --sum

.PHONY: lint
lint: ready-for-tests ## floors, formatting, lints, types, documentation, licences
	@$(STEP) "floors"       $(PYTHON) scripts/check_floors.py
	@$(MAKE) --no-print-directory format-check lint-python lint-rust deny doc stubtest

.PHONY: format
format: $(VENV)/.stamp-dev ## rewrite Rust and Python in the house format
	@cargo fmt --all
	@$(VENV)/bin/ruff format
	@$(VENV)/bin/ruff check --fix-only --exit-zero

.PHONY: bench
bench: ready-for-tests ## every figure of benches/ (release build)
	@$(STEP) "release build" scripts/extension.sh --release
	@for script in benches/*.py; do $(STEP) "$$script" $(PYTHON) "$$script" $(ARGS); done

.PHONY: bench-guard
bench-guard: $(VENV)/bin/python ## instructions of the packet path against those accepted (ARGS=--accept, ARGS="--runs 5")
	@scripts/system_packages.sh build guard
	@$(STEP) "release build" cargo build --release --locked --quiet -p sfu-core --example guard
	@$(STEP) "bench-guard"  $(PYTHON) scripts/bench_guard.py $(ARGS)

.PHONY: soak-joins
soak-joins: build-packages ## a hundred thousand calls, one after another: what memory they leave (JOINS=1000000)
	@SFU_JOINS=$(or $(JOINS),100000) $(STEP) "joins" \
		cargo test --release --locked --quiet -p sfu-load --test ten_thousand_joins -- --nocapture

.PHONY: picture
picture: ready-for-tests extension ## take the README's picture of the page again (docs/page.png)
	@SFU_PICTURE=docs/page.png $(PYTHON) -m pytest -q tests/interop/test_picture.py

.PHONY: fuzz-smoke
fuzz-smoke: build-packages ## search every parser with libFuzzer, 60 s each (TARGETS="rtp sdp", SECONDS=10)
	@scripts/fuzz.sh $(or $(SECONDS),60) $(TARGETS)

.PHONY: fuzz
fuzz: build-packages ## the same, an hour each
	@scripts/fuzz.sh $(or $(SECONDS),3600) $(TARGETS)

.PHONY: wheel
wheel: build-packages $(VENV)/.stamp-run ## one abi3 wheel in dist/
	@rm -f dist/*.whl
	@$(STEP) "wheel"        $(VENV)/bin/maturin build --release --locked --strip --quiet --out dist

.PHONY: clean
clean: ## remove what was built (the virtual environment and downloads too: make clean ALL=1)
	@rm -rf target dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -not -path './.cache/*' -prune -exec rm -rf {} +
	@rm -f python/sfu/_core*.so
	@if [ -n "$(ALL)" ]; then rm -rf $(VENV) $(CACHE); fi

# The parts of `make test`, each of which can be called alone.

.PHONY: format-check
format-check: $(VENV)/.stamp-dev
	@$(STEP) "cargo fmt"    cargo fmt --all --check
	@$(STEP) "ruff format"  $(VENV)/bin/ruff format --check --quiet

.PHONY: lint-python
lint-python: $(VENV)/.stamp-dev
	@$(STEP) "ruff check"   $(VENV)/bin/ruff check --quiet
	@$(STEP) "mypy"         $(PYTHON) -m mypy

.PHONY: lint-rust
lint-rust: $(VENV)/.stamp-run
	@$(STEP) "clippy"       cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

.PHONY: deny
deny: $(CARGO_DENY)
	@$(STEP) "cargo-deny"   $(CARGO_DENY) --log-level error check --hide-inclusion-graph licenses bans sources
	@$(STEP) "advisories"   scripts/advisories.sh $(CARGO_DENY)

.PHONY: doc
doc: $(VENV)/.stamp-run
	@RUSTDOCFLAGS="-D warnings" $(STEP) "cargo doc" cargo doc --workspace --no-deps --locked --quiet

.PHONY: test-rust
test-rust: $(VENV)/.stamp-run
	@$(STEP) "cargo test"   cargo test --workspace --locked
	@$(STEP) "two shards"   env SFU_SHARDS=2 cargo test -p sfu-core --test scenarios --locked --quiet

.PHONY: stubtest
stubtest: extension
	@$(STEP) "stubtest"     env MYPYPATH=python $(PYTHON) -m mypy.stubtest sfu._core

.PHONY: test-python
test-python: extension
	@$(STEP) "pytest"       $(PYTHON) -m pytest --ignore=tests/interop $(PYTEST_ARGS)

.PHONY: test-interop
test-interop: extension wheel $(CACHE)/.stamp-npm
	@$(STEP) "interop"      $(PYTHON) -m pytest tests/interop $(PYTEST_ARGS)

# Not in `make test`: the carried crates are built once more for it, with a target folder of their own.
.PHONY: test-third-party
test-third-party: $(VENV)/.stamp-run ## the own tests of the libraries that are carried with patches
	@$(STEP) "dimpl"        cargo test -p dimpl --lib --locked --quiet --target-dir target/third_party
	@$(STEP) "dcsctp"       cargo test --manifest-path third_party/dcsctp/Cargo.toml --lib --quiet --target-dir target/third_party

# What has to be there first.

.PHONY: fresh-times
fresh-times:
	@$(STEP) --start

.PHONY: ready-for-tests
ready-for-tests: system-packages $(VENV)/.stamp-dev $(CACHE)/.stamp-npm

.PHONY: system-packages
system-packages:
	@scripts/system_packages.sh build browsers gstreamer node trace

# cargo decides what has changed, so this runs each time; without a change it takes a second.
.PHONY: extension
extension: $(VENV)/.stamp-editable
	@$(STEP) "extension"    scripts/extension.sh

.PHONY: develop
develop: build-packages extension

.PHONY: build-packages
build-packages:
	@scripts/system_packages.sh build

$(VENV)/bin/python:
	@scripts/system_packages.sh build
	@$(STEP) "virtual environment" scripts/virtual_environment.sh $(VENV)

$(VENV)/.stamp-run: requirements/run.txt | $(VENV)/bin/python
	@$(STEP) "packages"     $(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	@touch $@

# The package's metadata and its command `sfu`; the code itself stays in the tree.
$(VENV)/.stamp-editable: pyproject.toml | $(VENV)/.stamp-run
	@PIP_QUIET=1 $(STEP) "editable install" $(VENV)/bin/maturin develop --locked --quiet
	@touch $@

$(VENV)/.stamp-dev: requirements/dev.txt requirements/run.txt | $(VENV)/.stamp-run
	@$(STEP) "test packages" $(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(CARGO_DENY):
	@$(STEP) "cargo-deny (once)" env CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug \
		cargo-deny --version $(CARGO_DENY_VERSION) --root $(CACHE)/cargo-tools

$(CACHE)/.stamp-npm: tests/interop/node/package-lock.json tests/interop/node/package.json
	@$(STEP) "npm packages" scripts/npm_packages.sh $(CACHE)/node
	@touch $@
