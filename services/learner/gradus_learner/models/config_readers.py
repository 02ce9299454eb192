"""What config.json must be, by its `model_type`. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gradus_learner.models.config import DecoderConfig, ModelError, read_config_file, read_end_tokens
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.families import DENSE_FAMILIES

# Of the values of a config.json and the file's name for messages. Each raises ModelError. A directory that does not
# say what it is, is taken for the first.
READERS: Mapping[str, Callable[[Mapping[str, Any], str], DecoderConfig]] = {
    family.model_type: partial(DenseConfig.from_mapping, family) for family in DENSE_FAMILIES
}


def read_config(directory: str | Path) -> tuple[str, DecoderConfig]:
    """Its model_type and configuration. Raises ModelError with every problem of config.json at once."""
    values, path = read_config_file(directory)
    named = values.get("model_type", next(iter(READERS)))
    read = READERS.get(named) if isinstance(named, str) else None
    if read is None:
        raise ModelError(f"{path}: model_type is {named!r}; supported: {', '.join(READERS)}")
    ends = read_end_tokens(directory)
    return named, read(values if ends is None else {**values, "eos_token_id": ends}, path)
