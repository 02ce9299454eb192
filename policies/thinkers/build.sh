#!/bin/bash
# Makes two policies that think, of one size and two crowds, in .build/thinkers: policies/nano with tokens for thoughts, then demonstrations.
# README.md next to this says who is imitated, and how long it takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=.build/thinkers
here=policies/thinkers
python=.venv/bin/python
export PATH="$PWD/node_modules/.bin:$PATH" PYTHONPATH=services/learner:proto/gen/python
# Large tensors come and go in every step; keeping their pages saves a third of the time.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=8589934592
mkdir -p "$build"

. policies/with-retrieval.sh

demonstrate() { # seed
  local world=$build/world-$1
  gradus world --seed "$1" --train 6000 --held-out 1 --out "$world"
  with_retrieval "$world" play "$1" "$world"
}
play() { # seed world
  local crowd
  for crowd in brief wordy; do
    node services/environments/search/demonstrate/main.ts --world "$2" --retrieval "$retrieval" --count 1750 --seed "$1" \
      --mixture "$here/$crowd.yaml" --out "$build/$crowd-$1.jsonl"
  done
}

for seed in 101 102 103; do
  [ -f "$build/wordy-$seed.jsonl" ] || demonstrate "$seed"
done
"$python" "$here/initial.py" --out "$build/initial"
# Runs of an earlier build are in the way of these; one that was interrupted goes on with `gradus resume CROWD --home DIR`.
rm -rf "$build/runs"
for crowd in brief wordy; do
  cat "$build/$crowd"-10?.jsonl > "$build/$crowd.jsonl"
  gradus run "$here/recipe.yaml" --home "$build/runs" --run-id "$crowd" --set "stages.0.rows.path=$PWD/$build/$crowd.jsonl"
  mkdir -p "$build/$crowd"
  for file in config.json model.safetensors tokenizer.json; do cp "$build/runs/$crowd/final/$file" "$build/$crowd/$file"; done
  cp "$here/chat_template.jinja" "$build/$crowd"
done
