"""Numbers that leave or enter the learner are finite, or named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


def is_finite(value: Tensor) -> bool:
    """One pass without a copy: a value that is not a number survives both the least and the greatest."""
    if value.numel() == 0 or not value.is_floating_point():
        return True
    low, high = torch.aminmax(value.detach())
    return math.isfinite(float(low)) and math.isfinite(float(high))


def first_not_finite(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """`<name> holds 3 of 128 values that are not finite` for the first such tensor."""
    for name, value in named:
        if not is_finite(value):
            bad = int((~torch.isfinite(value.detach())).sum())
            return f"{name} holds {bad} of {value.numel()} values that are not finite"
    return None


def split_metrics(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Those that are finite, and the others."""
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return finite, {name: value for name, value in metrics.items() if name not in finite}
