"""Safetensors files of a model: what their headers declare, checked before memory is taken, and their tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from gradus_learner.models.config import ModelError
from gradus_learner.models.finite import first_not_finite
from gradus_learner.models.weight_index import INDEX_NAME, check_places, check_shards, read_index

# The weights of a model: one file, or the shards of an index.
WEIGHTS = "model*.safetensors"
# As safetensors writes them; weights of whole numbers are another model's quantisation.
DTYPES = ("F64", "F32", "F16", "BF16")
LAYER_NAME = re.compile(r"model\.layers\.(\d{1,9})\..+")
# Of a kind of problem; the first ones say what is wrong.
SHOWN = 5


@dataclass(frozen=True)
class Declared:
    shape: tuple[int, ...]
    dtype: str


def declared_tensors(directory: Path, pattern: str = WEIGHTS) -> dict[str, Declared]:
    """By the headers alone. Raises ModelError for a file that is none, a tensor that two files hold, or one in another
    file than the index says."""
    found: dict[str, Declared] = {}
    places: dict[str, str] = {}
    for file in weight_files(directory, pattern):
        try:
            # Not a mapping: pyright knows no types of it.
            with safe_open(str(file), framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118
                    if name in found:
                        raise ModelError(f"{file}: {name} is in another file of {directory} too")
                    piece = opened.get_slice(name)
                    found[name] = Declared(tuple(piece.get_shape()), str(piece.get_dtype()))
                    places[name] = file.name
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{file}: not a whole safetensors file: {error}") from error
    index = read_index(directory) if pattern == WEIGHTS else None
    if index is not None:
        check_places(directory, index, places)
    return found


def weight_files(directory: Path, pattern: str = WEIGHTS) -> list[Path]:
    files = sorted(directory.glob(pattern))
    index = read_index(directory) if pattern == WEIGHTS else None
    if index is not None:
        check_shards(directory, index, files)
    elif not files:
        raise ModelError(
            f"{directory}: no model.safetensors and no {INDEX_NAME}; "
            "a model directory holds config.json and one of them"
        )
    return files


def check_layers(directory: Path, number: int, declared: Mapping[str, Declared]) -> None:
    """The number of layers, before anything is built for each of them."""
    layers = {int(match[1]) for name in declared if (match := LAYER_NAME.fullmatch(name)) is not None}
    if layers != set(range(number)):
        raise ModelError(
            f"{directory}: config.json says num_hidden_layers {number}, but the weights are of "
            f"{len(layers)} layers; they belong to different models"
        )


def check_declared(directory: Path, declared: Mapping[str, Declared], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Every tensor of the model and no other, in its shape. Raises ModelError with every kind of problem at once."""
    missing, unknown = sorted(expected.keys() - declared.keys()), sorted(declared.keys() - expected.keys())
    problems: list[str] = []
    if missing or unknown:
        problems.append(f"tensors missing: {missing[:SHOWN]}, not expected: {unknown[:SHOWN]}")
    both = sorted(expected.keys() & declared.keys())
    shapes = [
        f"{name} has shape {declared[name].shape}, config.json says {expected[name]}"
        for name in both
        if declared[name].shape != expected[name]
    ]
    dtypes = [
        f"{name} is of {declared[name].dtype}; it must be one of {', '.join(DTYPES)}"
        for name in both
        if declared[name].dtype not in DTYPES
    ]
    problems += shapes[:SHOWN] + dtypes[:SHOWN]
    if problems:
        raise ModelError(f"{directory}: {'; '.join(problems)}")


def read_tensors(directory: Path, pattern: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """All of them as `dtype`. Raises ModelError for one that holds values that are not finite."""
    found: dict[str, Tensor] = {}
    for file in weight_files(directory, pattern):
        try:
            tensors = load_file(str(file))
        except Exception as error:
            raise ModelError(f"{file}: not a whole safetensors file: {error}") from error
        # After the conversion: what a float64 holds may be infinite as a float32.
        values = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
        bad = first_not_finite(values.items())
        if bad is not None:
            raise ModelError(f"{file}: {bad}; the weights are damaged")
        found.update(values)
    return found
