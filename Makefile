# Bulkhead. Two commands do everything, set-up included:
#   make run    build, boot the demonstration under QEMU, check it
#   make test   unit and machine tests
# Each directory's own rules stand in its .mk file.

BUILD := build
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

CC := gcc
WARNINGS := -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HOST_CFLAGS := -std=c11 -O2 -g $(WARNINGS) -I. -Iinclude -D_GNU_SOURCE

.PHONY: all run test unit setup clean help
help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

include core/core.mk
include domains/domains.mk
include tools/policyc/policyc.mk
include tools/attest/attest.mk
include tests/tests.mk
include tests/fuzz/fuzz.mk
include tests/decode/decode.mk
include tests/bench/bench.mk
include tests/mutants/mutants.mk

all: core core-check domains policyc bhattest ## build core, domains, policyc and bhattest (needs the packages of scripts/setup.sh)

run: ## install what is needed, build, boot the demonstration and check it
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory all
	@tools/run/run.py $(if $(TAMPER),--tamper='$(TAMPER)') $(if $(NONCE),--nonce='$(NONCE)')

test: ## install what is needed, run unit and machine tests
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory tests

setup: ## only install what run and test need
	@scripts/setup.sh test

clean: ## remove everything built
	rm -rf $(BUILD)
