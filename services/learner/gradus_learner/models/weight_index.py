"""Weights in several files: `model.safetensors.index.json`, as Hugging Face writes it, says which tensor lies where.

`{"metadata": {...}, "weight_map": {"model.norm.weight": "model-00003-of-00003.safetensors", ...}}`
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from gradus_learner.files.manifest import WEIGHTS_NAME
from gradus_learner.models.config import ModelError

INDEX_NAME = "model.safetensors.index.json"
# Of a model with a hundred thousand tensors.
MAX_INDEX_BYTES = 32 * 1024 * 1024
# Of a kind of problem; the first ones say what is wrong.
SHOWN = 5


def read_index(directory: Path) -> Mapping[str, str] | None:
    """File by tensor; None where the weights have no index. Raises ModelError for an index that is none."""
    path = directory / INDEX_NAME
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_INDEX_BYTES:
            raise ModelError(f"{path}: larger than {MAX_INDEX_BYTES} bytes; it is not the index of a model")
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}") from None
    found: Any = cast("dict[str, Any]", values).get("weight_map") if isinstance(values, dict) else None
    if not isinstance(found, dict) or not found:
        raise ModelError(f"{path}: has no weight_map; it must name the file of each tensor")
    weight_map = cast("dict[str, Any]", found)
    wrong = sorted({repr(file) for file in weight_map.values() if not is_weights_name(file)})
    if wrong:
        raise ModelError(
            f"{path}: weight_map names {', '.join(wrong[:SHOWN])}; "
            "files must be called model*.safetensors and lie next to it"
        )
    return weight_map


def is_weights_name(file: object) -> bool:
    return isinstance(file, str) and "/" not in file and "\\" not in file and WEIGHTS_NAME.fullmatch(file) is not None


def check_shards(directory: Path, index: Mapping[str, str], files: Iterable[Path]) -> None:
    """The files that the index names, all of them and no other. Raises ModelError with every difference."""
    named, there = set(index.values()), {file.name for file in files}
    problems = [
        *(f"{name} is missing; {INDEX_NAME} names it" for name in sorted(named - there)[:SHOWN]),
        *(f"{name} is not named by {INDEX_NAME}; move it away" for name in sorted(there - named)[:SHOWN]),
    ]
    if problems:
        raise ModelError(f"{directory}: {'; '.join(problems)}")


def check_places(directory: Path, index: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Each tensor lies where the index says. `found`: file by tensor. Raises ModelError with every difference."""
    elsewhere = sorted(name for name in index.keys() & found.keys() if index[name] != found[name])
    problems = [
        *(f"{name} is in {found[name]}, {INDEX_NAME} puts it in {index[name]}" for name in elsewhere[:SHOWN]),
        *(f"{name} is not in {index[name]}" for name in sorted(index.keys() - found.keys())[:SHOWN]),
        *(f"{name} of {found[name]} is not in {INDEX_NAME}" for name in sorted(found.keys() - index.keys())[:SHOWN]),
    ]
    if problems:
        raise ModelError(f"{directory}: {'; '.join(problems)}; the files belong to different models, or one was cut")
