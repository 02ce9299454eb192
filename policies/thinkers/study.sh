#!/bin/bash
# Both policies of build.sh without thoughts and with three budgets, and the table for docs/results/overthinking.md. Budgets are tokens of a turn.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=.build/thinkers
export PATH="$PWD/node_modules/.bin:$PATH"
evaluations=()
for policy in brief wordy; do
  for thought in off 24 48 96; do
    think=() name="$policy, off"
    if [ "$thought" != off ]; then
      think=(--set environment.options.think=allowed --set "stages.0.limits.max_new_tokens=$thought")
      name="$policy, at most $thought"
    fi
    out=$build/study/$policy-$thought
    [ -f "$out/summary.json" ] || gradus eval policies/thinkers/study.yaml --model "$build/$policy" --out "$out" "${think[@]}"
    evaluations+=("$name=$out")
  done
done
node bench/overthinking/main.ts --json docs/results/overthinking.json "${evaluations[@]}"
