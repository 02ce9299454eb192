#!/bin/bash
# Makes the policy that recipes/musique-nano.yaml starts from, out of the real passages and the training split of the
# real questions. Everything lands in runs/policies/musique, which git ignores; README.md beside this says more.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=../shared/data/musique
here=policies/musique
out=runs/policies/musique
build=$out/build
python=.venv/bin/python
for file in corpus.jsonl musique_ans_train_sample.jsonl; do
  [ -f "$data/$file" ] || { echo "build.sh: $data/$file is missing: put MuSiQue's passages and questions there" >&2; exit 1; }
done
export PATH="$PWD/node_modules/.bin:$PATH" PYTHONPATH=services/learner:proto/gen/python OMP_NUM_THREADS=1
# Large tensors come and go in every step; keeping their pages saves a third of the time.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=8589934592
mkdir -p "$build"

retrieval_pid=
trap '[ -z "$retrieval_pid" ] || kill "$retrieval_pid" 2>/dev/null || true' EXIT
# The same split as the recipe's: the questions held out there are never trained on.
gradus data musique "$data/musique_ans_train_sample.jsonl" --corpus "$data/corpus.jsonl" --held-out 100 \
  --out "$build/split"
"$python" "$here/make_rows.py" --corpus "$data/corpus.jsonl" --questions "$build/split/train.jsonl" > "$build/rows.jsonl"
: > "$build/retrieval.json"
node services/retrieval/main.ts --corpus "$data/corpus.jsonl" > "$build/retrieval.json" 2> "$build/retrieval.log" &
retrieval_pid=$!
for _ in $(seq 600); do [ -s "$build/retrieval.json" ] && break; sleep 0.1; done
[ -s "$build/retrieval.json" ] || { echo "build.sh: retrieval did not start in 60 s; see $build/retrieval.log" >&2; exit 1; }
address=$("$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["grpc"])' < "$build/retrieval.json")

demonstrate() { # questions count seed out
  node services/rollout/demonstrate/main.ts --questions "$1" --count "$2" --seed "$3" --out "$4" \
    --retrieval "$address" --crowd "$here/crowd.yaml" --concurrency 64
}
demonstrate "$build/split/train.jsonl" 2985 1 "$build/real.jsonl"
demonstrate "$build/rows.jsonl" "$(wc -l < "$build/rows.jsonl")" 2 "$build/made.jsonl"
demonstrate "$build/split/held_out.jsonl" 200 3 "$build/held-out-all.jsonl"
"$python" "$here/keep_grounded.py" "$build/real.jsonl" "$build/made.jsonl" > "$build/demonstrations.jsonl"
"$python" "$here/keep_grounded.py" "$build/held-out-all.jsonl" > "$build/held-out.jsonl"
"$python" "$here/repeat_passages.py" --corpus "$data/corpus.jsonl" > "$build/passages.jsonl"
"$python" -m gradus_learner.tokenizer --text "$data/corpus.jsonl" "$build/split/train.jsonl" \
  --words-from "$here/words.txt" --vocabulary 4096 --out "$build/tokenizer.json"
"$python" "$here/initial.py" --tokenizer "$build/tokenizer.json" --out "$build/initial"
"$python" -m gradus_learner.warm_start --config "$here/passages.yaml"
"$python" -m gradus_learner.warm_start --config "$here/demonstrations.yaml"
