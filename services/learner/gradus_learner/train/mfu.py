"""Model FLOPs utilisation: what the sequences of a step need of a device, as a share of what it can do.

Padding is no need of theirs, nor is what is computed twice to save memory.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from gradus_learner.models.decoder import Decoder

TERA = 1e12
# A backward pass computes the gradient of weights and of inputs; that of frozen weights is left out.
BACKWARD = 2
# TFLOP/s of matrix products without sparsity, by NVIDIA's data sheets: of 16 bits, of TF32, of float32.
PEAKS: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("H200", (989.4, 494.7, 67.0)),
    ("H100 PCIe", (756.0, 378.0, 51.0)),
    ("H100 NVL", (835.5, 417.5, 60.0)),
    ("H100", (989.4, 494.7, 67.0)),
    ("A100", (312.0, 156.0, 19.5)),
    ("L40S", (362.05, 183.0, 91.6)),
    ("L4", (121.0, 60.0, 30.3)),
)


def step_flops(policy: Decoder, sequences: Iterable[tuple[int, int]], updates: int, forwards: int) -> float | None:
    """`sequences`: length of each, and how many of its tokens get logits. Each is passed forward and backward `updates`
    times, and `forwards` times only forward."""
    passes = updates * (1 + BACKWARD) + forwards
    total = 0.0
    for length, predicted in sequences:
        once = policy.forward_flops(length, predicted)
        if once is None:
            return None
        total += passes * once - updates * policy.frozen_flops(length, predicted)
    return total


def peak_flops(device: torch.device, dtype: torch.dtype, given_tflops: float | None) -> float | None:
    """A second's, of the device that trains; None where it is neither given nor known by the device's name."""
    if given_tflops is not None:
        return given_tflops * TERA
    if device.type != "cuda":
        return None
    return peak_by_name(torch.cuda.get_device_name(device), dtype, torch.get_float32_matmul_precision() != "highest")


def peak_by_name(name: str, dtype: torch.dtype, tf32: bool) -> float | None:
    found = next((peaks for part, peaks in PEAKS if part in name), None)
    if found is None:
        return None
    half, single_tensor, single = found
    if dtype in (torch.bfloat16, torch.float16):
        return half * TERA
    return (single_tensor if tf32 else single) * TERA
