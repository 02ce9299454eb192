"""bm25s in a process of its own, measured as engines/engine-process.ts measures the others.

python bm25s_engine.py numpy|numba FILE-WITH-A-QUESTION
"""

import json
import math
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

from bm25s_index import build, read_passages, search


def resident_mib() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 2**20


def percentile(ordered: list[float], share: float) -> float:
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000, 3)


def measure(retriever, batches: list[list[str]], k: int, seconds: float, threads: int) -> dict:
    def run(for_seconds: float) -> list[float]:
        times: list[float] = []
        now = time.perf_counter()
        until = now + for_seconds
        while now < until:
            search(retriever, batches[len(times) % len(batches)], k, threads)
            after = time.perf_counter()
            times.append(after - now)
            now = after
        return times

    run(seconds / 10)
    cpu = time.process_time()
    started = time.perf_counter()
    times = run(seconds)
    elapsed = time.perf_counter() - started
    queries = len(times) * len(batches[0])
    ordered = sorted(times)
    return {
        "callers": 1,
        "batch": len(batches[0]),
        "queries": queries,
        "queriesPerSecond": round(queries / elapsed),
        "queriesPerCpuSecond": round(queries / (time.process_time() - cpu)),
        "p50Ms": percentile(ordered, 0.5),
        "p95Ms": percentile(ordered, 0.95),
        "p99Ms": percentile(ordered, 0.99),
        "maxMs": percentile(ordered, 1),
    }


backend = sys.argv[1]
question = json.loads(Path(sys.argv[2]).read_text())
questions, k, seconds = question["questions"], question["topK"], question["seconds"]
started = time.perf_counter()
passages = read_passages(question["corpus"])
retriever = build(passages, backend, 1.2, 0.75)
search(retriever, questions[:1], k)
ready = time.perf_counter() - started
# One query at a time: a batch would pad the answers of queries that have fewer than k.
found = [[passages[place].id for place in search(retriever, [query], k)[0][0]] for query in questions]
rows = [measure(retriever, [[query] for query in questions], k, seconds, 0)]
rows.append(measure(retriever, [questions], k, seconds, 0))
json.dump(
    {
        "engine": f"bm25s ({backend})",
        "version": version("bm25s"),
        "readyMs": round(ready * 1000),
        "residentMiB": round(resident_mib()),
        "peakResidentMiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "rows": rows,
        "found": found,
    },
    sys.stdout,
)
