"""config.json of a model of transformers: kept as it is, and read by transformers' own class of its `model_type`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_learner.models.config import ModelError, read_config_file, read_end_tokens
from gradus_learner.models.config_values import is_whole, shown
from gradus_learner.models.dense_config import end_token_problems, end_tokens
from gradus_learner.models.huggingface.package import load_transformers

# Whoever asks for it has no bound: positions that are no table, as ALiBi's.
NO_BOUND = 2**27


@dataclass(frozen=True)
class HuggingFaceConfig:
    """Plain values alone: other ranks get it as it is."""

    # Of config.json.
    values: Mapping[str, Any]
    # Where they were read, for messages.
    where: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    max_position_embeddings: int
    eos_token_ids: tuple[int, ...]
    # By names on disk, of every parameter.
    shapes: Mapping[str, tuple[int, ...]]
    # Names on disk of what is one with a parameter of another name.
    tied_names: tuple[str, ...]

    def to_json(self, dtype: str = "float32") -> str:
        """The file as it was read, but for the number format of the weights."""
        values = {key: value for key, value in self.values.items() if key != "torch_dtype"}
        return json.dumps({**values, "dtype": dtype}, indent=2, sort_keys=True) + "\n"


def library_config(values: Mapping[str, Any], where: str) -> Any:
    """transformers' own object. Raises ModelError for a `model_type` that it has no causal language model for."""
    transformers = load_transformers()
    named = values.get("model_type")
    known = transformers.CONFIG_MAPPING
    causal = transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    if not isinstance(named, str) or named not in known or known[named] not in causal:
        raise ModelError(
            f"{where}: model_type is {shown(named)}; transformers {transformers.__version__} has no causal language "
            "model of it, and code that comes with a model is not run"
        )
    problems = [
        f"{key} is {shown(values[key])}; weights that are trained are not quantised: take the model without"
        for key in ("quantization_config",)
        if values.get(key) is not None
    ]
    if problems:
        raise ModelError(f"{where}: {'; '.join(problems)}")
    try:
        return known[named].from_dict({**values, "use_cache": False})
    except Exception as error:
        raise ModelError(f"{where}: transformers refuses it: {error}") from error


def read_huggingface_config(directory: str | Path) -> HuggingFaceConfig:
    """Raises ModelError with every problem of config.json at once."""
    from gradus_learner.models.huggingface.names import disk_names, empty_model, shapes_on_disk

    values, where = read_config_file(directory)
    text = library_config(values, where).get_text_config(decoder=True)
    said = read_end_tokens(directory)
    ends = end_tokens(said if said is not None else getattr(text, "eos_token_id", None))
    numbers: dict[str, Any] = {
        name: getattr(text, name, None) for name in ("vocab_size", "hidden_size", "num_hidden_layers")
    }
    longest = getattr(text, "max_position_embeddings", None)
    numbers["max_position_embeddings"] = longest if is_whole(longest) else NO_BOUND
    problems = [
        f"{name} is {shown(value)}; it must be a whole number above 0"
        for name, value in numbers.items()
        if not is_whole(value) or value < 1
    ]
    vocabulary: Any = numbers["vocab_size"]
    problems += end_token_problems(ends, vocabulary if is_whole(vocabulary) else None)
    if problems:
        raise ModelError(f"{where}: {'; '.join(problems)}")
    model = empty_model(values, where)
    names = disk_names(model, where)
    shapes = shapes_on_disk(model, names)
    tied = tuple(sorted(set(names.values()) - shapes.keys()))
    return HuggingFaceConfig(values, where, **numbers, eos_token_ids=ends, shapes=shapes, tied_names=tied)
