"""Causal attention in a packed row: each token looks at those before it in its own sequence.

Shapes: T tokens, H query heads, K key-value heads, E head width, C sequences of L tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.varlen import varlen_attn

from gradus_learner.models.packed_row import PackedRow

# Of NVIDIA's devices, the first that FlashAttention is built for.
FLASH_CAPABILITY = (8, 0)


def causal_attention(q_THE: Tensor, k_TKE: Tensor, v_TKE: Tensor, row: PackedRow) -> Tensor:
    """(T, H, E). One kernel over the row where there is one, else one for each run of sequences of equal length."""
    if not has_packed_kernel(q_THE):
        return attention_by_run(q_THE, k_TKE, v_TKE, row)
    longest = max(row.lengths)
    out = varlen_attn(
        q_THE,
        k_TKE,
        v_TKE,
        row.bounds,
        row.bounds,
        longest,
        longest,
        window_size=(-1, 0),
        enable_gqa=q_THE.shape[1] != k_TKE.shape[1],
    )
    assert isinstance(out, Tensor)
    return out


def has_packed_kernel(q_THE: Tensor) -> bool:
    """FlashAttention computes in 16 bits, on CUDA."""
    if not q_THE.is_cuda or q_THE.dtype not in (torch.bfloat16, torch.float16):
        return False
    return torch.cuda.get_device_capability(q_THE.device) >= FLASH_CAPABILITY


def attention_by_run(q_THE: Tensor, k_TKE: Tensor, v_TKE: Tensor, row: PackedRow) -> Tensor:
    sizes = [count * length for count, length in row.runs]
    parts = zip(row.runs, q_THE.split(sizes), k_TKE.split(sizes), v_TKE.split(sizes), strict=True)
    return torch.cat([_of_equal_length(count, length, q, k, v) for (count, length), q, k, v in parts])


def _of_equal_length(count: int, length: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q_CHLE, k_CKLE, v_CKLE = (each.view(count, length, *each.shape[1:]).transpose(1, 2) for each in (q, k, v))
    grouped = q.shape[1] != k.shape[1]
    out_CHLE = F.scaled_dot_product_attention(q_CHLE, k_CKLE, v_CKLE, is_causal=True, enable_gqa=grouped)
    return out_CHLE.transpose(1, 2).reshape(count * length, *q.shape[1:])
