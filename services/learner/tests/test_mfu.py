"""FLOPs of a step: by hand, next to what torch counts of the same pass, and as a share of a peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_learner import CONFIG, TRAJECTORIES, LearnerClient, model_directory, random_policy, scenario
from torch.utils.flop_counter import FlopCounterMode

from gradus_learner.train.mfu import peak_by_name, peak_flops, step_flops


def test_flops_of_a_forward_pass_are_those_of_its_matrices_its_attention_and_its_logits() -> None:
    # Layers: queries 16x16, keys and values 16x8 each, output 16x16, three of 16x24; two of them.
    matrices = 2 * (256 + 128 + 128 + 256 + 3 * 384)
    # Two products of 2 heads x 8, over the tokens up to one's own.
    attention = 2 * 2 * 2 * 2 * 8 * (10 * 11 / 2)
    assert random_policy().forward_flops(10, 3) == 2 * matrices * 10 + attention + 2 * 50 * 16 * 3


def test_matrices_and_logits_are_what_torch_counts() -> None:
    policy, length = random_policy(), 12
    with FlopCounterMode(display=False) as counter:
        policy(torch.zeros(1, length, dtype=torch.long))
    counted: Any = counter.get_flop_counts()["Global"]
    without_attention = sum(count for operation, count in counted.items() if "attention" not in str(operation))
    heads = CONFIG.num_attention_heads * CONFIG.head_dim
    attention = 2 * CONFIG.num_hidden_layers * heads * length * (length + 1)
    assert policy.forward_flops(length, length) - attention == pytest.approx(without_attention, rel=0.001)


def test_a_step_counts_its_passes() -> None:
    policy = random_policy()
    once = policy.forward_flops(10, 3) + policy.forward_flops(20, 5)
    assert step_flops(policy, [(10, 3), (20, 5)], 2, 3) == (2 * 3 + 3) * once


def test_an_architecture_that_does_not_say_has_no_flops(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = random_policy()
    monkeypatch.setattr(policy, "forward_flops", lambda *_: None)
    assert step_flops(policy, [(10, 3)], 1, 0) is None


@pytest.mark.parametrize(
    ("name", "dtype", "tf32", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", torch.bfloat16, False, 989.4),
        ("NVIDIA H100 PCIe", torch.bfloat16, False, 756.0),
        ("NVIDIA A100-SXM4-80GB", torch.float32, True, 156.0),
        ("NVIDIA L40S", torch.float32, False, 91.6),
        ("NVIDIA L4", torch.float16, True, 121.0),
        ("Something else", torch.bfloat16, False, None),
    ],
)
def test_a_peak_is_of_the_device_and_of_the_precision(
    name: str, dtype: torch.dtype, tf32: bool, tflops: float | None
) -> None:
    assert peak_by_name(name, dtype, tf32) == (None if tflops is None else tflops * 1e12)


def test_a_peak_that_is_given_counts_and_a_cpu_has_none() -> None:
    assert peak_flops(torch.device("cpu"), torch.float32, None) is None
    assert peak_flops(torch.device("cpu"), torch.float32, 0.5) == 5e11


def test_a_step_has_its_rate_and_its_share_of_a_peak_that_is_given(tmp_path: Path) -> None:
    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model_directory(tmp_path / "model"))
        metrics = (await client.step(1, TRAJECTORIES)).metrics
        assert metrics["tflops_per_second"] > 0
        assert metrics["mfu"] == pytest.approx(metrics["tflops_per_second"] / 0.5)
        assert "flops" not in metrics

    scenario(body, peak_tflops=0.5)


def test_a_step_on_a_device_of_unknown_peak_has_no_mfu(tmp_path: Path) -> None:
    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model_directory(tmp_path / "model"))
        metrics = (await client.step(1, TRAJECTORIES)).metrics
        assert metrics["tflops_per_second"] > 0
        assert "mfu" not in metrics

    scenario(body)
