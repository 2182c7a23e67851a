# The commands of this project. `make` alone lists them. Everything that a command installs goes to .tools, which git ignores.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

# make splits the names of its targets at blanks, and those of the tools begin with this folder.
ifneq ($(words $(CURDIR)),1)
$(error the path of this folder has a blank in it, which make cannot work with: $(CURDIR). Move the folder to a path without one)
endif

# MEASURE: how long and how large, on two cores that do nothing else. `make help` and `make test` print them, CONTRIBUTING.md repeats them.
CHECK_TIME := under 30 s
TEST_TIME  := under 10 min
TOOLS_SIZE := 700 MB

# Pinned, so that a command does the same tomorrow.
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0
SAM_VERSION           := 1.170.0
MOTO_VERSION          := 5.2.1
CHECKOV_VERSION       := 3.3.30
AWSCLI_VERSION        := 1.46.3

FUZZTIME       ?= 20s
COVER_LIMIT    := 90
COVER_PACKAGES := ./pkg/oauth ./internal/lifecycle ./internal/refresh ./internal/rotate

# Each may be given on the command line to use one that is installed elsewhere: make test VENV=... VENV_READY= GOLANGCI_LINT=... GOVULNCHECK=... CHECKOV=...
TOOLS         := $(CURDIR)/.tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOVULNCHECK   := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
VENV          := $(TOOLS)/py
VENV_READY    := $(VENV)/.ready-sam-$(SAM_VERSION)-moto-$(MOTO_VERSION)
CHECKOV       := $(TOOLS)/checkov-$(CHECKOV_VERSION)/bin/checkov

# What internal/readers runs the README's commands and snippets with. The npm packages are those of its package-lock.json.
AWSCLI         := $(TOOLS)/aws/bin/aws
AWSCLI_READY   := $(TOOLS)/aws/.ready-$(AWSCLI_VERSION)
NODE_MODULES   := $(TOOLS)/readers/node_modules
READERS_READY  := $(NODE_MODULES)/.package-lock.json
READERS_SOURCE := internal/readers/testdata/node
# The services of the pages' commands. Without the second line the AWS command line does not start: it renames commands of these.
AWS_SERVICES   := cloudformation cloudwatch dynamodb iam lambda logs secretsmanager ssm sts \
	codedeploy config s3 sagemaker-runtime sdb sms-voice

# The second DynamoDB of the conformance suite, beside moto.
DYNALITE        := $(TOOLS)/dynalite/node_modules
DYNALITE_READY  := $(DYNALITE)/.package-lock.json
DYNALITE_SOURCE := internal/awstest/conformance/testdata/dynalite

SAM_HERE := $(shell command -v sam 2>/dev/null)

MOTO = scripts/with-moto '$(VENV)/bin/moto_server'

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST) | \
		sed -e 's/CHECK_TIME/$(CHECK_TIME)/; s/TEST_TIME/$(TEST_TIME)/; s/TOOLS_SIZE/$(TOOLS_SIZE)/'

.PHONY: demo
demo: ## the whole system on this machine, explained step by step; needs Go and make only
	@go run -buildvcs=false ./cmd/demo

# The program is built first and then started, not run by `go run`, which would leave it behind when it is told to end.
# What is given to these two reaches the program by the environment, so that no character in it means something to the shell.
.PHONY: local
local: export PORT := $(value PORT)
local: export HOST := $(value HOST)
local: ## the demo's world keeps running, for sam local invoke and the aws command line; PORT=5610, HOST=
	@go build -buildvcs=false -o .build/demo ./cmd/demo
	@exec .build/demo local $${PORT:+-port "$$PORT"} $${HOST:+-host "$$HOST"}

.PHONY: invoke
invoke: export PORT := $(value PORT)
invoke: export EVENT := $(value EVENT)
invoke: ## a function with an event file of its own, against a make local, without Docker; EVENT=events/refresher/schedule.json
	@go build -buildvcs=false -o .build/demo ./cmd/demo
	@exec .build/demo invoke $${PORT:+-port "$$PORT"} -- "$$EVENT"

.PHONY: build
build: $(if $(SAM_HERE),,$(VENV_READY)) ## sam build, with the settings of a deployment; ARGS='--config-env x86_64'
	@go build -o /dev/null ./functions/...
	@scripts/with-build-flags '$(or $(SAM_HERE),$(VENV)/bin/sam)' build $(ARGS)

