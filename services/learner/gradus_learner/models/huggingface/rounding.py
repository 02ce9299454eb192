"""Passes in another number format than that of the weights, over modules of transformers.

A module with parameters of its own computes with them as they are in the format of the pass, for the time of its
forward pass: also when a layer is computed again. Their gradients are in the format of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_FORMAT, _HELD = "_gradus_pass_dtype", "_gradus_held"


def follow_passes(model: nn.Module) -> None:
    """Lets each module compute in the format that `set_format` says."""
    for module in model.modules():
        if type(module) is nn.Embedding:
            # Its rows are rounded, and not the table.
            module.register_forward_hook(_round_rows)
        elif any(each.is_floating_point() for each in module.parameters(recurse=False)):
            module.register_forward_pre_hook(_round_weights)
            # Also where the pass fails.
            module.register_forward_hook(_give_back, always_call=True)


def set_format(model: nn.Module, dtype: torch.dtype) -> None:
    for module in model.modules():
        module.__dict__[_FORMAT] = dtype


def _round_rows(module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.to(module.__dict__[_FORMAT])


def _round_weights(module: nn.Module, _inputs: tuple[Any, ...]) -> None:
    held = dict(module._parameters)  # pyright: ignore[reportPrivateUsage]
    dtype = module.__dict__[_FORMAT]
    module.__dict__[_HELD] = held
    for name, parameter in held.items():
        if parameter is not None and parameter.is_floating_point() and parameter.dtype != dtype:
            rounded: Any = parameter.to(dtype)
            module._parameters[name] = rounded  # pyright: ignore[reportPrivateUsage]


def _give_back(module: nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
    held = module.__dict__.pop(_HELD, None)
    if held is not None:
        module._parameters.update(held)  # pyright: ignore[reportPrivateUsage]
