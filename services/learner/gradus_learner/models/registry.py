"""Who computes a model: backends by name, and the architectures of ours by the `model_type` of config.json.

An architecture that is no dense decoder is a file, a line here and a line in config_readers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gradus_learner.models.backend_names import BUILTIN, TRANSFORMERS
from gradus_learner.models.config import DecoderConfig, ModelError
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


def read_builtin(directory: Path) -> Model:
    named, config = read_config(directory)
    return Model(ARCHITECTURES[named], config)


def read_transformers(directory: Path) -> Model:
    # Of a package that is only there where it is asked for.
    from gradus_learner.models.huggingface.config import read_huggingface_config
    from gradus_learner.models.huggingface.decoder import ARCHITECTURE

    return Model(ARCHITECTURE, read_huggingface_config(directory))


BACKENDS: Mapping[str, Callable[[Path], Model]] = {BUILTIN: read_builtin, TRANSFORMERS: read_transformers}


def read_model(directory: str | Path, backend: str = BUILTIN) -> Model:
    """Raises ModelError with every problem of config.json at once."""
    read = BACKENDS.get(backend)
    if read is None:
        raise ModelError(f"backend is {backend!r}; it must be one of {', '.join(BACKENDS)}")
    return read(Path(directory))
