"""Safetensors files of a model: what their headers declare, checked before memory is taken. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from gradus_learner.models.config import DecoderConfig, ModelError
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
    # Its name.
    file: str


def declared_tensors(directory: Path, pattern: str = WEIGHTS) -> dict[str, Declared]:
    """By the headers alone. Raises ModelError for a file that is none, a tensor that two files hold, or one in another
    file than the index says."""
    found: dict[str, Declared] = {}
    places: dict[str, str] = {}
    for file in weight_files(directory, pattern):
        try:
            # Not a mapping: pyright knows no types of it.
            with safe_open(str(file), framework="numpy") as opened:
                for name in opened.keys():  # noqa: SIM118
                    if name in found:
                        raise ModelError(f"{file}: {name} is in another file of {directory} too")
                    piece = opened.get_slice(name)
                    found[name] = Declared(tuple(piece.get_shape()), str(piece.get_dtype()), file.name)
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


def layer_problems(number: int, declared: Mapping[str, Declared]) -> list[str]:
    """The number of layers, before anything is built for each of them."""
    layers = {int(match[1]) for name in declared if (match := LAYER_NAME.fullmatch(name)) is not None}
    if layers == set(range(number)):
        return []
    return [f"config.json says num_hidden_layers {number}, but the weights are of {len(layers)} layers"]


def declared_problems(declared: Mapping[str, Declared], expected: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Every tensor of the model and no other, in its shape: what is wrong of each kind, with tensor, file and value."""
    missing, unknown = sorted(expected.keys() - declared.keys()), sorted(declared.keys() - expected.keys())
    both = sorted(expected.keys() & declared.keys())
    problems = [
        *some("missing tensors", missing),
        *some("tensors that the model does not have", [f"{name} in {declared[name].file}" for name in unknown]),
    ]
    shapes = [
        f"{declared[name].file}: {name} has shape {declared[name].shape}, config.json says {expected[name]}"
        for name in both
        if declared[name].shape != expected[name]
    ]
    dtypes = [
        f"{name} is of {declared[name].dtype}; it must be one of {', '.join(DTYPES)}"
        for name in both
        if declared[name].dtype not in DTYPES
    ]
    return problems + shapes[:SHOWN] + dtypes[:SHOWN]


def some(what: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{what}: {', '.join(names[:SHOWN])}{more}"] if names else []


def weight_problems(
    directory: Path, shapes: Mapping[str, tuple[int, ...]], config: DecoderConfig, pattern: str = WEIGHTS
) -> list[str]:
    """Why what the headers declare is not the model of these shapes: one problem, with all that differs."""
    try:
        declared = declared_tensors(directory, pattern)
    except ModelError as error:
        return [str(error)]
    for name in config.tied_names:
        declared.pop(name, None)
    counted = any(LAYER_NAME.fullmatch(name) is not None for name in shapes)
    layers = layer_problems(config.num_hidden_layers, declared) if counted else []
    if layers:
        # Their tensors would only say the same again.
        declared = {name: each for name, each in declared.items() if LAYER_NAME.fullmatch(name) is None}
        shapes = {name: each for name, each in shapes.items() if LAYER_NAME.fullmatch(name) is None}
    problems = layers + declared_problems(declared, shapes)
    if not problems:
        return []
    fix = "config.json and weights belong to different models, or one was edited: take both from the same model"
    return [f"{directory}: {'; '.join(problems)}; {fix}"]
