# The commands of this project. `make` alone lists them. Everything that a command installs goes to .tools, which git ignores.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

# Pinned, so that a command does the same tomorrow.
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0
SAM_VERSION           := 1.170.0
MOTO_VERSION          := 5.2.1

FUZZTIME       ?= 20s
COVER_LIMIT    := 90
COVER_PACKAGES := ./pkg/oauth ./internal/renew ./internal/refresh

# Each may be given on the command line to use one that is installed elsewhere: make test VENV=... VENV_READY= GOLANGCI_LINT=... GOVULNCHECK=...
TOOLS         := $(CURDIR)/.tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOVULNCHECK   := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
VENV          := $(TOOLS)/py
VENV_READY    := $(VENV)/.ready-sam-$(SAM_VERSION)-moto-$(MOTO_VERSION)

MOTO = scripts/with-moto '$(VENV)/bin/moto_server'
RIE  = $(wildcard $(VENV)/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-$(if $(filter aarch64,$(shell uname -m)),arm64,x86_64))

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole system on this machine, explained step by step; needs Go and make only
	@go run -buildvcs=false ./cmd/demo

.PHONY: check
check: ## the quick part, under 20 s: format, vet, build, unit tests, import table
	@scripts/gofmt
	@go vet ./...
	@go build -buildvcs=false ./...
	@go test -short -timeout 2m ./...
	@echo 'check: passed; left to make test: end to end, race detector, lint, govulncheck, moto, the runtime emulator, coverage, demo'

.PHONY: test
test: tools ## everything, set-up included; the last lines say what ran and what was left out
	@GOLANGCI_LINT='$(GOLANGCI_LINT)' GOVULNCHECK='$(GOVULNCHECK)' VENV='$(VENV)' \
		COVER_LIMIT='$(COVER_LIMIT)' COVER_PACKAGES='$(COVER_PACKAGES)' MAKE='$(MAKE)' scripts/test

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint with .golangci.yml
	@'$(GOLANGCI_LINT)' run

.PHONY: cover
cover: ## statement coverage of the core; fails below 90%
	@scripts/cover $(COVER_LIMIT) $(COVER_PACKAGES)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (20s)
	@scripts/fuzz $(FUZZTIME)

.PHONY: moto
moto: $(VENV_READY) ## the tests that need moto: the conformance suite of the stores
	@$(MOTO) go test -count=1 ./internal/awstest/... ./internal/ssmstore ./internal/smsecret

.PHONY: e2e
e2e: $(VENV_READY) ## the built function with each event, under the Lambda runtime emulator, against moto
	@CHAVEIRO_RIE='$(RIE)' $(MOTO) go test -count=1 -v ./internal/lambdatest ./internal/e2e

.PHONY: hooks
hooks: ## install the pre-commit hook (under 5 s a commit)
	@hooks=$$(git rev-parse --git-path hooks); mkdir -p "$$hooks"; \
	install -m 755 scripts/pre-commit "$$hooks/pre-commit"; echo "installed $$hooks/pre-commit"

.PHONY: tools
tools: $(GOLANGCI_LINT) $(GOVULNCHECK) $(VENV_READY) ## what test needs, once, into .tools: linter, govulncheck, moto, runtime emulator

.PHONY: clean
clean: ## remove what was built and what make installed (.build, .tools)
	@rm -rf .build .tools

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint:
	@echo 'installing golangci-lint $(GOLANGCI_LINT_VERSION), once (a minute or two)'
	@GOBIN='$(@D)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck:
	@echo 'installing govulncheck $(GOVULNCHECK_VERSION), once'
	@GOBIN='$(@D)' go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(TOOLS)/py/.ready-sam-$(SAM_VERSION)-moto-$(MOTO_VERSION):
	@echo 'installing aws-sam-cli $(SAM_VERSION) and moto $(MOTO_VERSION) into a virtual environment, once (a minute)'
	@rm -rf '$(@D)'; mkdir -p '$(dir $(@D))'; python3 -m venv '$(@D)'
	@'$(@D)/bin/pip' install --quiet --disable-pip-version-check 'aws-sam-cli==$(SAM_VERSION)' 'moto[server]==$(MOTO_VERSION)'
	@touch '$@'
