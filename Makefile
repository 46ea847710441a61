# Everything a contributor or the continuous integration runs. `make` alone explains the targets.
# Where CI is true, Cargo.lock must be up to date and no test may be skipped for want of an official SDK.

.DEFAULT_GOAL := help
.PHONY: help lint format test soak bench bench-quick bench-instructions peers

ifeq ($(CI),true)
LOCKED := --locked
endif
# One set of features for clippy and tests, so that the dependencies are compiled once.
EVERYTHING := --workspace --all-features $(LOCKED)
export ENVEL_PEERS := $(CURDIR)/target/peers

help: ## Show this text
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

lint: ## Check formatting, lints, documentation, each feature alone, the dependency budget and licences
	cargo fmt --all --check
	cargo clippy $(EVERYTHING) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(EVERYTHING) --no-deps --lib
	scripts/check-features.sh $(LOCKED)
	scripts/check-dependency-budget.sh $(LOCKED)
	scripts/check-licences.sh

format: ## Format the code
	cargo fmt --all

test: peers ## Run all tests, those against the official SDKs included
	cargo test $(EVERYTHING)

soak: peers ## Run the long tests, which `make test` leaves out
	cargo test $(EVERYTHING) -- --ignored --nocapture

bench: peers ## Measure envel beside other implementations, and write docs/PERFORMANCE.md; minutes on an idle machine
	cargo build --release -p envel-cli $(LOCKED)
	cargo build --release --manifest-path benches-peers/Cargo.toml
	benches-peers/scripts/install.sh
	benches-peers/scripts/bench.py --write docs/PERFORMANCE.md

bench-quick: ## Measure the library alone
	cargo bench -p envel --all-features $(LOCKED)

bench-instructions: ## Count the instructions of a fixed set of work, and compare with docs/instructions.tsv
	scripts/bench-instructions.py

peers: ## Install the official SDKs that the tests talk to, into target/peers
	crates/testkit/peers/install.sh $(ENVEL_PEERS)
