#!/bin/bash
# Makes the policy that recipes/demo-mode.yaml starts from: policies/nano after demonstrations in worlds that are not the demo's.
# README.md next to this says what comes out and how long it takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=.build/hasty
here=policies/hasty
python=.venv/bin/python
export PATH="$PWD/node_modules/.bin:$PATH" PYTHONPATH=services/learner:proto/gen/python
# Large tensors come and go in every step; keeping their pages saves a third of the time.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=8589934592
mkdir -p "$build"

. policies/with-retrieval.sh

demonstrate() { # seed crowds
  local seed=$1 world=$build/world-$1
  shift
  gradus world --seed "$seed" --train 6000 --held-out 1 --out "$world"
  "$python" "$here/even_hops.py" "$world/train.jsonl" > "$world/even.jsonl"
  with_retrieval "$world" play "$seed" "$world" "$@"
}
play() { # seed world crowds
  local seed=$1 world=$2 crowd
  shift 2
  for crowd in "$@"; do
    node services/environments/search/demonstrate/main.ts --questions "$world/even.jsonl" --retrieval "$retrieval" --count 2000 \
      --seed "$seed" --mixture "$here/$crowd.yaml" --out "$build/$crowd-$seed.jsonl"
  done
}

for seed in 301 302 303 304; do
  [ -f "$build/hasty-$seed.jsonl" ] || demonstrate "$seed" whole hasty
done
[ -f "$build/hastier-305.jsonl" ] || demonstrate 305 hastier
for crowd in whole hasty hastier; do cat "$build/$crowd"-30?.jsonl > "$build/$crowd.jsonl"; done
# Runs of an earlier build are in the way of these; one that was interrupted goes on with `gradus resume able|policy --home DIR`.
rm -rf "$build/runs"
gradus run "$here/able.yaml" --home "$build/runs" --run-id able
mkdir -p "$build/able"
for file in config.json model.safetensors tokenizer.json; do cp "$build/runs/able/final/$file" "$build/able/$file"; done
gradus run "$here/recipe.yaml" --home "$build/runs" --run-id policy
for file in config.json model.safetensors tokenizer.json; do cp "$build/runs/policy/final/$file" "$here/$file"; done
ls -l "$here"
