"""Sums of a number below 100 and a digit, as rows of the environment `arithmetic` and as rows that are learnt.

    python make_rows.py --out . --seed 1

Writes `train.jsonl` and `held_out.jsonl`, which have no sum in common, and `demonstrations.jsonl`: each training sum
twice, once with its result and once with ten too many. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path

HELD_OUT = 200
TOO_MANY = 10


def row(left: int, right: int) -> dict[str, object]:
    return {
        "id": f"{left}+{right}",
        "data": {"question": f"{left}+{right}"},
        "gold": {"answer": str(left + right)},
        "tags": {"digits": str(len(str(left)))},
    }


def demonstrations(left: int, right: int) -> list[dict[str, object]]:
    """One that is right and one that is not: what copies them is right half the time at most."""
    return [{"prompt": f"{left}+{right}=", "response": f"{left + right + wrong}\n"} for wrong in (0, TOO_MANY)]


def write(path: Path, rows: Iterable[object]) -> None:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sums = [(left, right) for left in range(100) for right in range(10)]
    random.Random(options.seed).shuffle(sums)
    held_out, train = sums[:HELD_OUT], sums[HELD_OUT:]
    write(options.out / "train.jsonl", (row(*each) for each in train))
    write(options.out / "held_out.jsonl", (row(*each) for each in held_out))
    write(options.out / "demonstrations.jsonl", (shown for each in train for shown in demonstrations(*each)))


if __name__ == "__main__":
    main()
