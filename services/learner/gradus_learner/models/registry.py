"""Architectures by the `model_type` of config.json. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradus_learner.models.config import DecoderConfig, ModelError, read_config_file
from gradus_learner.models.decoder import Architecture, Decoder
from gradus_learner.models.qwen3 import QWEN3

ARCHITECTURES: Mapping[str, Architecture] = {each.model_type: each for each in (QWEN3,)}


@dataclass(frozen=True)
class Model:
    """A model directory's config.json, read: an architecture and its configuration."""

    architecture: Architecture
    config: DecoderConfig

    @property
    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.architecture.tensor_shapes(self.config)

    def build(self) -> Decoder:
        """With weights that are not set yet."""
        return self.architecture.build(self.config)


def read_model(directory: str | Path) -> Model:
    """Raises ModelError with every problem of config.json at once."""
    values, path = read_config_file(directory)
    # A directory that does not say what it is, is taken for the first.
    named = values.get("model_type", QWEN3.model_type)
    found = ARCHITECTURES.get(named) if isinstance(named, str) else None
    if found is None:
        raise ModelError(f"{path}: model_type is {named!r}; supported: {', '.join(ARCHITECTURES)}")
    return Model(found, found.read_config(values, path))
