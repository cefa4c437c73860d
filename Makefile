# The front door: each target says what it does (`make help`), the work is in scripts/.
# PYTHON names the interpreter to use, e.g. `make demo PYTHON=python3.12`.

PYTHON ?= python3
export PYTHON

# `make demo -- --publishers 2` hands on the options after --, as ARGS="--publishers 2" does. Make takes the words for
# targets (or, with =, for variables), so they are gathered from there and become targets that do nothing.
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

demo: ## run an MQTT ingest pipeline on real traffic (options: make demo -- --publishers 2, or ARGS="...")
	scripts/python-env .venv-demo "$(PYTHON)" demo
	.venv-demo/bin/python -m elasticq demo $(ARGS)

test: ## run every check and test (some only: ARGS="rust loom")
	scripts/test $(ARGS)

lint: ## check format, lints, types and stubs
	scripts/test lint

docs: ## build the crate's documentation, where a warning is an error
	scripts/test docs

bench: ## measure against peers, in Rust and on Python 3.13 with and without the GIL (some only: ARGS="rust")
	scripts/bench $(ARGS)

verify: ## check what `make test` has no time for: each feature alone, more interleavings, larger models, code broken on purpose, more power cuts and kills, fuzzed files, 100 million messages, the suites of other queues
	scripts/test features_alone
	scripts/peer-suites
	LOOM_MAX_PREEMPTIONS=$${LOOM_MAX_PREEMPTIONS:-3} scripts/test loom
	ELASTICQ_MODELS=all scripts/test tla
	cd tla+ && ../scripts/tlc LockFreeMPSCQueue.tla -config LockFreeMPSCQueueLarge.cfg
	cd tla+ && ../scripts/tlc LockFreeMPSCQueue.tla -config LockFreeMPSCQueueLivenessLarge.cfg
	cd tla+ && ../scripts/tlc LockFreeMPMCQueue.tla -config LockFreeMPMCQueueLarge.cfg
	cd tla+ && ../scripts/tlc LockFreeMPMCQueue.tla -config LockFreeMPMCQueueLivenessLarge.cfg
	cd tla+ && ../scripts/tlc DurableLog.tla -config DurableLogCellsLarge.cfg
	cd tla+ && ../scripts/tlc DurableLog.tla -config DurableLogSkipsLarge.cfg
	cd tla+ && ../scripts/tlc DurableRoot.tla -config DurableRootLarge.cfg
	LOOM_MAX_PREEMPTIONS=3 scripts/mutants
	ELASTICQ_SOAK_MESSAGES=$${ELASTICQ_SOAK_MESSAGES:-100000000} cargo test --package elasticq --release \
		--features lock_free --test soak -- --nocapture --test-threads 1
	ELASTICQ_ENDS_ROUNDS=$${ELASTICQ_ENDS_ROUNDS:-100000} cargo test --package elasticq --release \
		--features lock_free --test ends_random
	ELASTICQ_EFFORT=$${ELASTICQ_EFFORT:-20} cargo test --package elasticq --release --features persistent \
		--lib --test persistent_kill
	ELASTICQ_DURABLE_ITEMS=$${ELASTICQ_DURABLE_ITEMS:-10000000} cargo test --package elasticq --release \
		--features persistent --test persistent_full -- --nocapture
	scripts/fuzz
	scripts/sanitize

clean: ## delete everything that was built
	rm -rf target dist .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
