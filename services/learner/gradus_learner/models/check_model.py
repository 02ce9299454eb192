"""What is wrong with a model directory, all of it at once, by small files and headers.

`python -m gradus_learner.models.check_model DIR [--without-weights] [--lora JSON] [--backend NAME]` gives exit code 2,
and a problem a line on stderr. JSON is `{"rank", "alpha", "target_modules"}`, of adapters that are to be trained. torch
is loaded for another backend than our own alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus_learner.files.manifest import MANIFEST_NAME, ManifestError, digest_file, read_manifest, said
from gradus_learner.models.backend_names import BUILTIN
from gradus_learner.models.config import DecoderConfig, ModelError
from gradus_learner.models.config_readers import read_config
from gradus_learner.models.declared_tensors import weight_problems
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.dense_shapes import tensor_shapes
from gradus_learner.models.lora_config import Lora, lora_problems
from gradus_learner.models.tokenizer_size import tokenizer_size

# Small ones of a version's manifest; weights are compared when they are read.
COMPARED = ("config.json", "tokenizer.json")


Shapes = Mapping[str, tuple[int, ...]]


def model_problems(
    directory: Path, weights: bool = True, lora: Lora | None = None, backend: str = BUILTIN
) -> list[str]:
    """`weights`: whether it has them already."""
    config: DecoderConfig | None = None
    shapes: Shapes | None = None
    problems: list[str] = []
    try:
        config, shapes = read_shapes(directory, backend)
    except ModelError as error:
        problems.append(str(error))
    problems += [*tokenizer_problems(directory, config), *manifest_problems(directory)]
    if weights and config is not None and shapes is not None:
        problems += weight_problems(directory, shapes, config)
    if lora is not None and shapes is not None:
        problems += lora_problems(shapes, lora)
    return problems


def read_shapes(directory: Path, backend: str) -> tuple[DecoderConfig, Shapes | None]:
    """Without shapes for an architecture of ours whose shapes no arithmetic gives. Raises ModelError."""
    if backend == BUILTIN:
        _, config = read_config(directory)
        return config, tensor_shapes(config) if isinstance(config, DenseConfig) else None
    from gradus_learner.models.registry import read_model

    model = read_model(directory, backend)
    return model.config, model.tensor_shapes


def tokenizer_problems(directory: Path, config: DecoderConfig | None) -> list[str]:
    path = directory / "tokenizer.json"
    try:
        size = tokenizer_size(path) if path.is_file() else 0
    except ModelError as error:
        return [str(error)]
    if config is None or size <= config.vocab_size:
        return []
    return [
        f"{path} has {size} tokens, but config.json says vocab_size {config.vocab_size}; they belong to different "
        "models: take both from the same one"
    ]


def manifest_problems(directory: Path) -> list[str]:
    """Config and tokenizer of a version of a run are those that the run wrote."""
    if not (directory / MANIFEST_NAME).is_file():
        return []
    try:
        files = read_manifest(directory).files
    except ManifestError as error:
        return [str(error)]
    problems: list[str] = []
    for name in COMPARED:
        path, expected = directory / name, files.get(name)
        found = digest_file(path) if path.is_file() else None
        if expected is not None and found != expected:
            problems.append(
                f"{path}: expected {said(expected.sha256)} by {MANIFEST_NAME}, found "
                f"{said(None if found is None else found.sha256)}; put the file back, or remove {MANIFEST_NAME} if "
                "this is another model"
            )
    return problems


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--without-weights", action="store_true")
    parser.add_argument("--lora", type=json.loads)
    parser.add_argument("--backend", default=BUILTIN)
    asked = parser.parse_args(argv)
    values: Any = asked.lora
    lora = None if values is None else Lora(values["rank"], values["alpha"], tuple(values["target_modules"]))
    # What packages say there is no problem of the model.
    with contextlib.redirect_stderr(sys.stdout):
        problems = model_problems(asked.directory, not asked.without_weights, lora, asked.backend)
    for problem in problems:
        print(problem.replace("\n", " "), file=sys.stderr)
    return 2 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
