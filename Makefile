# make demo   runs the main job on real input: needs Go, nothing else.
# make test   installs what the tests need (a Python environment with the engines
#             that judge our tables) and runs them all.

GO      ?= go
PYTHON  ?= python3
VENV    := $(CURDIR)/.venv
TOOLS   := $(CURDIR)/.tools
STAMP   := $(VENV)/.installed-$(shell cksum internal/judge/requirements.txt | cut -d' ' -f1)

.PHONY: demo build test unit lint race judges bench report clean

demo: build
	bin/frazil demo

build:
	$(GO) build -o bin/frazil ./cmd/frazil

test: lint judges
	FRAZIL_PYTHON=$(VENV)/bin/python $(GO) test ./...
	$(MAKE) race

# unit runs the tests that need nothing but Go.
unit:
	$(GO) test ./...

# race leaves out the tests of the built command, which is built without the
# detector, and the benchmarks.
race:
	FRAZIL_PYTHON=$(VENV)/bin/python $(GO) test -race -short $$($(GO) list ./... | grep -v -e /internal/e2e -e /bench)

judges: $(STAMP)

$(STAMP):
	@command -v $(PYTHON) >/dev/null || { echo "make test needs Python 3.10 or later for the engines that judge our tables"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r internal/judge/requirements.txt
	@touch $@

lint: $(TOOLS)/gofumpt $(TOOLS)/staticcheck $(TOOLS)/govulncheck
	$(GO) vet ./...
	@out=$$($(TOOLS)/gofumpt -l .); [ -z "$$out" ] || { echo "gofumpt: $$out"; exit 1; }
	$(TOOLS)/staticcheck ./...
	sh tools/vulncheck.sh $(TOOLS)/govulncheck

$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@v0.12.0
$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.8.2
$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@v1.9.0

bench: build
	bin/frazil bench W1 W2 W6 W12 --size small

# report runs the workloads beside iceberg-go and writes bench/out/report.md with charts.
# make report SIZE=full ROUNDS=5; DuckDB, Polars and PyIceberg join in where
# FRAZIL_SHARED and FRAZIL_PYTHON are set.
SIZE   ?= small
ROUNDS ?= 3
report:
	cd bench/rivals && $(GO) run -mod=mod . -out ../out -size $(SIZE) -rounds $(ROUNDS)

clean:
	rm -rf bin .venv .tools bench/out