.PHONY: check
check: ## the quick part, CHECK_TIME once compiled: format, vet, build, unit tests, 12 scenarios, import table
	@scripts/check

.PHONY: test
test: tools ## everything, TEST_TIME once the tools are there; the last lines say what ran and what was left out
	@EXPECTED='$(TEST_TIME)' GOLANGCI_LINT='$(GOLANGCI_LINT)' GOVULNCHECK='$(GOVULNCHECK)' VENV='$(VENV)' CHECKOV='$(CHECKOV)' \
		COVER_LIMIT='$(COVER_LIMIT)' COVER_PACKAGES='$(COVER_PACKAGES)' MAKE='$(MAKE)' \
		AWSCLI='$(AWSCLI)' NODE_MODULES='$(NODE_MODULES)' DYNALITE='$(DYNALITE)' scripts/test

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint with .golangci.yml
	@'$(GOLANGCI_LINT)' run

.PHONY: cover
cover: ## statement coverage of the core; fails below 90%
	@go test -cover $(COVER_PACKAGES) | scripts/cover $(COVER_LIMIT) - $(COVER_PACKAGES)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (20s)
	@scripts/fuzz $(FUZZTIME)

.PHONY: moto
moto: $(VENV_READY) $(DYNALITE_READY) ## the tests that need moto or dynalite: the conformance suite of the stores
	@$(MOTO) scripts/with-dynalite '$(DYNALITE)' go test -count=1 ./internal/awstest/... ./internal/ssmstore ./internal/smsecret ./internal/dynamostate

.PHONY: e2e
e2e: $(VENV_READY) ## the built functions with each event, against awstest and moto
	@$(MOTO) go test -count=1 -v ./internal/lambdatest ./internal/e2e

.PHONY: bench
bench: $(VENV_READY) ## speed, size and memory against floors, one table, three to five minutes; BENCH=-quick for a try
	@go run -buildvcs=false ./cmd/bench -python '$(VENV)/bin/python' $(BENCH)

.PHONY: readers
readers: $(AWSCLI_READY) $(READERS_READY) ## the README's commands and reading snippets, each in its own language
	@CHAVEIRO_AWS='$(AWSCLI)' CHAVEIRO_NODE_MODULES='$(NODE_MODULES)' go test -count=1 -v ./internal/readers

.PHONY: sam
sam: $(VENV_READY) $(CHECKOV) ## the template and sam: validate, cfn-lint, checkov, build, sam local invoke of every event
	@SAM_CLI_TELEMETRY=0 '$(VENV)/bin/sam' validate --lint
	@'$(VENV)/bin/cfn-lint' template.yaml
	@'$(VENV)/bin/python' scripts/checkov.py '$(CHECKOV)' template.yaml
	@built=$$(mktemp -d "$${TMPDIR:-/tmp}/sam-build.XXXXXX"); trap 'rm -rf "$$built"' EXIT; \
	scripts/with-build-flags scripts/sam-build '$(VENV)/bin/sam' "$$built"; \
	scripts/sam-local '$(VENV)/bin/sam' "$$built/one" go test -count=1 -v -run TestSAM ./internal/e2e

.PHONY: release-check
release-check: $(VENV_READY) ## sam build for both processors from two folders: the programs are the same, byte for byte
	@built=$$(mktemp -d "$${TMPDIR:-/tmp}/sam-build.XXXXXX"); trap 'rm -rf "$$built"' EXIT; \
	scripts/with-build-flags scripts/sam-build '$(VENV)/bin/sam' "$$built" twice

.PHONY: dashboard
dashboard: ## draws docs/dashboard.svg anew, from what the functions print in two virtual days
	@go test -count=1 -run '^TestPicture$$' ./cmd/dashboard -update
	@echo 'docs/dashboard.svg is drawn: look at it'

.PHONY: soak
soak: ## the long run of make test for months, with three seeds and more faults, about an hour; SOAK='-seed 7 -seeds 1'
	@go test -count=1 -v -timeout 6h ./internal/longrun -soak $(SOAK) | { grep -v '^=== ' || true; }

