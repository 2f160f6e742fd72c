# What people expect: build, run, test, lint, fuzz, bench, compare, screenshots. `make test` installs
# what it needs on a Debian machine with Go.

GO ?= go
# One fuzz target's time; CI gives less.
FUZZTIME ?= 30s
# How long the clients of others are tormented; CI gives less.
CLIENTSTIME ?= 10m
# How much is done with the pages in no order, and what; CI gives less.
STEPS ?= 3000
SEED ?= $(shell od -An -N6 -tu8 /dev/urandom | tr -d ' ')
# What make against compares with.
COMMIT ?= HEAD~1
# More flags for go test, such as -v.
TESTFLAGS ?=

.PHONY: all build run test deps lint unit e2e clients anyhow fuzz bench against compare compare-short screenshots clean

all: build

build: ## the static binary, ./feedd
	CGO_ENABLED=0 $(GO) build -trimpath -o feedd ./cmd/feedd

run: ## serve on 127.0.0.1:8001, data in ./data
	$(GO) run ./cmd/feedd serve

test: deps lint unit e2e ## everything that CI runs

deps: ## what the tests need from Debian, where it is missing
	./scripts/deps

# The tools have versions of their own, apart from what the server needs.
TOOL := $(GO) tool -modfile=$(CURDIR)/scripts/lint/go.mod

lint: ## gofmt, vet, staticcheck, wrapped errors, code that only tests use, types of the scripts, known holes in what is imported
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt: the files above need it"; exit 1; }
	$(GO) vet ./... && cd e2e && $(GO) vet ./...
	$(TOOL) staticcheck ./... && cd e2e && $(TOOL) staticcheck ./...
	$(TOOL) go-errorlint -test=false ./...
	@dead="$$($(TOOL) deadcode ./cmd/... ./bench/...)" && test -z "$$dead" || { echo "$$dead"; echo "deadcode: only tests use what is above"; exit 1; }
	./scripts/types
	@if curl -sfm 5 -o /dev/null https://vuln.go.dev/index/db.json; then $(TOOL) govulncheck ./...; \
		else echo "govulncheck: skipped, because its database cannot be reached"; fi

unit: ## the tests of the packages and of the pages' scripts; no browser, no proxy
	node --test public/test/*.test.js
	$(GO) test -race -p 4 -timeout 1h $(TESTFLAGS) ./... # an hour tells a hang, two minutes are usual; 4 packages at a time, because tests wait
	$(GO) test -tags portable -p 4 -timeout 1h $(TESTFLAGS) ./internal/stream ./internal/fanout ./internal/subscribe ./internal/socket ./internal/api # without epoll

e2e: deps ## the real binary with browsers, proxies and clients of others, killed and cut
	cd e2e && $(GO) test -race -count=1 -timeout 1h $(TESTFLAGS) ./... # five minutes are usual; Go does not know that the binary has changed

clients: deps ## clients of others through kills, cuts and proxies, CLIENTSTIME
	cd e2e && FEEDD_TEST_CLIENTS=$(CLIENTSTIME) $(GO) test -race -count=1 -timeout 1h -v -run clients_of_others ./clients

anyhow: deps ## anything done with the pages at any moment, STEPS of it, by SEED
	cd e2e && FEEDD_TEST_SEED=$(SEED) FEEDD_TEST_STEPS=$(STEPS) $(GO) test -count=1 -timeout 2h -v -run TestAnyhow ./browser

fuzz: ## every fuzz target, FUZZTIME each
	./scripts/fuzz $(FUZZTIME)

bench: ## speed and memory of this machine, against the targets
	$(GO) run ./bench/speed

against: ## what publishing, replay, fan-out and long polls cost beside COMMIT, ten pairs, 7 minutes
	$(GO) run ./bench/speed -against $(COMMIT)

compare: ## feedd beside its peers, an hour: writes bench/RESULTS.md
	$(GO) run ./bench/compare

compare-short: ## that the comparison works, a minute and a half
	$(GO) run ./bench/compare -short

screenshots: build ## the pictures in docs/, with the items of DATA=dir (*.ndjson), else with examples
	mkdir -p docs
	cd e2e && FEEDD_TEST_BINARY=$(CURDIR)/feedd FEEDD_TEST_PICTURES=$(CURDIR)/docs FEEDD_TEST_PICTURES_DATA=$(abspath $(DATA)) \
		$(GO) test -count=1 -run '^TestScreenshots$$' ./browser

clean:
	rm -rf feedd bin
