"""The model directory that a run began with: versions have its files, and tensors of the same names and shapes.

Any architecture: nothing is computed here. What an engine can load is the engine's to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gradus_learner.errors import InputError
from gradus_learner.models.beside import read_beside
from gradus_learner.models.config import ModelError, read_config_file, read_end_tokens
from gradus_learner.models.declared_tensors import Declared, declared_tensors, some

# Names that wrappers of PyTorch put in front.
WRAPPERS = ("_orig_mod.", "module.")


@dataclass(frozen=True)
class GivenConfig:
    """A config.json as it stands; models of several parts have the numbers of the language model in `text_config`."""

    values: Mapping[str, Any]
    eos_token_ids: tuple[int, ...]

    def _whole(self, key: str) -> int:
        part: Any = self.values.get("text_config")
        found = part.get(key) if isinstance(part, dict) and key in part else self.values.get(key)
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise ModelError(f"config.json: {key} is {found!r}; it must be a whole number of at least 1")
        return found

    @property
    def vocab_size(self) -> int:
        return self._whole("vocab_size")

    @property
    def num_hidden_layers(self) -> int:
        return self._whole("num_hidden_layers")

    @property
    def max_position_embeddings(self) -> int:
        return self._whole("max_position_embeddings")

    @property
    def tied_names(self) -> tuple[str, ...]:
        return ("lm_head.weight",) if self.values.get("tie_word_embeddings") else ()

    def to_json(self, dtype: str = "float32") -> str:
        values = {key: value for key, value in self.values.items() if key != "torch_dtype"}
        return json.dumps({**values, "dtype": dtype}, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class GivenModel:
    path: Path
    config: GivenConfig
    tensors: Mapping[str, Declared]
    # Tokenizer, chat template and so on, by name.
    beside: Mapping[str, bytes]
    # SHA-256 of the weights, as `gradus_learner.files.manifest` has it.
    digest: str

    @property
    def parameters(self) -> int:
        return sum(torch.Size(each.shape).numel() for each in self.tensors.values())


def read_given_model(path: Path, digest: str) -> GivenModel:
    """Small files and headers. Raises ModelError."""
    values, where = read_config_file(path)
    said = read_end_tokens(path)
    ends: Any = values.get("eos_token_id") if said is None else said
    ends = tuple(ends) if isinstance(ends, list) else (ends,)
    if not all(isinstance(end, int) for end in ends):
        raise ModelError(f"{where}: eos_token_id is {values.get('eos_token_id')!r}; name the token that ends a text")
    config = GivenConfig(values, ends)
    return GivenModel(path, config, declared_tensors(path), read_beside(path, config), digest)


def tensors_of(model: Any, given: GivenModel) -> dict[str, Tensor]:
    """Of a module, or of a state dict by the names of the model directory, on the CPU, in their own number format.

    A tensor that the directory does not have is left out where it is another name of one that it has, as a tied output
    head. Raises InputError with everything that is missing, unknown or misshapen.
    """
    state: Mapping[str, Any] = model.state_dict() if isinstance(model, torch.nn.Module) else model
    named = {plain_name(name): value for name, value in state.items() if isinstance(value, Tensor)}
    expected = given.tensors
    kept = {storage(value) for name, value in named.items() if name in expected}
    tied = given.config.tied_names
    unknown = [
        name
        for name, value in named.items()
        if name not in expected and storage(value) not in kept and name not in tied
    ]
    shapes = [
        f"{name} has shape {tuple(named[name].shape)}, it had {each.shape}"
        for name, each in expected.items()
        if name in named and tuple(named[name].shape) != each.shape
    ]
    # Of a tied head that the directory has twice, the module may have one.
    missing = sorted(expected.keys() - named.keys() - set(tied))
    problems = [*some("missing tensors", missing), *some("unknown tensors", sorted(unknown)), *some("shapes", shapes)]
    if problems:
        raise InputError(
            f"these are not the weights of {given.path}: {'; '.join(problems)}; give a state dict with its names and "
            "shapes, adapters merged in"
        )
    found: dict[str, Tensor] = {}
    written: set[tuple[int, torch.Size]] = set()
    for name in (name for name in expected if name in named):
        value = named[name].detach().cpu().contiguous()
        # A file holds each of its tensors apart, also those that a module shares.
        found[name] = value.clone() if storage(value) in written else value
        written.add(storage(value))
    return found


def plain_name(name: str) -> str:
    while (wrapper := next((each for each in WRAPPERS if name.startswith(each)), None)) is not None:
        name = name.removeprefix(wrapper)
    return name


def storage(value: Tensor) -> tuple[int, torch.Size]:
    return value.data_ptr(), value.shape
