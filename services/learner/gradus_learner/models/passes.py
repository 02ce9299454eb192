"""How forward and backward passes are made. Weights, gradients and moments are float32 whatever is said here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Passes:
    # With bfloat16 a pass computes with weights that are rounded to it, which are those that engines get.
    precision: Precision = "float32"
    # Only what enters a layer is kept for the backward pass, which computes the rest again.
    activation_checkpointing: bool = False

    def dtype(self, weights: torch.dtype) -> torch.dtype:
        """Of activations, for a model whose weights are `weights`."""
        return torch.bfloat16 if self.precision == "bfloat16" else weights


PLAIN = Passes()