.PHONY: hooks
hooks: ## install the pre-commit hook (under 5 s a commit)
	@hooks=$$(git rev-parse --git-path hooks); mkdir -p "$$hooks"; \
	install -m 755 scripts/pre-commit "$$hooks/pre-commit"; echo "installed $$hooks/pre-commit"

.PHONY: tools
tools: $(GOLANGCI_LINT) $(GOVULNCHECK) $(VENV_READY) $(CHECKOV) $(AWSCLI_READY) $(READERS_READY) $(DYNALITE_READY) ## what test needs, once, TOOLS_SIZE into .tools: linter, govulncheck, SAM, moto, checkov, the AWS command line, npm packages

.PHONY: clean
clean: ## remove what was built and what make installed (.aws-sam, .build, .tools)
	@rm -rf .aws-sam .build .tools
	@if docker version >/dev/null 2>&1; then \
		docker image ls --format '{{.Repository}}:{{.Tag}}' | { grep '^chaveiro-local' || true; } | xargs -r docker image rm >/dev/null || true; fi

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint:
	@echo 'installing golangci-lint $(GOLANGCI_LINT_VERSION), once (a minute or two)'
	@GOBIN='$(@D)' go install -ldflags='-s -w' github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck:
	@echo 'installing govulncheck $(GOVULNCHECK_VERSION), once'
	@GOBIN='$(@D)' go install -ldflags='-s -w' golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(TOOLS)/py/.ready-sam-$(SAM_VERSION)-moto-$(MOTO_VERSION):
	@echo 'installing aws-sam-cli $(SAM_VERSION) and moto $(MOTO_VERSION) into a virtual environment, once (a minute)'
	@rm -rf '$(@D)'; mkdir -p '$(dir $(@D))'; python3 -m venv '$(@D)'
	@'$(@D)/bin/pip' install --quiet --disable-pip-version-check 'aws-sam-cli==$(SAM_VERSION)' 'moto[server]==$(MOTO_VERSION)'
	@scripts/slim-python '$(@D)'
	@touch '$@'

# In an environment of its own: it wants other versions of what SAM brings.
$(TOOLS)/checkov-$(CHECKOV_VERSION)/bin/checkov:
	@echo 'installing checkov $(CHECKOV_VERSION) into a virtual environment, once (half a minute)'
	@rm -rf '$(patsubst %/bin,%,$(@D))'; mkdir -p '$(TOOLS)'; python3 -m venv '$(patsubst %/bin,%,$(@D))'
	@'$(@D)/pip' install --quiet --disable-pip-version-check --no-compile 'checkov==$(CHECKOV_VERSION)'
	@scripts/slim-python '$(patsubst %/bin,%,$(@D))'

$(AWSCLI_READY):
	@echo 'installing the AWS command line $(AWSCLI_VERSION) into a virtual environment, once (half a minute)'
	@rm -rf '$(@D)'; mkdir -p '$(dir $(@D))'; python3 -m venv '$(@D)'
	@'$(@D)/bin/pip' install --quiet --disable-pip-version-check 'awscli==$(AWSCLI_VERSION)'
	@scripts/slim-python '$(@D)' $(AWS_SERVICES)
	@touch '$@'

# Without npm nothing is installed; the tests that need it say so and are left out.
$(READERS_READY): $(READERS_SOURCE)/package.json $(READERS_SOURCE)/package-lock.json
	@if ! command -v npm >/dev/null; then echo 'npm is not installed: the Node snippets of the README are left out'; exit 0; fi; \
	echo 'installing the npm packages of the README'"'"'s Node snippets, once'; \
	mkdir -p '$(TOOLS)/readers'; cp $^ '$(TOOLS)/readers'; cd '$(TOOLS)/readers'; \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; touch '$@'

# Without npm nothing is installed; the tests that need it say so and are left out.
$(DYNALITE_READY): $(DYNALITE_SOURCE)/package.json $(DYNALITE_SOURCE)/package-lock.json
	@if ! command -v npm >/dev/null; then echo 'npm is not installed: the comparison with dynalite is left out'; exit 0; fi; \
	echo 'installing dynalite, once'; \
	mkdir -p '$(TOOLS)/dynalite'; cp $^ '$(TOOLS)/dynalite'; cd '$(TOOLS)/dynalite'; \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; touch '$@'
