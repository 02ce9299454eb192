"""Micro-batches."""

from __future__ import annotations

import random

from gradus_learner.train.batch import micro_batches


def test_micro_batches_hold_every_sequence_once_stay_in_budget_and_pad_little() -> None:
    rng = random.Random(0)
    lengths = [rng.randint(40, 400) for _ in range(5000)]
    groups = micro_batches(lengths, 8192)
    assert sorted(index for group in groups for index in group) == list(range(5000))
    padded = [len(group) * max(lengths[index] for index in group) for group in groups]
    assert max(padded) <= 8192
    assert sum(lengths) / sum(padded) > 0.95


def test_a_sequence_beyond_the_budget_stands_alone_and_comes_first() -> None:
    assert micro_batches([3, 3, 50, 3, 3], 6) == [[2], [0, 1], [3, 4]]
    assert micro_batches([], 6) == []
