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

retrieval_pid=
trap '[ -z "$retrieval_pid" ] || kill "$retrieval_pid" 2>/dev/null || true' EXIT

demonstrate() { # seed
  local world=$build/world-$1 ready=$build/retrieval-$1.json address
  gradus world --seed "$1" --train 6000 --held-out 1 --out "$world"
  : > "$ready"
  node services/retrieval/main.ts --corpus "$world/corpus.jsonl" > "$ready" 2> "$build/retrieval-$1.log" &
  retrieval_pid=$!
  for _ in $(seq 600); do [ -s "$ready" ] && break; sleep 0.1; done
  [ -s "$ready" ] || { echo "build.sh: retrieval did not start in 60 s; see $build/retrieval-$1.log" >&2; exit 1; }
  address=$("$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["grpc"])' < "$ready")
  for crowd in brief wordy; do
    node services/environments/search/demonstrate/main.ts --world "$world" --retrieval "$address" --count 1750 --seed "$1" \
      --mixture "$here/$crowd.yaml" --out "$build/$crowd-$1.jsonl"
  done
  kill "$retrieval_pid"
  wait "$retrieval_pid" || true
  retrieval_pid=
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
