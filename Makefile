# The front door: each target says what it does (`make help`), the work is in scripts/.
# PYTHON names the interpreter to use, e.g. `make demo PYTHON=python3.12`.

PYTHON ?= python3
export PYTHON

# `make demo -- --publishers 2` hands on the options after --, as ARGS="--publishers 2" does. Make takes the
# words for targets (or, with =, for variables), so they are gathered from there and become targets that do
# nothing.
ifeq (demo,$(firstword $(MAKECMDGOALS)))
  WORDS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
  ifneq (,$(filter -%,$(firstword $(WORDS))))
    ARGS += $(WORDS)
    .PHONY: $(sort $(WORDS))
    $(eval $(sort $(WORDS)):;:)
  endif
  ARGS += $(filter --%,$(MAKEOVERRIDES))
endif
unexport MAKEFLAGS # variables given here are not meant for other makes
MAKEFLAGS += --silent # a word that is there twice would be reported as "nothing to be done"

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench verify clean

help: ## list the targets
	sed -nE 's/^([a-z]+): .*## (.*)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

# Without LTO the wheel is built on all cores to its end, so a newcomer sees the demo much sooner.
demo: export CARGO_PROFILE_RELEASE_LTO = off
demo: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS = 16
demo: ## run an MQTT ingest pipeline on real traffic (options: make demo -- --publishers 2, or ARGS="...")
	scripts/python-env .venv-demo "$(PYTHON)" demo
	.venv-demo/bin/python -m elasticq demo $(ARGS)

test: ## run every check and test (some only: ARGS="rust loom")
	scripts/test $(ARGS)

lint: ## check format, lints, types and stubs
	scripts/test lint

docs: ## build the site (target/site) and the crate's documentation; a link that leads nowhere is an error
	scripts/test docs

bench: ## measure against peers, in Rust and on Python 3.13 with and without the GIL (some only: ARGS="rust")
	scripts/bench $(ARGS)

# With exec, since make hands signals on to what it has started, and no further.
verify: ## check what `make test` has no time for; may be interrupted (some: ARGS="loom soak"; ARGS=--list)
	exec "$(PYTHON)" scripts/verify $(ARGS)

clean: ## delete everything that was built
	rm -rf target dist .cache .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
