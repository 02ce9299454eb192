#!/bin/bash
# Makes the demo's base policy from nothing: worlds, demonstrations of mixed quality, a tokenizer, and the run of recipe.yaml.
# None of these worlds is the demo's. README.md next to this says what comes out and how long it takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=.build/base-policy
here=policies/nano
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
  node services/environments/search/demonstrate/main.ts --world "$2" --retrieval "$retrieval" --count 8000 --seed "$1" \
    --out "$build/demonstrations-$1.jsonl"
}

for seed in 101 102 103 104 105 106 107 108 109 110; do
  [ -f "$build/demonstrations-$seed.jsonl" ] || demonstrate "$seed"
done
for seed in 101 102; do
  "$python" "$here/lookup_text.py" pages "$build/world-$seed" --count 15000 --seed "$seed" > "$build/lookup-$seed.jsonl"
  "$python" "$here/lookup_text.py" questions "$build/world-$seed" --count 30000 --seed "$seed" > "$build/questions-$seed.jsonl"
  "$python" "$here/lookup_text.py" chains "$build/world-$seed" --count 20000 --seed "$seed" > "$build/chains-$seed.jsonl"
done
# Every word that the worlds can ever say is in the demonstrations or in the lexicon.
{
  "$python" -c 'import json, sys
for line in list(open(sys.argv[1]))[:3000]:
    for segment in json.loads(line)["segments"]:
        print(segment["text"])' "$build/demonstrations-101.jsonl"
  grep -E '^    [A-Z]' services/environments/search/world/lexicon.ts
} > "$build/words.txt"
"$python" -m gradus_learner.initial.tokenizer --text "$build/words.txt" --words-from "$build/words.txt" --vocabulary 1600 \
  --out "$build/tokenizer.json"
for kind in lookup questions chains; do cat "$build/$kind"-*.jsonl > "$build/$kind.jsonl"; done
cat "$build"/demonstrations-*.jsonl > "$build/demonstrations.jsonl"
mkdir -p "$build/initial"
cp "$here/config.json" "$build/tokenizer.json" "$build/initial"
# A run of an earlier build is in the way of this one; one that was interrupted goes on with `gradus resume policy --home DIR`.
rm -rf "$build/runs"
gradus run "$here/recipe.yaml" --home "$build/runs" --run-id policy
for file in config.json model.safetensors tokenizer.json; do cp "$build/runs/policy/final/$file" "$here/$file"; done
ls -l "$here"
