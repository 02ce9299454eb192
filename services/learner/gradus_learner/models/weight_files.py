"""Tensors of a model's safetensors files."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from gradus_learner.models.config import ModelError
from gradus_learner.models.declared_tensors import weight_files
from gradus_learner.models.finite import first_not_finite


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
