"""Architectures by the `model_type` of config.json.

One that is no dense decoder is a file, a line here and a line in config_readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradus_learner.models.config import DecoderConfig
from gradus_learner.models.config_readers import read_config
from gradus_learner.models.decoder import Architecture, Decoder
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_shapes import tensor_shapes
from gradus_learner.models.families import DENSE_FAMILIES

ARCHITECTURES: Mapping[str, Architecture] = {
    family.model_type: Architecture(family.model_type, tensor_shapes, Dense) for family in DENSE_FAMILIES
}


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
