# The front door. `make` alone lists what there is; each target brings along what it needs and this machine lacks.
#
# What a target has to know about the machine (is there a container engine? where is Bun?) stands in make/, one question
# a file.
.DEFAULT_GOAL := help
BUN := make/bun

.PHONY: help up down clean logs test test-compose check format build stress soak fuzz fuzz-api races bench ship native
.PHONY: chaos chaos-controls client keys

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  SEKALI_NATIVE=1 before up, down or logs: without containers, although Docker is there."
	@echo "  BIND, PORT, WORKERS, SHARDS, RETENTION_DAYS, LOG_LEVEL, TICK_INTERVAL_MS …: as in the README's table."

up: ## Start everything and return when it is ready (BIND=127.0.0.1 PORT=8080)
	@MAKE='$(MAKE)' make/up

down: ## Stop everything; the data stays
	@make/down

clean: ## Stop everything and remove its data
	@make/down --volumes
	@rm -rf .data

logs: ## Follow the logs
	@make/logs

keys: ## Keys of what is up: make keys ARGS='create --name web --scopes publish', list, revoke
	@make/keys $(ARGS)

build: dist/aggregator dist/publisher dist/THIRD_PARTY_NOTICES ## Compile the two binaries into dist/

client: client/dist/package.json ## Build the package @sekali/client into client/dist (npm pack ./client/dist)

check: node_modules/.installed ## Types, lint, format and style
	$(BUN) x tsc --project . --noEmit
	$(BUN) x tsc --project aggregator/dashboard --noEmit
	$(BUN) x tsc --project aggregator/reference --noEmit
	$(BUN) x tsc --project client --noEmit --emitDeclarationOnly false
	@if [ -f loadtest/k6/tsconfig.json ]; then $(BUN) x tsc --project loadtest/k6 --noEmit; fi
	$(BUN) x biome check --error-on-warnings .
	$(BUN) test ./tidy.test.ts

format: node_modules/.installed ## Mend what lint and format can mend by themselves
	$(BUN) x biome check --write .

test: native ## All tests, on real Redis, Postgres and Chromium (ARGS='-t name' for some of them)
	@make/chromium
	@make/node --version >/dev/null || true
	@make/pgbouncer
	@make/prometheus
	@make/schemathesis || { [ -z "$$CI" ] && echo "*** Without it the OpenAPI document will not be fuzzed. ***" >&2; }
	SEKALI_BINARY='$(CURDIR)/dist/aggregator' $(BUN) test --timeout 120000 --parallel=$$(make/workers) \
	  --path-ignore-patterns 'aggregator/test/compose/**' $(ARGS) \
	  contract native client aggregator publisher loadtest chaos make/notices

fuzz: native ## Bodies of every kind over HTTP, for longer than the tests do (SECONDS=60 SEED=…)
	@FUZZ_SECONDS=$(or $(SECONDS),60) $(if $(SEED),SEED=$(SEED)) SEKALI_BINARY='$(CURDIR)/dist/aggregator' \
	  $(BUN) test --timeout $$(($(or $(SECONDS),60) * 1000 + 120000)) aggregator/test/black-box/any-body.test.ts

fuzz-api: native ## Hold the service to its OpenAPI document, for longer than the tests do (CASES=100 SEED=…)
	@make/schemathesis
	@FUZZ_CASES=$(or $(CASES),100) $(if $(SEED),SEED=$(SEED)) SEKALI_BINARY='$(CURDIR)/dist/aggregator' \
	  $(BUN) test aggregator/test/openapi/fuzz.test.ts

test-compose: node_modules/.installed ## The black-box suite and restarts against the Compose stack
	@make/test-compose

# These stop, starve or double aggregators, so they bring a Redis, a Postgres and aggregators of their own.
OWN_STACK := overload restart races-apart subscribers
LOAD = SEKALI_UID=$$(id -u) SEKALI_GID=$$(id -g) TARGET_URL=$${TARGET_URL:-http://127.0.0.1:$${PORT:-8080}} \
  $(if $(filter $(OWN_STACK),$(PROFILE)),SEKALI_BINARY='$(CURDIR)/dist/aggregator') $(BUN) loadtest/src/main.ts
stress: $(if $(filter $(OWN_STACK),$(PROFILE)),native)
stress: node_modules/.installed ## Load and race what runs, then recount (PROFILE=reads|spike|overload|restart …)
	@$(LOAD) $(or $(PROFILE),stress races)

soak: native ## Half an hour at two thirds of the peak: does anything grow that should not (SOAK_MINUTES=30)
	@SEKALI_BINARY='$(CURDIR)/dist/aggregator' $(BUN) loadtest/src/main.ts endurance

races: ## Many callers send the same event in the same instant, to two aggregators of their own
	@$(MAKE) --no-print-directory stress PROFILE=races-apart

chaos: native ## Inject faults for up to two hours and check (ARGS='--fault redis-kill --seed 1', ARGS=list)
	@$(BUN) chaos/src/main.ts $(if $(filter list,$(ARGS)),,run --binary '$(CURDIR)/dist/aggregator') $(ARGS)

bench: native ## Measure beside a bare echo, Postgres alone and a naive design (BENCH_GROWTH=1: with 5 M rows, too)
	@make/wrk
	@SEKALI_BINARY='$(CURDIR)/dist/aggregator' $(BUN) loadtest/src/main.ts bench

chaos-controls: native ## Break each promise on purpose and demand that make chaos turns red (ARGS='--mutation no-lock')
	@$(BUN) chaos/src/controls/main.ts $(ARGS)

TOPIC ?= files.shipped
SOURCE ?= $(shell hostname)
ship: dist/publisher ## Ship a log, line by line: make ship FILE=x.log [TOPIC=…] [SOURCE=…] [FOLLOW=1]
	@[ -n "$(FILE)" ] || { echo "which file? make ship FILE=/var/log/dpkg.log" >&2; exit 2; }
	@TARGET_URL=$${TARGET_URL:-http://127.0.0.1:$${PORT:-8080}} \
	  dist/publisher ship "$(FILE)" --topic "$(TOPIC)" --source "$(SOURCE)" $(if $(FOLLOW),--follow)

# What runs on this machine itself needs the binaries and a Redis.
native: build
	@make/redis-server

node_modules/.installed: package.json bun.lock bunfig.toml $(wildcard */package.json) $(wildcard patches/*)
	$(BUN) install --frozen-lockfile
	@touch $@

CONTRACT := package.json $(shell find contract/src -type f)
CLIENT := client/package.json $(shell find client/src client/build -type f)
AGGREGATOR := $(shell find aggregator/src aggregator/dashboard aggregator/reference aggregator/migrations -type f)
dist/aggregator: node_modules/.installed $(CONTRACT) $(CLIENT) $(AGGREGATOR)
	$(BUN) build --compile --minify --sourcemap aggregator/src/main.ts --outfile $@

NOTICES := $(wildcard make/notices/*.ts)
client/dist/package.json: node_modules/.installed $(CONTRACT) $(CLIENT) $(NOTICES) client/README.md
	$(BUN) client/build/main.ts

dist/publisher: node_modules/.installed $(CONTRACT) $(CLIENT) $(shell find publisher/src -type f)
	$(BUN) build --compile --minify --sourcemap publisher/src/main.ts --outfile $@

dist/THIRD_PARTY_NOTICES: dist/aggregator dist/publisher $(NOTICES)
	$(BUN) make/notices/main.ts $@ aggregator publisher
