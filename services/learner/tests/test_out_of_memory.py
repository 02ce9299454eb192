"""Steps in a process whose address space is bounded, so that real allocations fail."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from tiny_learner import (
    PLAIN,
    TRAJECTORIES,
    VOCABULARY,
    LearnerClient,
    model_directory,
    policy_gradient,
    random_policy,
    refused,
    samples,
    scenario,
)

from gradus_learner.errors import OutOfMemoryError
from gradus_learner.objectives.supervised import Supervised, train_supervised
from gradus_learner.train import rollouts
from gradus_learner.train.example import Example
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.sample import Sample
from gradus_learner.train.trainer import Trainer

COUNT, LENGTH = 64, 512
NO_ROOM = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


def long_samples(count: int, length: int) -> list[Sample]:
    """The second half of each is written by the model."""
    positions = np.arange(length // 2, length)
    made: list[Sample] = []
    for index in range(count):
        random = np.random.default_rng(index)
        made.append(
            replace(
                samples()[0],
                task_id=f"t{index}",
                ids=random.integers(0, VOCABULARY, length),
                model_positions=positions,
                rollout_logprobs=random.uniform(-5, -3, len(positions)).astype(np.float32),
                advantage=float(index % 3) - 1,
            )
        )
    return made


def step(what: str, trainer: Trainer, count: int = COUNT, length: int = LENGTH) -> dict[str, float]:
    batch = long_samples(count, length)
    if what == "rollouts":
        # Old log-probabilities first, then two updates.
        return train_on_rollouts(trainer, batch, replace(PLAIN, updates_per_epoch=2), 1.0)
    ones, yes = np.ones(length, np.float32), np.ones(length, np.bool_)
    ones[0] = 0
    return train_supervised(trainer, [Example(each.task_id, each.ids, ones, yes) for each in batch], Supervised(1e-3))


def bound_address_space(more_bytes: int | None) -> None:
    """From what is in use; None takes the bound away."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limit = resource.RLIM_INFINITY if more_bytes is None else pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in trainer.policy.parameters()])


def bounded_step(what: str) -> dict[str, float]:
    """By how much a step in little memory differs from one of single sequences."""
    small, bounded = Trainer(random_policy(), LENGTH), Trainer(random_policy(), COUNT * LENGTH)
    expected = step(what, small)
    bound_address_space(10 * 2**20)
    found = step(what, bounded)
    bound_address_space(None)
    return {
        "splits": bounded.micro_batch_splits,
        "tokens": bounded.micro_batch_tokens,
        "weights": float((weights(bounded) - weights(small)).abs().max()),
        "moved": float((weights(small) - weights(Trainer(random_policy(), 1))).abs().max()),
        "loss": abs(found["loss"] - expected["loss"]),
    }


def single_sequence() -> str:
    trainer = Trainer(random_policy(), COUNT * LENGTH)
    bound_address_space(2 * 2**20)
    try:
        step("supervised", trainer, 2, 16_384)
    except OutOfMemoryError as error:
        return str(error)
    finally:
        bound_address_space(None)
    return ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space of a process")
def test_p10_a_micro_batch_that_does_not_fit_into_memory_is_split_and_the_update_is_that_of_small_ones() -> None:
    """P10: bounded memory."""
    # Blocks of the allocator go back to the system when they are free, so that the bound is felt.
    allocator = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    paths = os.pathsep.join(path for path in sys.path if path)
    ran = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, **allocator, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    for what in ("rollouts", "supervised"):
        assert found[what]["splits"] >= 1
        assert LENGTH <= found[what]["tokens"] <= COUNT * LENGTH / 2
        assert found[what]["moved"] > 1e-4
        assert found[what]["weights"] < 1e-5
        assert found[what]["loss"] < 1e-5
    single = found["single"]
    assert single.startswith(
        "the sequence of 't0' has 16,384 tokens and is trained on alone, but that does not fit on cpu"
    )
    assert (
        "GiB are available for gradients and the pass. DefaultCPUAllocator: can't allocate memory: you tried" in single
    )
    assert "Lower limits.context_tokens" in single


def test_p9_what_was_split_is_in_the_metrics_and_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """P9: nothing is silent."""
    # Tests of logging leave levels behind.
    caplog.set_level("INFO", logger="gradus")
    model = model_directory(tmp_path / "model")
    make = rollouts.make_micro_batch

    def short_of_memory(*arguments: object) -> object:
        if len(arguments[1]) > 1:  # pyright: ignore[reportArgumentType]
            raise RuntimeError(NO_ROOM)
        return make(*arguments)  # pyright: ignore[reportArgumentType]

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answer = await client.step(1, TRAJECTORIES, objective=policy_gradient(learning_rate=1e-3))
        # Four sequences of 27, 19, 15 and 8 tokens: 69 in one, then two of 34 at most, then 17.
        assert answer.metrics["micro_batch_splits"] >= 2
        assert answer.metrics["micro_batch_tokens"] < 35
        splits = client.registry.get_sample_value("gradus_learner_micro_batch_splits_total")
        assert splits == answer.metrics["micro_batch_splits"]
        again = await client.step(2, TRAJECTORIES)
        assert again.metrics["micro_batch_splits"] == 0

    monkeypatch.setattr(rollouts, "make_micro_batch", short_of_memory)
    scenario(body)
    assert any("set fleet.learner.micro_batch_tokens (--micro-batch-tokens) to" in line for line in caplog.messages)


def test_p10_an_update_that_does_not_fit_ends_the_step_with_the_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: bounded memory."""
    model = model_directory(tmp_path / "model")

    def full(*_arguments: object, **_more: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        refusal = "step 1: that does not fit on cpu: weights take 0.00 GiB"
        await refused(client.step(1, TRAJECTORIES), grpc.StatusCode.INVALID_ARGUMENT, refusal)
        await refused(client.step(1, TRAJECTORIES), grpc.StatusCode.FAILED_PRECONDITION, "open the run again")

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", full)
    scenario(body)


if __name__ == "__main__":
    for warmed in ("rollouts", "supervised"):
        step(warmed, Trainer(random_policy(), 64), 2, 64)
    print(
        json.dumps({**{what: bounded_step(what) for what in ("rollouts", "supervised")}, "single": single_sequence()})
    )
