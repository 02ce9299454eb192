"""Updates of a pass see whole groups, in an order that the batch itself decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tiny_learner import PLAIN, random_policy, samples

from gradus_learner.train.mini_batches import mini_batches
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.sample import Sample
from gradus_learner.train.trainer import Trainer


def sample_of(token: int, group: int | None) -> Sample:
    ids = np.array([1, token], np.int64)
    return Sample("t", ids, np.array([1]), np.zeros(1, np.float32), 1.0, False, True, group)


BATCH = [sample_of(number, number // 4) for number in range(32)]


def test_groups_are_never_cut_and_each_sample_is_seen_once_a_pass() -> None:
    for updates in (2, 3, 8):
        parts = mini_batches(BATCH, updates, 0)
        assert len(parts) == updates
        assert sorted(index for part in parts for index in part) == list(range(32))
        groups = [{BATCH[index].group for index in part} for part in parts]
        assert sum(len(each) for each in groups) == 8
        assert max(len(each) for each in groups) - min(len(each) for each in groups) <= 1


def test_the_order_is_of_the_batch_and_the_pass() -> None:
    first = mini_batches(BATCH, 2, 0)
    assert first == mini_batches(list(BATCH), 2, 0)
    assert first != mini_batches(BATCH, 2, 1)
    assert first != mini_batches([*BATCH[:-1], sample_of(99, 7)], 2, 0)
    # Not the order in which groups came.
    assert first != [list(range(16)), list(range(16, 32))]
    # Written down: another order would be another run.
    assert [[index // 4 for index in part[::4]] for part in first] == [[7, 2, 6, 1], [4, 0, 3, 5]]


def test_one_update_has_all_samples_as_they_came_and_no_update_is_empty() -> None:
    assert mini_batches(BATCH, 1, 3) == [list(range(32))]
    assert len(mini_batches(BATCH[:8], 5, 0)) == 2
    assert mini_batches([], 2, 0) == []
    assert len(mini_batches([sample_of(number, None) for number in range(6)], 3, 0)) == 3


def test_an_update_learns_from_groups_alone() -> None:
    """The first of two updates is the step that its group alone would be."""
    batch = [replace(sample, group=index % 2) for index, sample in enumerate(samples())]
    together, apart = Trainer(random_policy(), 1000), Trainer(random_policy(), 1000)
    options = replace(PLAIN, updates_per_epoch=2, learning_rate=1e-3, clip_low=0.99, clip_high=9.0, dual_clip=0.0)
    metrics = train_on_rollouts(together, batch, options, 1.0)
    assert metrics["updates"] == 2
    first = mini_batches(batch, 2, 0)[0]
    assert len({batch[index].group for index in first}) == 1
    train_on_rollouts(apart, [batch[index] for index in first], replace(options, updates_per_epoch=1), 1.0)
    assert not torch.equal(weights(together), weights(apart))
    halted = Trainer(random_policy(), 1000)
    others = [
        sample if index in first else replace(sample, advantage=float("inf")) for index, sample in enumerate(batch)
    ]
    train_on_rollouts(halted, others, options, 1.0)
    assert torch.equal(weights(halted), weights(apart))


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.policy.parameters()])
