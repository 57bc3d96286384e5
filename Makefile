# The targets of mintmark. `make help` lists them.
#
# One build tag and CGO_ENABLED=0 for everything but the tests' race detector, so that build, vet and
# lint compile the libraries once between them.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:

export GOFLAGS := $(strip $(filter-out -tags=nomsgpack,$(shell go env GOFLAGS)) -tags=nomsgpack)
export CGO_ENABLED := 0

# As -c on git's command line: it also reads a checkout that belongs to another user, as where root builds it.
export GIT_CONFIG_COUNT := 1
export GIT_CONFIG_KEY_0 := safe.directory
export GIT_CONFIG_VALUE_0 := *

FUZZTIME ?= 10s
PACKAGES ?= ./...
LINTER_VERSION := 2.15.0
LINTER := bin/golangci-lint-$(LINTER_VERSION)
INSTALL := sh tools/install.sh
# Modules of their own, whose libraries no other program of ours needs.
MODULES := internal/deployment internal/storm internal/zoo
GO_DIRS := $(wildcard api cmd db internal pkg)

.PHONY: help run demo build test check lint vet fmt format generate generated tidy fuzz bench e2e storm storm-long zoo mutate cross fresh

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: ## start the authority in embedded mode (Ctrl-C ends it)
	go run -tags nomsgpack ./cmd/mintmark serve

demo: ## show the life of a session, from registration to a caught replay
	go run -tags nomsgpack ./cmd/mintmark demo

build: ## build all commands into bin/
	go build -buildvcs=false ./...
	go build -o bin/ ./cmd/...

test: ## run every test with the race detector, on its own Postgres and Redis
	exec sh tools/test.sh $(PACKAGES)

check: needs format vet lint build cross test generated tidy e2e ## run all that CI requires

# First of all, so that nothing long ends at a missing tool.
.PHONY: needs
needs:
	@$(INSTALL) git curl gcc node npm python postgres pgbouncer redis nginx

lint: $(LINTER) ## look for likely defects
	$(LINTER) run ./...
	for module in $(MODULES); do (cd $$module && ../../$(LINTER) run ./...) || exit 1; done

fresh: ## as root, a bare Debian in a folder, and the README's commands on it (half an hour)
	exec sh tools/fresh.sh $(filter-out ./...,$(PACKAGES))

# Other systems than this one: what we ship must compile there, and what Go programs import from us.
PLATFORMS ?= linux/arm64 darwin/arm64 windows/amd64

cross: ## compile for each of PLATFORMS
	@for platform in $(PLATFORMS); do \
		echo "go build for $$platform" && \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -buildvcs=false ./cmd/... ./pkg/... || exit 1; \
	done

vet:
	go vet ./...
	for module in $(MODULES); do (cd $$module && go vet ./...) || exit 1; done
	cd internal/storm && go vet -tags nomsgpack,netns ./...

fmt: ## format the code
	gofmt -s -w $(GO_DIRS)

format:
	@unformatted=$$(gofmt -s -l $(GO_DIRS)) && if [ -n "$$unformatted" ]; then \
		echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi

generate: ## regenerate the generated files
	go generate ./...

# A tree with uncommitted work is fine; generating must only add nothing to it. An index aside takes
# a picture of the whole tree before and after.
generated:
	@git rev-parse --verify --quiet HEAD >/dev/null || { \
		echo "generated files can be checked in a git checkout only: clone the project"; exit 1; }
	@index=$$(mktemp) && trap 'rm -f "$$index"' EXIT && \
	state() { cp "$$(git rev-parse --git-path index)" "$$index" && \
		GIT_INDEX_FILE=$$index git add --all && GIT_INDEX_FILE=$$index git write-tree; } && \
	before=$$(state) && go generate ./... && after=$$(state) && \
	if [ "$$before" != "$$after" ]; then \
		echo "generated files were out of date, now they are not; commit them:"; \
		git diff --stat "$$before" "$$after"; exit 1; fi

tidy:
	go mod tidy -diff
	cd tools && go mod tidy -diff
	for module in $(MODULES); do (cd $$module && go mod tidy -diff) || exit 1; done

# As in tools/test.sh, which says why.
RACE := -race -gcflags=modernc.org/libc=-race=false -gcflags=modernc.org/sqlite/lib=-race=false

storm: bin/with ## three replicas, a nemesis, promotions, moving slots and restarts behind nginx; print the figures
	@$(INSTALL) postgres redis gcc nginx
	exec env CGO_ENABLED=1 MINTMARK_TEST_STORM=3m bin/with go -C internal/storm test $(RACE) -count=1 -v -timeout 20m ./...

STORM ?= 30m

storm-long: bin/with ## the same for STORM (30m) each; as root, also promotions over real kernel links
	@$(INSTALL) postgres redis gcc nginx iproute2
	exec env CGO_ENABLED=1 MINTMARK_TEST_STORM=$(STORM) bin/with go -C internal/storm test -tags nomsgpack,netns $(RACE) -count=1 -v -timeout 4h ./...

zoo: ## every kind of verifier through 90 days of rotations
	go -C internal/zoo test -count=1 -v ./...

fuzz: bin/with ## run each fuzz target for FUZZTIME (10s)
	@$(INSTALL) postgres redis
	@listed=$$(go test -list '^Fuzz' $(PACKAGES)) || { echo "$$listed"; exit 1; }; \
	echo "$$listed" | \
		awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
		while read -r package target; do \
			echo "fuzz $$package $$target"; \
			bin/with go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$package" </dev/null || exit 1; \
		done

SEED ?= $(shell date +%s)
SAMPLE ?= 15
BUDGET ?= 30m

mutate: bin/with ## plant SAMPLE (15) mistakes into each of PACKAGES, and list those that no test notices
	@$(INSTALL) git curl postgres redis node python
	bin/with go run ./internal/mutate -seed $(SEED) -sample $(SAMPLE) -budget $(BUDGET) $(filter-out ./...,$(PACKAGES))

# Benchmarks report ratios, by testing.B.ReportMetric.
BENCH_DIRS = $(sort $(dir $(shell grep -rl --include='*_test.go' '^func Benchmark' cmd internal pkg | grep -v ^internal/storm)))

bench: bin/with ## measure, as ratios to the raw cryptography
	@$(INSTALL) postgres redis
	bin/with go test -run '^$$' -bench . -timeout 30m $(addprefix ./,$(BENCH_DIRS))
	bin/with go -C internal/storm test -run '^$$' -bench . -timeout 30m ./...

e2e: build ## run the Postman collection against a throwaway authority
	@$(INSTALL) node npm
	@cd api/e2e && { cmp -s package-lock.json node_modules/.installed || { \
		npm ci --no-progress && cp package-lock.json node_modules/.installed; }; }
	api/e2e/run.sh bin

# Always asked, as only the go command knows whether it is up to date.
.PHONY: bin/with
bin/with:
	@go build -buildvcs=false -o $@ ./internal/testserver/with

$(LINTER): tools/go.mod tools/go.sum
	@grep -Eq 'golangci-lint/v2 v$(LINTER_VERSION)( |$$$$)' tools/go.mod || { \
		echo "tools/go.mod names another golangci-lint than LINTER_VERSION in the Makefile"; exit 1; }
	cd tools && go build -buildvcs=false -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
