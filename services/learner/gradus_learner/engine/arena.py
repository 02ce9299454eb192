"""Keys and values of the active sequences, laid out so that a decode step reads views and copies nothing.

Shapes: L layers, R rows, K key-value heads, T longest context, E head width, S keys attended to, B active rows.

Active sequences occupy rows 0..B-1. When one finishes, the last active row moves into its place, so the keys of
all active sequences, up to the longest of them, are always one strided view `(B * K, S, E)`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gradus_learner.model import ModelConfig


class Arena:
    def __init__(self, config: ModelConfig, rows: int, context: int, device: torch.device) -> None:
        heads, width = config.num_key_value_heads, config.head_dim
        self.rows, self.context, self.heads, self.width = rows, context, heads, width
        shape = (config.num_hidden_layers, 2, rows, heads, context, width)
        # Masked positions are multiplied by zero, so what lies there must be finite. numpy's zeros are mapped lazily:
        # memory is taken only as far as sequences reach.
        if device.type == "cpu":
            self.kv = torch.from_numpy(np.zeros(shape, np.float32))
        else:
            self.kv = torch.zeros(shape, device=device)
        # One row per (sequence, head, position): where a step writes its new keys and values.
        flat = (rows * heads * context, width)
        self._slots = [(layer[0].view(flat), layer[1].view(flat)) for layer in self.kv]
        self._head_offsets = torch.arange(heads, device=device) * context

    @property
    def size_bytes(self) -> int:
        return self.kv.numel() * self.kv.element_size()

    @property
    def bytes_per_token(self) -> int:
        return self.size_bytes // (self.rows * self.context)

    def slots(self, rows_N: Tensor, positions_N: Tensor) -> Tensor:
        """Indices (N * K) for `write`: token n goes to row rows_N[n] at position positions_N[n]."""
        first = rows_N * (self.heads * self.context) + positions_N
        return (first.unsqueeze(1) + self._head_offsets).view(-1)

    def write(self, layer: int, slots: Tensor, k_NKE: Tensor, v_NKE: Tensor) -> None:
        keys, values = self._slots[layer]
        keys.index_copy_(0, slots, k_NKE.reshape(-1, self.width))
        values.index_copy_(0, slots, v_NKE.reshape(-1, self.width))

    def keys_values(self, layer: int, first_row: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Views (rows, K, length, E)."""
        part = self.kv[layer, :, first_row : first_row + rows, :, :length]
        return part[0], part[1]

    def move(self, source: int, target: int, length: int) -> None:
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]

    def export_row(self, row: int, length: int) -> Tensor:
        """A compact copy (L, 2, K, length, E)."""
        return self.kv[:, :, row, :, :length].clone(memory_format=torch.contiguous_format)

    def import_row(self, row: int, kv: Tensor, length: int) -> None:
        self.kv[:, :, row, :, :length] = kv[:, :, :, :length]

    def clear_row(self, row: int) -> None:
        self.kv[:, :, row] = 0.0
