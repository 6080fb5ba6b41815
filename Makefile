# Every target is one line of shell; anything longer is Rust, or a script of its own.
.DEFAULT_GOAL := help
.PHONY: help demo test check build synth deploy diff bench simulate replay contract mutants operator tools bootstraps command-line model-drift

CARGO := cargo
# Cargo shows its progress on a terminal only.
QUIET := $(shell [ -t 2 ] || echo --quiet)
SEEDS ?= 20000
SEED ?= 1
WORLD ?= mixed
WITHOUT ?=
FILES ?=
CORE ?= $(if $(FILES),all,80)
AWS ?= $(if $(FILES),all,40)

help: ## What there is to do here
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# The local stack: for what runs against it, and never for a build or a deployment.
tools:
	@sh tests/local/install.sh

# Stamped after the last file is there, so that a new lock or an interrupted run installs again.
infra/node_modules/.installed: infra/package-lock.json
	@npm ci --prefix infra --silent --no-audit --no-fund && touch $@

bootstraps: infra/node_modules/.installed
	@sh infra/build.sh

# Of the whole workspace: alone, it has other features, and the SDK would be compiled once more.
command-line:
	@$(CARGO) build --release $(QUIET) --workspace --bin poolbridge

# With the packages that infra/build.sh builds: alone, the demo has other features, and the SDK would
# be compiled once more.
demo: tools bootstraps ## The main job, live, on a local stack: two pools, real triggers, real functions
	@$(CARGO) build --release $(QUIET) --no-default-features --features poolbridge-tests/stack \
		$(addprefix -p poolbridge-,capture trail apply sweep operator tests) --bin demo
	@"$${CARGO_TARGET_DIR:-target}"/release/demo

test: tools bootstraps ## Every test: units, properties, simulation, protocol, contract, end to end, infrastructure
	@$(CARGO) test --release --workspace $(QUIET) --no-run
	@$(CARGO) test --release --workspace --quiet
	@npm --prefix infra test --silent
	@python3 -m unittest discover --quiet --start-directory tests/local --pattern 'test_*.py'

check: ## Formatting, lints, documentation
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --release --workspace --all-targets --quiet -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --document-private-items --quiet

build: bootstraps ## The functions, in target/lambda, and the command line

synth: infra/node_modules/.installed command-line ## The CloudFormation templates, offline
	@npm --prefix infra run synth --silent

diff: build ## What a deployment would change
	@npm --prefix infra run diff --silent

deploy: build ## Deploys to the account and Region that the environment names
	@npm --prefix infra run deploy --silent

bench: tools bootstraps ## AWS calls per change against their targets, and capture's own CPU time
	@$(CARGO) run --release $(QUIET) -p poolbridge-tests --bin bench

simulate: ## Simulated worlds: make simulate SEEDS=n WORLD=mixed WITHOUT=""
	@$(CARGO) run --release $(QUIET) -p poolbridge-tests --bin simulate -- $(SEEDS) $(WORLD) 0 $(WITHOUT)

replay: ## One world's whole trace: make replay SEED=n WORLD=mixed
	@$(CARGO) run --release $(QUIET) -p poolbridge-tests --bin replay -- $(SEED) $(WORLD)

contract: tools ## The same cases on the fakes and on the local stack's services
	@$(CARGO) test --release $(QUIET) -p poolbridge-tests --test contract

mutants: tools ## Plants a sample of mistakes and prints those that no test notices: make mutants SEED=n CORE=80 AWS=40 FILES=""
	@sh tests/mutants/install.sh
	@SEED="$(SEED)" CORE="$(CORE)" AWS="$(AWS)" FILES="$(FILES)" python3 tests/mutants/mutants.py

model-drift: ## What the newest published Cognito model has that the committed list does not
	@python3 tests/local/model_drift.py

operator: ## The command line: make operator ARGS="status"
	@$(CARGO) run --release $(QUIET) --bin poolbridge -- $(ARGS)
