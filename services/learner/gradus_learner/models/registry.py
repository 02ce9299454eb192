"""Architectures by the `model_type` of config.json. A new one is a file, a line here and a line in config_readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradus_learner.models.config import DecoderConfig
from gradus_learner.models.config_readers import read_config
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
    named, config = read_config(directory)
    return Model(ARCHITECTURES[named], config)
