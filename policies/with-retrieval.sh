# Sourced by scripts that build policies.

retrieval_pid=
trap '[ -z "$retrieval_pid" ] || kill "$retrieval_pid" 2>/dev/null || true' EXIT

# with_retrieval WORLD COMMAND…: runs the command with the address of a retrieval service over the world's corpus in $retrieval.
with_retrieval() {
  local world=$1 ready=$1.retrieval.json log=$1.retrieval.log retrieval
  shift
  : > "$ready"
  node services/retrieval/main.ts --corpus "$world/corpus.jsonl" > "$ready" 2> "$log" &
  retrieval_pid=$!
  for _ in $(seq 600); do [ -s "$ready" ] && break; sleep 0.1; done
  [ -s "$ready" ] || { echo "retrieval over $world did not start in 60 s; see $log" >&2; exit 1; }
  retrieval=$("$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["grpc"])' < "$ready")
  "$@"
  kill "$retrieval_pid"
  wait "$retrieval_pid" || true
  retrieval_pid=
}
