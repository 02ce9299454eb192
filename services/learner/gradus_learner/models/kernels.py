"""Normalisation and rotary embedding with gradients written out: half the memory passes of autograd's own.

On a CPU these element-wise operations cost as much as the matrix products of a small model. Numbers of 16 bits are
normalised in float32. Checked against finite differences in tests/test_kernels.py.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = _wide(x)
        norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        scale = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).mul_(weight).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, scale = ctx.saved_tensors
        gradient = _wide(gradients[0])
        width = x.shape[-1]
        unit = _wide(x) * scale
        product = (gradient * unit).reshape(-1, width)
        weight_gradient = product.sum(0)
        along = torch.mv(product, _wide(weight)).div_(width).reshape(scale.shape)
        x_gradient = (gradient * weight).addcmul_(unit, along, value=-1).mul_(scale)
        return x_gradient.to(x.dtype), weight_gradient.to(weight.dtype), None


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension."""
    return cast("Tensor", _RmsNorm.apply(x, weight, eps))


def _turn(x: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    half = x.shape[-1] // 2
    turned = x * cos
    turned[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-sign)
    turned[..., half:].addcmul_(x[..., :half], sin[..., half:], value=sign)
    return turned


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(gradients[0], cos, sin, -1), None, None


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, rotate-half form; cos and sin broadcast to x, their two halves are equal."""
    return cast("Tensor", _Rotate.apply(x, cos, sin))
