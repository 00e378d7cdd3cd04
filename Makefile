# Viaduct. `make help` lists what there is.

GO       ?= go
BIN      := bin/viaduct
BENCH    ?= ../shared/bench
FUZZTIME ?= 30s

# A checkout that git does not trust (another owner's) can be built all the same.
BUILDVCS := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)

# $(call install,CHECK,PACKAGE) installs a Debian package unless CHECK finds what it has.
install = { $(1); } >/dev/null 2>&1 || { set -ex; $(SUDO) apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $(2); }

.PHONY: help build run test gate peers sipp bench microbench fuzz fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/viaduct
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=$(BUILDVCS) -ldflags='-s -w' -o $(BIN) ./cmd/viaduct

run: build ## build it and run the built-in configuration on 127.0.0.1:5060
	$(BIN) run

# The race detector makes sync.Pool forget things at random, so that what must not
# allocate is tested without it.
test: peers gate ## the gate, all tests with the race detector, calls through the built program
	$(GO) test -race -skip Alloc ./...
	$(GO) test -run Alloc ./sip/... ./internal/...

gate: ## go vet, gofumpt, staticcheck
	$(GO) vet ./...
	@unformatted=$$($(GO) tool gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofumpt: run make fmt for:"; echo "$$unformatted"; exit 1; fi
	$(GO) tool staticcheck ./...

peers: sipp ## install sipp, nsd, Chromium, phones, nftables and the packages of e2e/browser where they are missing
	@$(call install,command -v nsd || test -x /usr/sbin/nsd,nsd)
	@$(call install,command -v chromium,chromium)
	@$(call install,command -v baresip,baresip-core)
	@$(call install,command -v linphonec,linphone-cli)
	@$(call install,command -v ip,iproute2)
	@$(call install,command -v nft || test -x /usr/sbin/nft,nftables)
	@$(call install,command -v npm,npm)
	@cmp -s e2e/browser/package-lock.json e2e/browser/node_modules/.lock || { \
		npm --prefix e2e/browser ci --ignore-scripts --no-audit --no-fund && \
		cp e2e/browser/package-lock.json e2e/browser/node_modules/.lock; }

sipp: ## install sipp, the SIP load generator, when it is missing (Debian and its kin)
	@$(call install,command -v sipp,sip-tester)

microbench: ## the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench: build ## against Kamailio, with the harness in $BENCH (see bench/README.md)
	BENCH=$(BENCH) bench/compare.sh

fuzz: ## every fuzz target for $FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

fmt: ## format the source
	$(GO) tool gofumpt -w .

clean: ## remove what was built
	rm -rf bin/viaduct .run
