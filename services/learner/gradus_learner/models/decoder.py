"""What a decoder is to training, checkpoints and engines. `registry` has the list of them.

Shapes: B sequences, T tokens, D hidden, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradus_learner.models.config import DecoderConfig
from gradus_learner.models.packed_row import PackedRow, rectangle
from gradus_learner.models.passes import PLAIN, Passes


class Decoder(nn.Module, ABC):
    """Token ids to next-token logits. Its parameters have the names of its tensors on disk."""

    @property
    @abstractmethod
    def config(self) -> DecoderConfig: ...

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights, the same for the same generator."""

    @abstractmethod
    def hidden(self, row: PackedRow, passes: Passes = PLAIN) -> Tensor:
        """Final hidden states (T, D) of a packed row, after the last norm; its sequences do not see each other."""

    @property
    @abstractmethod
    def output_weight_VD(self) -> Tensor:
        """What hidden states are multiplied with for their logits."""

    def check(self, passes: Passes) -> None:
        """Looks at weights that were loaded. Raises ModelError for a model that cannot be computed so."""
        del passes

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, V) of hidden states (…, D); of many tokens ask `token_scores`, which needs no whole table."""
        return F.linear(hidden, self.output_weight_VD)

    def forward_flops(self, length: int, predicted: int) -> float | None:
        """Floating-point operations that a forward pass over a sequence needs, `predicted` of whose tokens get logits.

        None where the architecture does not say; then training has no MFU.
        """
        del length, predicted
        return None

    def frozen_flops(self, length: int, predicted: int) -> float:
        """Of a backward pass over the same, what is left out because the gradients of frozen weights are not wanted."""
        del length, predicted
        return 0.0

    def forward(self, token_ids_BT: Tensor) -> Tensor:
        """Logits (B, T, V) of sequences of equal length."""
        return self.logits(self.hidden(rectangle(token_ids_BT))).unflatten(0, token_ids_BT.shape)


@dataclass(frozen=True)
class Architecture:
    """A kind of decoder, by what config.json calls it."""

    model_type: str
    # Of every tensor that its weights have, by arithmetic alone.
    tensor_shapes: Callable[[Any], dict[str, tuple[int, ...]]]
    build: Callable[[Any], Decoder]
