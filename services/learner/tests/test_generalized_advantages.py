"""GAE and the value loss against numbers made by hand, the definition as a double sum, and derivatives by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradus_learner.objectives.generalized_advantages import (
    explained_variance,
    generalized_advantages,
    value_loss,
    whitened,
)


def by_definition(values: list[float], reward: float, gamma: float, gae_lambda: float) -> list[float]:
    """sum over l of (gamma lambda)^l d(t + l), each difference written out."""
    count = len(values)
    rewards = [0.0] * (count - 1) + [reward]
    differences = [rewards[t] + gamma * (values[t + 1] if t + 1 < count else 0.0) - values[t] for t in range(count)]
    return [sum((gamma * gae_lambda) ** (at - t) * differences[at] for at in range(t, count)) for t in range(count)]


def test_three_tokens_by_hand() -> None:
    found = generalized_advantages(np.array([0.5, 0.6, 0.7]), np.array([3]), np.array([1.0]), 0.9, 0.8)
    # d = 0.9 * 0.6 - 0.5, 0.9 * 0.7 - 0.6, 1 - 0.7; then 0.3, 0.03 + 0.72 * 0.3, 0.04 + 0.72 * 0.246.
    np.testing.assert_allclose(found, [0.21712, 0.246, 0.3], atol=1e-12)


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(1.0, 1.0), (0.99, 0.95), (0.9, 0.0), (0.0, 0.5)])
def test_sequences_of_several_lengths_are_each_by_the_definition(gamma: float, gae_lambda: float) -> None:
    generator = np.random.default_rng(3)
    lengths = np.array([4, 1, 9, 4, 2, 30])
    values, rewards = generator.normal(size=lengths.sum()), generator.normal(size=len(lengths))
    found = generalized_advantages(values, lengths, rewards, gamma, gae_lambda)
    parts = np.split(values, np.cumsum(lengths)[:-1])
    expected = [
        by_definition(part.tolist(), reward, gamma, gae_lambda) for part, reward in zip(parts, rewards, strict=True)
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-12)


def test_with_lambda_1_the_return_of_every_token_is_the_discounted_reward() -> None:
    values = np.array([0.3, -0.2, 5.0, 0.1])
    advantages = generalized_advantages(values, np.array([3, 1]), np.array([2.0, -1.0]), 0.5, 1.0)
    np.testing.assert_allclose(advantages + values, [0.5, 1.0, 2.0, -1.0], atol=1e-12)


def test_whitening_has_mean_0_and_an_unbiased_variance_of_1() -> None:
    # Mean 2, unbiased variance 1: 1, 2, 3.
    np.testing.assert_allclose(whitened(np.array([1.0, 2.0, 3.0])), [-1, 0, 1], atol=1e-7)
    np.testing.assert_allclose(whitened(np.array([0.1, 0.1, 0.1])), [0, 0, 0], atol=1e-9)
    assert whitened(np.array([7.0])).tolist() == [0]
    assert whitened(np.zeros(0)).tolist() == []


def test_explained_variance() -> None:
    returns = np.array([0.0, 1.0, 2.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(np.full(3, 9.0), returns) == 0
    # var of (0, 0.5, 1) is a quarter of var of (0, 1, 2).
    assert explained_variance(returns / 2, returns) == pytest.approx(0.75)
    assert explained_variance(returns, np.ones(3)) is None
    assert explained_variance(np.zeros(0), np.zeros(0)) is None


def test_the_value_loss_takes_the_worse_of_the_value_and_the_clipped_one() -> None:
    new = torch.tensor([0.1, 0.5, -0.5, 0.5], dtype=torch.float64, requires_grad=True)
    old = torch.zeros(4, dtype=torch.float64)
    returns = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    found = value_loss(new, old, returns, 0.2)
    # Within the clip; past it towards the return, so that the clipped one is worse; past it the other way, twice.
    torch.testing.assert_close(
        found.loss_N.detach(), torch.tensor([0.405, 0.32, 1.125, 0.125], dtype=torch.float64), atol=1e-12, rtol=0
    )
    assert found.clipped_N.tolist() == [False, True, False, False]
    found.loss_N.sum().backward()
    # value - return, and nothing where the clip took over.
    torch.testing.assert_close(new.grad, torch.tensor([-0.9, 0.0, -1.5, 0.5], dtype=torch.float64), atol=1e-12, rtol=0)
    plain = value_loss(new.detach(), old, returns, 0.0)
    torch.testing.assert_close(plain.loss_N, 0.5 * (new.detach() - returns) ** 2)
    assert not plain.clipped_N.any()


def test_the_gradient_of_the_value_loss_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    new, old, returns = (torch.randn(40, generator=generator, dtype=torch.float64) for _ in range(3))
    new.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: value_loss(values, old, returns, 0.2).loss_N, new)
