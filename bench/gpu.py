"""Training and generation on one GPU beside transformers, within 330 s: JSON on stdout, whatever part was cut short.

    export PYTHONPATH=services/learner:proto/gen/python
    .venv/bin/python bench/gpu.py > docs/results/gpu.json
    .venv/bin/python bench/gpu.py --tiny        # on a CPU: does the script run?

- train: steps of 0.6B, 1.7B and 4B shapes at 8,192 and 40,960 tokens: tokens a second, MFU, peak memory;
- generate: 64 sequences of the 0.6B shape, by the engine, `generate` and vLLM.

Each part is a process with a bound of its own; what it printed before its bound counts. Weights are random.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "gpu"
WHOLE_SECONDS = 330.0


@dataclass(frozen=True)
class Part:
    # The most important first: what comes last may find no time.
    script: str
    arguments: tuple[str, ...]
    seconds: float


def parts_of(tiny: bool) -> list[Part]:
    if tiny:
        return [
            Part("train.py", ("tiny", "cpu", "1", "64x2", "128x1"), 120),
            Part("generate.py", ("tiny", "cpu", "3", "8", "4"), 120),
        ]
    lengths = ("8192x2", "40960x1")
    return [
        Part("train.py", ("4B", "cuda", "3", *lengths), 120),
        Part("train.py", ("1.7B", "cuda", "3", *lengths), 60),
        Part("generate.py", ("0.6B", "cuda", "64", "512", "256"), 100),
        Part("train.py", ("0.6B", "cuda", "3", *lengths), 50),
    ]


def run(part: Part, seconds: float) -> dict[str, Any]:
    """Its lines, and how it ended: 0, another exit code, or null where its time was over."""
    command = [sys.executable, str(HERE / part.script), *part.arguments]
    started = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        out, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        out, errors, code = (text_of(error.stdout), text_of(error.stderr), None)
    return {
        "command": f"{part.script} {' '.join(part.arguments)}",
        "exitCode": code,
        "seconds": round(time.perf_counter() - started, 1),
        "boundSeconds": round(seconds, 1),
        "measured": [json.loads(line) for line in out.splitlines() if line.startswith("{") and line.endswith("}")],
        **({} if code == 0 else {"errors": errors[-2000:]}),
    }


def text_of(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def machine() -> dict[str, Any]:
    """By a process of its own: this one holds no memory of the device."""
    asks = (
        "import json, torch, transformers; c = torch.cuda; print(json.dumps({'torch': torch.__version__,"
        "'transformers': transformers.__version__, 'gpu': c.get_device_name() if c.is_available() else None,"
        "'gpuGibibytes': round(c.mem_get_info()[1] / 2**30, 1) if c.is_available() else None}))"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "cores": os.cpu_count()}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU: whether the script runs")
    parser.add_argument("--seconds", type=float, default=WHOLE_SECONDS, help="bound of all parts together")
    options = parser.parse_args(argv)
    started = time.perf_counter()
    facts = machine()
    if facts["gpu"] is None and not options.tiny:
        print("bench: torch finds no GPU; nothing is measured. --tiny tries the script on the CPU", file=sys.stderr)
        return 2
    found: list[dict[str, Any]] = []
    for part in parts_of(options.tiny):
        left = options.seconds - (time.perf_counter() - started)
        if left < 10:
            found.append({"command": part.script, "notMeasured": f"{left:.0f} s were left of {options.seconds:g}"})
            continue
        print(f"bench: {part.script} {' '.join(part.arguments)}", file=sys.stderr)
        found.append(run(part, min(part.seconds, left)))
    whole = round(time.perf_counter() - started, 1)
    print(json.dumps({"bench": "gpu", "machine": facts, "seconds": whole, "parts": found}, indent=2))
    return 0 if all(each.get("exitCode") == 0 for each in found) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
