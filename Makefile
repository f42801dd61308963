# SPDX-License-Identifier: GPL-2.0
#
# The front door. Each target is a script of lab/, which says what it does and
# takes; `make help` lists them.

MAKEFLAGS += --no-print-directory
TREE ?= ours

# Given on the command line or in the environment, and read by the scripts.
export LINUX CMD SMP MEM TIMEOUT APPEND TESTS JOBS QUICK MATRIX PROGRAMS
export KEEP STEP PREFIX DESTDIR SUITE
export SECONDS SEED MUTANTS AT_ONCE DEEP
export GUEST NATIVE COMPILERS SLOWNESS

name = $(TREE)$(if $(CONFIG),-$(patsubst %.config,%,$(patsubst config.%,%,$(notdir $(CONFIG)))))

.DEFAULT_GOAL := kernel

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## build our kernel, boot it, and run the per-CPU counter demo in it
	@lab/run.sh demo

.PHONY: test
test: ## build and test everything (TESTS='name...' for some)
	@lab/run.sh test

.PHONY: matrix
matrix: deps ## the self-tests in other configurations (MATRIX='name...')
	@lab/matrix/matrix.sh

.PHONY: conformance
conformance: ## programs that others wrote, on stock and on ours (PROGRAMS='name...')
	@lab/conformance/conformance.sh

.PHONY: model
model: ## check the model of the protocol (DEEP=1: wide bounds, minutes)
	@lab/model/run.sh

.PHONY: fuzz
fuzz: ## run random cases against an oracle (SECONDS=60 SEED=n)
	@lab/fuzz/run.sh

.PHONY: mutants
mutants: ## which one-line mistakes are caught (MUTANTS='name...' AT_ONCE=1)
	@lab/mutants/run.sh

.PHONY: test-debug
test-debug: ## tests with KASAN, lockdep and KCSAN (KERNELS='debug csan')
	@lab/debug/debug.sh

.PHONY: faults
faults: ## swap, failing allocations, CPUs that come and go (SECONDS=180)
	@lab/faults/run.sh

.PHONY: coverage
coverage: ## lines and branches of our kernel files that the tests run
	@lab/debug/coverage.sh

.PHONY: shell
shell: ## a shell in our kernel, with all programs in its PATH
	@lab/run.sh shell

export KERNELS ROWS PREBUILT

.PHONY: bench
bench: ## instructions per event on bare, stock and ours (QUICK=1 ROWS="name...")
	@lab/bench/bench.sh

.PHONY: series
series: ## patches to mail, in build/series (see series/README.md)
	@lab/series/run.sh series

.PHONY: check-series
check-series: ## check the series as its receiver would (QUICK=1 builds nothing)
	@lab/series/run.sh check

.PHONY: patch
patch: ## one diff from the stock kernel, in build/patch
	@lab/series/run.sh patch

.PHONY: deb
deb: ## kernel packages, in build/deb (CONFIG=file for another configuration)
	@lab/deb/deb.sh $(CONFIG)

.PHONY: test-deb
test-deb: ## install these into a fresh Debian, boot it, and test (SUITE=bookworm)
	@lab/deb/boot.sh

.PHONY: install-man
install-man: ## install the man pages (PREFIX=/usr/local DESTDIR=)
	@lab/series/install-man.sh

.PHONY: bench-user
bench-user: ## what rseq is worth to programs, natively (GUEST=1: in the guest)
	@lab/bench-user/bench.sh

.PHONY: slice-chart
slice-chart: ## a spinlock with and without time slice extension (NATIVE=1: here)
	@lab/slice/chart.sh

.PHONY: install-headers
install-headers: ## rseq.h for other programs (PREFIX=/usr/local DESTDIR=)
	@lab/install-headers.sh

.PHONY: tree
tree: deps ## sources in build/tree/TREE (TREE=stock|bare|ours LINUX=6.12.y)
	@lab/base/tree.sh $(TREE)

.PHONY: kernel
kernel: deps ## kernel in build/kernel/TREE (CONFIG=fragment builds TREE-fragment)
	@lab/guest/kernel.sh $(TREE) $(CONFIG)

.PHONY: boot
boot: kernel ## run CMD='...' in the kernel of TREE (SMP=4 MEM=1024 TIMEOUT=120 APPEND=)
	@lab/guest/boot.sh $(name)

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: deps
deps:
	@lab/deps.sh
