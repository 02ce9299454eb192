"""Weights wired for copying learn to copy in a few steps, where fresh ones do not."""

import pytest
import torch
from torch.nn import functional as F

from gradus_learner.initial.induction import wire_induction
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.qwen3 import QWEN3

VOCABULARY, HALF = 200, 32


def fresh(wired: bool, layers: int = 2) -> Dense:
    config = DenseConfig(
        QWEN3,
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
    )
    generator = torch.Generator().manual_seed(3)
    policy = Dense(config)
    policy.initialise(generator)
    if wired:
        wire_induction(policy, generator)
    return policy


def loss_of_second_half_after(policy: Dense, steps: int) -> float:
    """Cross-entropy where random sequences are written for the second time; ln(200) = 5.3 is chance."""
    generator = torch.Generator().manual_seed(5)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        once_BT = torch.rand(16, VOCABULARY, generator=generator).argsort(dim=1)[:, :HALF]
        # Turned by another amount in each row, so that counting positions does not help.
        turn_B1 = torch.randint(HALF, (16, 1), generator=generator)
        again_BT = once_BT.gather(1, (torch.arange(HALF) + turn_B1) % HALF)
        ids_BT = torch.cat((once_BT, again_BT), dim=1)
        logits_BTV = policy(ids_BT)[:, HALF:-1]
        loss = F.cross_entropy(logits_BTV.reshape(-1, VOCABULARY), ids_BT[:, HALF + 1 :].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_a_wired_policy_learns_to_copy_where_a_fresh_one_is_still_at_chance() -> None:
    wired = loss_of_second_half_after(fresh(wired=True), steps=80)
    unwired = loss_of_second_half_after(fresh(wired=False), steps=80)
    assert wired < 1.5
    assert unwired > 4.5


def test_wiring_needs_two_layers() -> None:
    with pytest.raises(ValueError, match="two layers"):
        fresh(wired=True, layers=1)
