"""A model directory with fresh weights, made of a config.json and a tokenizer.json.

`python -m gradus_learner.initial.model --from DIR --out DIR --seed 1 [--copying]`. The same seed gives the same
weights.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from gradus_learner.initial.induction import wire_induction
from gradus_learner.models.beside import is_beside
from gradus_learner.models.config import ModelError
from gradus_learner.models.load import save_weights
from gradus_learner.models.registry import read_model


def make_model(source: Path, out: Path, seed: int, copying: bool) -> None:
    """`config.json` is written last but for the weights: a directory that has both is whole."""
    policy = read_model(source).build()
    generator = torch.Generator().manual_seed(seed)
    policy.initialise(generator)
    if copying:
        wire_induction(policy, generator)
    out.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if is_beside(path.name) and path.is_file():
            shutil.copyfile(path, out / path.name)
    save_weights(policy, out)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="gradus_learner.initial.model")
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--copying", action="store_true")
    options = parser.parse_args(argv)
    try:
        make_model(options.source, options.out, options.seed, options.copying)
    except (ModelError, OSError, ValueError) as error:
        print(f"{options.source}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
