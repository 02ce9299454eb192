"""Scores of tokens equal those of the whole table of logits, in values and gradients, and the table never exists."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradus_learner.models.token_scores import Entropy, TokenScores, token_scores

TOKENS, WIDTH, VOCABULARY = 37, 12, 101


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(TOKENS, WIDTH, generator=generator, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator, requires_grad=True)
    return hidden, weight, torch.randint(0, VOCABULARY, (TOKENS,), generator=generator)


def whole(hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> TokenScores:
    """By autograd, on one table."""
    logprobs = torch.log_softmax(hidden @ weight.T / temperature, -1)
    picked = logprobs.gather(1, targets.unsqueeze(1)).squeeze(1)
    return TokenScores(picked, -(logprobs.exp() * logprobs).sum(-1), logprobs.argmax(-1) == targets)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("entropy", ["value", "gradient"])
# One token at a time, a last part that is short, all at once.
@pytest.mark.parametrize("at_once", [1, 10 * VOCABULARY, 1_000_000])
def test_values_and_gradients_are_those_of_the_whole_table(temperature: float, entropy: Entropy, at_once: int) -> None:
    hidden, weight, targets = inputs()
    expected = whole(hidden, weight, targets, temperature)
    found = token_scores(hidden, weight, targets, temperature, entropy, best=True, values_at_once=at_once)
    torch.testing.assert_close(found.logprobs_N, expected.logprobs_N, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.entropy_N, expected.entropy_N, rtol=0, atol=1e-5)
    assert torch.equal(found.is_best_N, expected.is_best_N)
    weights = torch.randn(TOKENS, generator=torch.Generator().manual_seed(4))

    def loss(scores: TokenScores) -> Tensor:
        bonus = (scores.entropy_N * weights.flip(0)).sum() if entropy == "gradient" else 0.0
        return (scores.logprobs_N * weights).sum() + bonus

    ours = torch.autograd.grad(loss(found), (hidden, weight))
    theirs = torch.autograd.grad(loss(expected), (hidden, weight))
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_an_entropy_that_is_only_measured_has_no_gradient() -> None:
    hidden, weight, targets = inputs()
    assert not token_scores(hidden, weight, targets, entropy="value").entropy_N.requires_grad
    assert token_scores(hidden, weight, targets, entropy="gradient").entropy_N.requires_grad
    assert float(token_scores(hidden, weight, targets).entropy_N.sum()) == 0


def test_a_frozen_weight_gets_no_gradient_and_no_tokens_are_no_error() -> None:
    hidden, weight, targets = inputs()
    frozen = weight.detach()
    token_scores(hidden, frozen, targets).logprobs_N.sum().backward()
    assert hidden.grad is not None
    empty = token_scores(hidden[:0], weight, targets[:0], entropy="gradient")
    assert empty.logprobs_N.shape == (0,)
    (gradient,) = torch.autograd.grad(empty.logprobs_N.sum(), weight)
    assert float(gradient.abs().sum()) == 0


class Largest(TorchDispatchMode):
    """Notes the largest tensor that an operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, tuple | list) else (out,):
            if isinstance(each, Tensor):
                self.values = max(self.values, each.numel())
        return out


def test_p6_the_table_of_all_logits_never_exists() -> None:
    """P6: memory is bounded, forwards and backwards."""
    hidden, weight, targets = inputs()
    for at_once, bound in ((5 * VOCABULARY, 5 * VOCABULARY), (1, WIDTH * VOCABULARY)):
        with Largest() as largest:
            scores = token_scores(hidden, weight, targets, entropy="gradient", values_at_once=at_once)
            (scores.logprobs_N + scores.entropy_N).sum().backward()
        assert largest.values <= max(bound, WIDTH * VOCABULARY) < TOKENS * VOCABULARY
