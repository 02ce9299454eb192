#!/bin/bash
# Makes the policy that recipes/musique-nano.yaml starts from, out of the real passages and the training split of the
# real questions. Everything lands in runs/policies/musique, which git ignores; README.md next to this says more.
set -euo pipefail
cd "$(dirname "$0")/../.."
questions=${1:-data/musique/questions.jsonl}
corpus=${2:-data/musique/corpus.jsonl}
here=policies/musique
out=runs/policies/musique
build=$out/build
python=.venv/bin/python
for file in "$questions" "$corpus"; do
  [ -f "$file" ] || { echo "build.sh: $file is missing; usage: build.sh [QUESTIONS CORPUS], MuSiQue's JSONL" >&2; exit 1; }
done
export PATH="$PWD/node_modules/.bin:$PATH" PYTHONPATH=services/learner:proto/gen/python OMP_NUM_THREADS=1
# Large tensors come and go in every step; keeping their pages saves a third of the time.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=8589934592
mkdir -p "$build"

retrieval_pid=
trap '[ -z "$retrieval_pid" ] || kill "$retrieval_pid" 2>/dev/null || true' EXIT
# The same split as the recipe's: the questions held out there are never trained on.
gradus data musique "$questions" --corpus "$corpus" --held-out 100 \
  --out "$build/split"
"$python" "$here/make_rows.py" --corpus "$corpus" --questions "$build/split/train.jsonl" > "$build/rows.jsonl"
: > "$build/retrieval.json"
node services/retrieval/main.ts --corpus "$corpus" > "$build/retrieval.json" 2> "$build/retrieval.log" &
retrieval_pid=$!
for _ in $(seq 600); do [ -s "$build/retrieval.json" ] && break; sleep 0.1; done
[ -s "$build/retrieval.json" ] || { echo "build.sh: retrieval did not start in 60 s; see $build/retrieval.log" >&2; exit 1; }
address=$("$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["grpc"])' < "$build/retrieval.json")

demonstrate() { # questions count seed out
  node services/environments/search/demonstrate/main.ts --questions "$1" --count "$2" --seed "$3" --out "$4" \
    --retrieval "$address" --mixture "$here/mixture.yaml" --concurrency 64
}
demonstrate "$build/split/train.jsonl" 2985 1 "$build/real.jsonl"
demonstrate "$build/rows.jsonl" "$(wc -l < "$build/rows.jsonl")" 2 "$build/made.jsonl"
"$python" "$here/keep_grounded.py" "$build/real.jsonl" "$build/made.jsonl" > "$build/demonstrations.jsonl"
"$python" "$here/repeat_passages.py" --corpus "$corpus" > "$build/passages.jsonl"
"$python" -m gradus_learner.initial.tokenizer --text "$corpus" "$build/split/train.jsonl" \
  --words-from "$here/words.txt" --vocabulary 4096 --out "$build/tokenizer.json"
"$python" "$here/initial.py" --tokenizer "$build/tokenizer.json" --out "$build/initial"
cp "$build/tokenizer.json" "$build/initial"
kill "$retrieval_pid"
retrieval_pid=
# A run of an earlier build is in the way of this one; one that was interrupted goes on with `gradus resume policy --home DIR`.
rm -rf "$build/runs"
gradus run "$here/recipe.yaml" --home "$build/runs" --run-id policy \
  --set "data.musique.questions=$(realpath "$questions")" --set "data.musique.corpus=$(realpath "$corpus")"
for file in config.json model.safetensors tokenizer.json; do cp "$build/runs/policy/final/$file" "$out/$file"; done
