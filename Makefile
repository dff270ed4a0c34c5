# Everything that a developer or CI does, by name; `make help` lists it.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
MAILBOXES ?= 5000000
# The server's tests in which no way answers more than a few queries, or in which both do already. The client's, which
# ask a scripted server, are not among what is tried the plain way either.
OF_EITHER_WAY := access access_file ahead budgeting change_watching change_workers key_source leaving listening metrics \
  roster senders status store_changed_while_serving supervising tls tls_program tokens workers
FUZZ_SECONDS ?= 60
SITE := build/bench-$(MAILBOXES)
WITH_SITE := --mailboxes $(MAILBOXES) --snapshot $(SITE)/snapshot --keys $(SITE)/index.key
RESULTS := bench/results
PROTOS := $(wildcard protos/resolver_grpc/v1/*.proto)
RUN := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help install demo demo-quick test test-plain test-anew test-kernels fuzz check format format-check lint types imports proto proto-check docs agree defences bench bench-costs bench-changes bench-guards bench-quick bench-build country clean

help: ## List what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(VENV)/installed: requirements.lock pyproject.toml setup.py src/resolver_grpc/_bulk_keys.pyx src/resolver_grpc/_budgets.pyx src/resolver_grpc/_key_places.pyx src/resolver_grpc/_following.pyx $(wildcard src/resolver_grpc/*.pxi src/resolver_grpc/changes/*.pyx src/resolver_grpc/changes/*.pxi src/resolver_grpc/fastpath/*.pyx src/resolver_grpc/fastpath/*.pxi) src/resolver_grpc/blake2b.h
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/installed ## Make the virtual environment and install everything, pinned

demo: install ## A register of 50,000, a snapshot, a server, a shipment, its lists; under a minute
	$(RUN) tools/demo.py --out demo

demo-quick: install ## The same with a register of 5,000
	$(RUN) tools/demo.py --out demo --persons 5000 --queries 2000

test: install ## Run the tests
	$(RUN) -m pytest -n auto

test-plain: install ## Run the tests of the server and of whole answers the plain way
	RESOLVER_FASTPATH=off $(RUN) -m pytest -n auto tests/server tests/test_agreement.py tests/test_hot_swap.py \
	  $(addprefix --ignore=tests/server/test_,$(addsuffix .py,$(OF_EITHER_WAY)))

test-anew: install ## Run the property tests with examples drawn anew: to look further than the suite does
	RESOLVER_EXAMPLES=anew $(RUN) -m pytest -n auto -p no:cacheprovider

# Python's own memory comes from malloc too, so that the sanitizer sees the ends of requests, pages and columns.
test-kernels: install ## Run the tests of the compiled modules under AddressSanitizer, where gcc has it
	rm -rf build/sanitized && mkdir -p build/sanitized && cp -r setup.py pyproject.toml README.md src build/sanitized
	rm -f build/sanitized/src/resolver_grpc/*.so build/sanitized/src/resolver_grpc/*/*.so
	cd build/sanitized && CFLAGS="-fsanitize=address -fno-omit-frame-pointer -g" \
	  $(abspath $(BIN))/python setup.py --quiet build_ext --inplace
	LD_PRELOAD=$$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
	  PYTHONPATH=build/sanitized/src $(BIN)/python -m pytest -n auto --timeout 600 tests/fastpath tests/budgets tests/changes tests/test_bulk_keys.py

fuzz: install ## Fuzz each target of tests/fuzz for FUZZ_SECONDS, and note it in bench/results/fuzz.md
	@$(RUN) -c 'import atheris' 2> /dev/null || \
	  $(BIN)/pip install --quiet --disable-pip-version-check --requirement tests/fuzz/requirements.txt
	$(RUN) tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --out bench/results/fuzz.md

check: install format-check lint types imports proto-check test ## Everything that CI checks

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: install
	$(BIN)/ruff format --check .

lint: install ## Lint the code and the protos
	$(BIN)/ruff check .
	$(BIN)/buf lint

types: install ## Check the types
	$(BIN)/mypy

imports: install ## Check that imports point one way
	$(BIN)/lint-imports --no-cache

proto: install ## Generate the code of the wire from protos/
	$(call generate,src)

proto-check: install ## Check that the generated code is that of protos/
	@rm -rf build/proto && mkdir -p build/proto
	$(call generate,build/proto)
	@for file in build/proto/resolver_grpc/v1/*; do \
	  cmp $$file src/resolver_grpc/v1/$$(basename $$file) || { echo "run 'make proto' and commit"; exit 1; }; done

docs: install ## Print the documentation's tables from the code
	$(RUN) -m resolver_grpc.build.schema_docs > docs/inputs.md

agree: install ## Server and brute force on 100,000 persons and 100,000 queries
	$(RUN) -m pytest tests/test_agreement.py -m large -n 0 -s --timeout 3600

defences: install ## Take each defence out of the code, see that its test fails, and write docs/defences.md; half an hour
	$(RUN) tests/defences/take_out.py

# A country, its key and its snapshot, which all the benchmarks below share.
$(SITE)/snapshot: | install
	rm -rf $(SITE) && mkdir -p $(SITE)
	$(RUN) bench/country.py --mailboxes $(MAILBOXES) --out $(SITE)/tables
	$(BIN)/resolver-grpc keys new $(SITE)/index.key
	$(RUN) tools/build_snapshot.py --keys $(SITE)/index.key --out $@ --persons $(SITE)/tables/persons.parquet \
	  --mailboxes $(SITE)/tables/mailboxes.parquet --relations $(SITE)/tables/relations.parquet \
	  --roads $(SITE)/tables/roads.parquet

bench: bench-costs bench-changes bench-guards ## All benchmarks into bench/results/; an hour and a half

bench-costs: $(SITE)/snapshot ## What resolving costs, by kind, stage and size, and beside others, into bench/results/
	$(RUN) bench/resolve.py $(WITH_SITE) $(RESOLVE) --out $(RESULTS)/resolve.md
	$(RUN) bench/scale.py --snapshot $(SITE)/snapshot --keys $(SITE)/index.key $(SCALE) --out $(RESULTS)/scale.md
	$(RUN) bench/load.py $(WITH_SITE) --sweep $(LOAD) --out $(RESULTS)/load.md
	$(RUN) bench/calls.py $(WITH_SITE) $(CALLS) --out $(RESULTS)/calls.md
	$(RUN) bench/peers.py $(WITH_SITE) --tables $(SITE)/tables $(PEERS) --out $(RESULTS)/peers.md

bench-changes: $(SITE)/snapshot ## What changes cost, alone and through the server, and what kills leave of them, into bench/results/
	$(RUN) bench/change_log.py $(CHANGE_LOG) --out $(RESULTS)/change_log.md
	$(RUN) bench/changes.py $(WITH_SITE) $(CHANGES) --out $(RESULTS)/changes.md
	$(RUN) bench/change_calls.py $(WITH_SITE) $(CHANGE_CALLS) --out $(RESULTS)/change_calls.md

bench-guards: $(SITE)/snapshot ## What TLS, audit and budgets cost, what time tells, what hostile clients do, into bench/results/
	$(RUN) bench/guarded.py $(WITH_SITE) --out $(RESULTS)/guarded.md
	$(RUN) bench/telling.py --out $(RESULTS)/telling.md
	$(RUN) bench/hostile.py --out $(RESULTS)/hostile.md

bench-quick: install ## What resolving costs with 20,000 mailboxes, into build/bench-quick, in three minutes: to see that it runs
	mkdir -p build/bench-quick
	$(MAKE) bench-costs bench-changes MAILBOXES=20000 RESULTS=build/bench-quick RESOLVE="--messages 3 --rounds 2" \
	  SCALE="--sizes 5000,20000 --messages 20 --rounds 3" LOAD="--seconds 0.3 --warm-up 0.1 --count 50" \
	  CALLS="--rounds 1 --seconds 0.2 --queries 2000" PEERS="--messages 5 --rounds 2" \
	  CHANGES="--changes 2000 --messages 3 --rounds 2" CHANGE_LOG="--changes 5000 --rounds 1 --kills 2 --flips 20" \
	  CHANGE_CALLS="--changes 1000 --ones 30 --sights 30 --kills 2 --rounds 1"

bench-build: install ## What building a country costs, beside PostgreSQL where it is installed, into bench/results/
	$(RUN) bench/build.py --mailboxes $(MAILBOXES) --csv --keep build/countries --out bench/results/build.md

country: install ## The tables of a country of MAILBOXES mailboxes, into build/country
	$(RUN) bench/country.py --mailboxes $(MAILBOXES) --out build/country

clean: ## Remove what was made, the virtual environment too
	rm -rf build demo $(VENV)

define generate
	PATH="$(abspath $(BIN)):$$PATH" $(RUN) -m grpc_tools.protoc -I protos --python_out=$(1) --mypy_out=quiet:$(1) $(PROTOS)
	PATH="$(abspath $(BIN)):$$PATH" $(RUN) -m grpc_tools.protoc -I protos --grpc_python_out=$(1) \
	  --mypy_grpc_out=quiet:$(1) $(filter %_service.proto,$(PROTOS))
endef
