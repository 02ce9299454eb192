"""Keys and values of the active sequences, laid out so that a decode step reads views and copies nothing.

Shapes: L layers, R rows, K key-value heads, C capacity in tokens, E head width, S keys attended to.

Sequences of like length lie together in a *region*: a step reads a region up to its longest sequence, so short
sequences do not pay for long ones. In a region the active sequences occupy rows 0..count-1; when one leaves, the last
takes its place, so the keys of all are one strided view. Keys are kept transposed, (E, C), since a product with one
query then runs along contiguous memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradus_learner.models.dense_config import DenseConfig

# Breaks the power-of-two distance between the rows of transposed keys, which would share few cache sets.
_PADDING = 16
_FIRST_ROWS = 8


@dataclass(frozen=True)
class RowKv:
    """A compact copy of one row: keys (L, K, E, T), values (L, K, T, E)."""

    keys: Tensor
    values: Tensor

    @property
    def size_bytes(self) -> int:
        return 2 * self.keys.numel() * self.keys.element_size()


class Region:
    """Rows of at most `capacity` tokens; memory grows with the rows in use."""

    def __init__(self, config: DenseConfig, capacity: int, device: torch.device) -> None:
        self.capacity = capacity
        self.rows = 0
        self._layers, self._heads, self._width = (
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.head_dim,
        )
        self._device = device
        self._keys, self._values = self._allocate(0)

    @property
    def size_bytes(self) -> int:
        return (self._keys.numel() + self._values.numel()) * self._keys.element_size()

    def reserve(self, rows: int) -> None:
        if rows <= self.rows:
            return
        rows = max(rows, 2 * self.rows, _FIRST_ROWS)
        keys, values = self._allocate(rows)
        keys[:, : self.rows] = self._keys
        values[:, : self.rows] = self._values
        self._keys, self._values, self.rows = keys, values, rows

    def _allocate(self, rows: int) -> tuple[Tensor, Tensor]:
        # Masked positions are multiplied by zero, so what lies there must be finite: zeros at first, later leftovers.
        shape = (self._layers, rows, self._heads)
        keys = torch.zeros(*shape, self._width, self.capacity + _PADDING, device=self._device)
        return keys, torch.zeros(*shape, self.capacity, self._width, device=self._device)

    def write(self, layer: int, rows_N: Tensor, positions_N: Tensor, k_NKE: Tensor, v_NKE: Tensor) -> None:
        self._keys[layer][rows_N, :, :, positions_N] = k_NKE
        self._values[layer][rows_N, :, positions_N] = v_NKE

    def keys(self, layer: int, first_row: int, rows: int, length: int) -> Tensor:
        """A view (rows * K, E, length)."""
        part = self._keys[layer, first_row : first_row + rows, :, :, :length]
        return part.view(rows * self._heads, self._width, length)

    def values(self, layer: int, first_row: int, rows: int, length: int) -> Tensor:
        """A view (rows * K, length, E)."""
        part = self._values[layer, first_row : first_row + rows, :, :length]
        return part.view(rows * self._heads, length, self._width)

    def move(self, source: int, target: int, length: int) -> None:
        self.import_row(target, RowKv(self._keys[:, source], self._values[:, source]), length)

    def export_row(self, row: int, length: int) -> RowKv:
        compact = torch.contiguous_format
        return RowKv(
            self._keys[:, row, :, :, :length].clone(memory_format=compact),
            self._values[:, row, :, :length].clone(memory_format=compact),
        )

    def import_row(self, row: int, kv: RowKv, length: int) -> None:
        self._keys[:, row, :, :, :length] = kv.keys[..., :length]
        self._values[:, row, :, :length] = kv.values[:, :, :length]

    def clear_row(self, row: int) -> None:
        self._keys[:, row] = 0.0
        self._values[:, row] = 0.0


def region_capacities(context: int) -> list[int]:
    """Each at most half as long again as the one before; the last holds the longest sequence."""
    capacities = [64]
    while capacities[-1] < context:
        last = capacities[-1]
        # 64, 96, 128, 192, 256, 384, …: powers of two and the middles between them.
        capacities.append(last * 3 // 2 if last & (last - 1) == 0 else last * 4 // 3)
    capacities[-1] = context
    return capacities
