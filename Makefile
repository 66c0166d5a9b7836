# The commands of a newcomer. Each sets up what it needs in .venv and .quadrille; run by root, PostgreSQL, which does not
# run as root, has its data and a copy of its programs in /var/tmp where it cannot reach .quadrille.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help
help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: $(BIN)/ready ## watch real checkouts pass through real Kafka and PostgreSQL, the failing ones compensated
	@$(BIN)/quadrille demo

.PHONY: test
test: $(BIN)/ready ## all tests of the product but `make crash`, on the embedded stack (STACK=compose or STACK=testcontainers for others)
	@echo "Running all tests on the $${STACK:-embedded} stack"
	@$(BIN)/python -m pytest --numprocesses 2 $(ARGS)

.PHONY: crash
crash: $(BIN)/ready ## have every service die at every point where it can, and audit what is left (some minutes)
	@$(BIN)/python -m pytest -m crash $(ARGS)

.PHONY: proofs
proofs: crash ## for two hours: `make crash`, tests of the proofs themselves, chaos, fuzzing, mutants
	@$(BIN)/python -m pytest proofs
	@$(BIN)/quadrille chaos --minutes 30
	@$(BIN)/python -m proofs.fuzz.decoder -max_total_time=600
	@$(BIN)/python -m proofs.mutation

.PHONY: check
check: $(BIN)/ready ## linter, formatter, type checker, import directions, links of the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --site-dir .quadrille/site

.PHONY: up
up: $(BIN)/ready ## start everything and stay in front
	@$(BIN)/quadrille up

.PHONY: bench
bench: $(BIN)/ready ## measure confirmed checkouts per second and their latency
	@$(BIN)/quadrille bench

.PHONY: docs
docs: $(BIN)/ready ## write what is generated: README, docs/, JSON Schemas
	@$(BIN)/quadrille docs write

.PHONY: wheels
wheels: $(BIN)/ready ## build the wheels quadrille and quadrille-client into dist/
	@$(BIN)/python -m devstack.wheels dist

.PHONY: site
site: $(BIN)/ready ## build the documents as a site in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

.PHONY: clean
clean: ## remove the environment and the state of the embedded stack
	@for note in .quadrille/postgres/elsewhere .quadrille/*/postgres/elsewhere; do \
		if [ -f "$$note" ]; then rm -rf "$$(cat "$$note")"; fi; done
	@rm -rf .venv .quadrille

$(BIN)/ready: pyproject.toml devstack/pyproject.toml proofs/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Quadrille needs Python 3.11 or newer; set PYTHON=")'
	@echo "Setting up the environment in .venv (about a minute, once)"
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -e devstack -e proofs -c constraints.txt
	@touch $@
