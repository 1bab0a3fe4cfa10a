# make demo   runs the main job on real input: needs Go, nothing else.
# make test   installs what the tests need (a Python environment with the engines
#             that judge our tables, and Apache Spark) and runs them all.

GO      ?= go
PYTHON  ?= python3
VENV    := $(CURDIR)/.venv
TOOLS   := $(CURDIR)/.tools
SPARK   := $(CURDIR)/.spark
STAMP   := $(VENV)/.installed-$(shell cksum internal/judge/requirements.txt | cut -d' ' -f1)

SPARKED := $(SPARK)/.installed-$(shell cat internal/e2e/spark/pom.xml internal/e2e/spark/Judge.java | cksum | cut -d' ' -f1)

# Without a JDK and Maven the Spark suite is left out and says so; CI must have them.
HAVE_SPARK := $(if $(CI),yes,$(shell command -v javac >/dev/null && command -v mvn >/dev/null && echo yes))

.PHONY: demo build test unit lint race judges sparked spark guarantees mutants \
        faults explore kill soak fuzz bench report clean

demo: build
	bin/frazil demo

build:
	$(GO) build -o bin/frazil ./cmd/frazil

test:
	$(MAKE) -j3 lint judges $(if $(HAVE_SPARK),sparked)
	FRAZIL_SPARK=$(if $(HAVE_SPARK),$(SPARK)) FRAZIL_PYTHON=$(VENV)/bin/python $(GO) test -timeout 30m ./...
	$(MAKE) race

# unit runs the tests that need nothing but Go.
unit:
	$(GO) test ./...

# race leaves out the tests of the built command, which is built without the
# detector, and the benchmarks.
race:
	FRAZIL_PYTHON=$(VENV)/bin/python $(GO) test -timeout 30m -race -short $$($(GO) list ./... | grep -v -e /internal/e2e -e /bench)

judges: $(STAMP)

$(STAMP):
	@command -v $(PYTHON) >/dev/null || { echo "make test needs Python 3.10 or later for the engines that judge our tables"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r internal/judge/requirements.txt
	@touch $@

# spark lets Apache Spark read and change our tables, as make test does among the
# rest. It needs a JDK 17 and Maven, and downloads some 300 MB the first time.
spark: sparked judges
	FRAZIL_SPARK=$(SPARK) FRAZIL_PYTHON=$(VENV)/bin/python $(GO) test ./internal/e2e -run TestSpark -count=1 -v

sparked: $(SPARKED)

$(SPARKED):
	@for tool in java javac mvn; do command -v $$tool >/dev/null || { echo "no $$tool: the Spark suite needs a JDK, 17 or later (java, javac), and Maven (mvn)"; exit 1; }; done
	mvn -B -q -f internal/e2e/spark/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=$(SPARK)/jars
	mkdir -p $(SPARK)/classes
	javac -proc:none -cp '$(SPARK)/jars/*' -d $(SPARK)/classes internal/e2e/spark/Judge.java
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

# guarantees runs the tests behind the promises and writes their figures into README.md.
guarantees:
	$(GO) test ./internal/guarantees -count=1 -run TestFigures -measure -timeout 60m

# mutants switches every rule of docs/invariants.md off in turn; a test must fail.
mutants:
	$(GO) test ./internal/mutation -count=1 -mutate -timeout 60m

# The tests that try to break tables, at the scale of a release. Each prints what
# it did and how many promises were broken.
TORTURE := $(GO) test ./internal/torture -count=1 -timeout 0 -v -run

# faults: every fault, and pairs of faults; histories of eight processes.
faults:
	$(TORTURE) TestEveryFault -full -pairs 2000
	$(TORTURE) TestHistories -history.seeds 200

# explore: all schedules of two writers with one operation each, then with two.
explore:
	$(TORTURE) TestInterleavings -explore.ops 1
	$(TORTURE) TestInterleavings -explore.ops 2 -explore.slice 0/20

# kill: processes killed, at random and at each step of a commit.
CYCLES ?= 20000
kill:
	$(TORTURE) TestKilled -kill.cycles $(CYCLES)
	$(GO) test ./internal/e2e -count=1 -timeout 0 -v -run TestKill -kill.cycles 1000

# soak: 50 commits a second beside readers and compaction.
SOAK ?= 1h
soak:
	$(TORTURE) TestSoak -soak.time $(SOAK)
	$(TORTURE) TestSoak -soak.time $(SOAK) -soak.disk

# fuzz: each fuzz target for FUZZTIME under a memory cap, then files changed at
# random and every byte of small tables.
FUZZTIME ?= 1h
MUTANTS  ?= 700000
fuzz:
	GO=$(GO) sh tools/fuzz.sh $(FUZZTIME)
	$(TORTURE) TestMutants -mutants $(MUTANTS)
	$(TORTURE) TestByteFlips -flip.stride 1

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
	rm -rf bin .venv .tools .spark bench/out
