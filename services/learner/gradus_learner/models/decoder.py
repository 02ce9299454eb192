"""What a decoder is to training, checkpoints and engines. `registry` has the list of them.

Shapes: B sequences, T tokens, D hidden, H query heads, V vocabulary.
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


class Decoder(nn.Module, ABC):
    """Token ids to next-token logits. Its parameters have the names of its tensors on disk."""

    @property
    @abstractmethod
    def config(self) -> DecoderConfig: ...

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights, the same for the same generator."""

    @abstractmethod
    def hidden(
        self, token_ids_BT: Tensor, positions_BT: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Final hidden states (B, T, D), after the last norm.

        `attention_mask` is boolean, broadcastable to (B, H, T, T), true where a query may look at a key;
        None is causal. `positions_BT` counts from 0 when None.
        """

    @property
    @abstractmethod
    def output_weight_VD(self) -> Tensor:
        """What hidden states are multiplied with for their logits."""

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, V) of hidden states (…, D); of many tokens ask `token_scores`, which needs no whole table."""
        return F.linear(hidden, self.output_weight_VD)

    def forward_flops(self, length: int, predicted: int) -> float | None:
        """Floating-point operations that a forward pass over a sequence needs, `predicted` of whose tokens get logits.

        None where the architecture does not say; then training has no MFU.
        """
        del length, predicted
        return None

    def forward(
        self, token_ids_BT: Tensor, positions_BT: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        return self.logits(self.hidden(token_ids_BT, positions_BT, attention_mask))


@dataclass(frozen=True)
class Architecture:
    """A kind of decoder, by what config.json calls it."""

    model_type: str
    # Of every tensor that its weights have, by arithmetic alone.
    tensor_shapes: Callable[[Any], dict[str, tuple[int, ...]]]
    build: Callable[[Any], Decoder]
