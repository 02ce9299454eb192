from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor

from gradus_learner.objectives.formulas import Aggregation, KlEstimator, k3, kl_loss, token_weights
from gradus_learner.objectives.objective import OptionsError
from gradus_learner.objectives.policy_gradient import (
    MismatchCorrection,
    PolicyGradient,
    mismatch_weights,
)
from gradus_learner.objectives.registry import objective_of
from gradus_learner.objectives.surrogates import Surrogate, surrogate_loss
from gradus_learner.train.rollouts import RolloutTokens, TokenLoss

OLD = torch.tensor([0.5, 0.2, 0.9, 0.1], dtype=torch.float64).log()
NEW = torch.tensor([0.7, 0.1, 0.95, 0.5], dtype=torch.float64).log()
ADVANTAGES = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)


def policy_loss(
    new_N: Tensor,
    old_N: Tensor,
    advantages_N: Tensor,
    clip_low: float,
    clip_high: float,
    dual_clip: float,
    surrogate: Surrogate = "clip",
    row_N: Tensor | None = None,
) -> TokenLoss:
    rows_N = torch.zeros(len(new_N), dtype=torch.long) if row_N is None else row_N
    tokens = RolloutTokens(new_N, old_N, old_N, None, torch.zeros_like(new_N), advantages_N, rows_N)
    return surrogate_loss(tokens, surrogate, clip_low, clip_high, dual_clip)


def close(actual: Tensor, expected: list[float]) -> bool:
    return torch.allclose(actual.double(), torch.tensor(expected, dtype=torch.float64), atol=1e-5, rtol=0)


def test_the_clipped_loss_with_clip_higher_and_dual_clip_has_its_golden_value() -> None:
    result = policy_loss(NEW, OLD, ADVANTAGES, 0.2, 0.28, 3.0)
    assert result.loss_N.mean().item() == pytest.approx(0.568889, abs=1e-5)
    assert result.clipped_N.double().mean().item() == 0.25
    assert result.clipped_low_N.double().mean().item() == 0.25
    assert (OLD - NEW).mean().item() == pytest.approx(-0.326708, abs=1e-5)


def test_without_a_dual_clip_a_negative_advantage_is_not_bounded() -> None:
    result = policy_loss(NEW, OLD, ADVANTAGES, 0.2, 0.28, 0.0)
    assert close(result.loss_N, [-1.28, -0.5, 0.95 / 0.9, 5.0])
    assert not result.clipped_low_N.any()


def test_a_ratio_beyond_all_measure_stays_finite() -> None:
    result = policy_loss(
        torch.tensor([0.0, -500.0]), torch.tensor([-500.0, 0.0]), torch.tensor([-1.0, 1.0]), 0.2, 0.2, 0
    )
    assert torch.isfinite(result.loss_N).all()


@pytest.mark.parametrize("surrogate", ["clip", "gspo"])
@pytest.mark.parametrize("dual_clip", [0.0, 3.0])
def test_the_gradient_of_the_policy_loss_equals_finite_differences(dual_clip: float, surrogate: Surrogate) -> None:
    generator = torch.Generator().manual_seed(3)
    new = (-torch.rand(40, dtype=torch.float64, generator=generator) * 2).requires_grad_()
    old = -torch.rand(40, dtype=torch.float64, generator=generator) * 2
    advantages = torch.randn(40, dtype=torch.float64, generator=generator)
    rows = torch.arange(40) // 10
    advantages = advantages[rows]
    assert torch.autograd.gradcheck(
        lambda new: policy_loss(new, old, advantages, 0.2, 0.28, dual_clip, surrogate, rows).loss_N, (new,)
    )


def test_gspo_clips_a_whole_sequence_by_the_geometric_mean_of_its_ratios() -> None:
    rows = torch.tensor([0, 0, 1, 1])
    result = policy_loss(NEW, OLD, ADVANTAGES, 0.2, 0.28, 0.0, "gspo", rows)
    # (1.4 x 0.5)^(1/2) and (1.055556 x 5)^(1/2).
    assert close(result.ratio_N, [0.836660, 0.836660, 2.297341, 2.297341])
    assert close(result.loss_N, [-0.836660, -0.836660, 2.297341, 2.297341])
    up = policy_loss(NEW, OLD, -ADVANTAGES, 0.2, 0.28, 0.0, "gspo", rows)
    assert close(up.loss_N, [0.836660, 0.836660, -1.28, -1.28])
    assert up.clipped_N.tolist() == [False, False, True, True]


def test_cispo_gives_every_token_a_gradient_of_its_ratio_cut_above() -> None:
    new = NEW.clone().requires_grad_()
    result = policy_loss(new, OLD, ADVANTAGES, 0.2, 0.28, 3.0, "cispo")
    result.loss_N.sum().backward()
    assert new.grad is not None
    assert close(new.grad, [-1.28, -0.5, 1.055556, 1.28])
    assert close(result.loss_N, [1.28 * 0.356675, 0.5 * 2.302585, -1.055556 * 0.051293, -1.28 * 0.693147])
    assert result.clipped_N.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token_mean", 1.75),
        ("token_sum", 7.0),
        ("seq_mean_token_sum", 3.5),
        ("seq_mean_token_mean", 2.5),
        ("seq_mean_token_sum_norm", 0.875),
    ],
)
def test_aggregations_have_their_golden_values(aggregation: str, expected: float) -> None:
    losses, sequence = torch.tensor([0.0, 1.0, 2.0, 4.0]), torch.tensor([0, 0, 0, 1])
    weights = token_weights(torch.tensor([3, 1]), cast("Aggregation", aggregation), horizon_tokens=4)
    assert (losses * weights[sequence]).sum().item() == pytest.approx(expected, abs=1e-6)


def test_sequences_without_model_tokens_do_not_count_in_a_sequence_mean() -> None:
    weights = token_weights(torch.tensor([3, 0, 1]), "seq_mean_token_mean")
    assert close(weights[[0, 2]], [1 / 6, 1 / 2])


def test_the_kl_estimate_k3_has_its_golden_values_and_is_never_below_0() -> None:
    assert close(k3(NEW - OLD), [0.050758, 0.306853, 0.001436, 0.809438])
    tiny = torch.linspace(-3e-4, 3e-4, 1001, dtype=torch.float32).double()
    assert (k3(tiny) >= 0).all()
    assert torch.allclose(k3(tiny), tiny.square() / 2, rtol=2e-4, atol=0)


@pytest.mark.parametrize("estimator", ["k2", "k3", "ratio_k3"])
def test_the_gradient_of_a_kl_loss_equals_finite_differences(estimator: str) -> None:
    kind = cast("KlEstimator", estimator)
    new, old = NEW.clone().requires_grad_(), torch.tensor([0.6, 0.2, 0.8, 0.3], dtype=torch.float64).log()
    assert torch.autograd.gradcheck(lambda new: kl_loss(new, old, OLD, kind), (new,))


@pytest.mark.parametrize(
    ("estimator", "moved", "exact"),
    [
        ("k2", False, True),
        ("ratio_k3", False, True),
        ("k3", False, False),
        ("k2", True, False),
        ("ratio_k3", True, True),
    ],
)
def test_the_expected_gradient_of_a_kl_loss_is_that_of_the_reverse_kl(estimator: str, moved: bool, exact: bool) -> None:
    """By enumeration of a categorical policy; `moved`: the samples are of the policy before an update."""
    generator = torch.Generator().manual_seed(5)
    logits, other, reference = (torch.randn(7, dtype=torch.float64, generator=generator) for _ in range(3))
    logits.requires_grad_()
    new, target = logits.log_softmax(0), reference.log_softmax(0)
    old = other.log_softmax(0) if moved else new.detach()
    (true,) = torch.autograd.grad((new.exp() * (new - target)).sum(), logits, retain_graph=True)
    loss = (old.exp() * kl_loss(new, old, target, cast("KlEstimator", estimator))).sum()
    (found,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(found, true, atol=1e-12) == exact


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        ("none", [1.0, 1.0, 1.0, 1.0]),
        ("tis", [1.4, 0.5, 1.055556, 2.0]),
        ("icepop", [1.4, 0.5, 1.055556, 0.0]),
        ("sequence_tis", [2.0, 2.0, 2.0, 2.0]),
    ],
)
def test_mismatch_corrections_have_their_golden_values(correction: str, expected: list[float]) -> None:
    kind = cast("MismatchCorrection", correction)
    # 1e-9 keeps the ratio of exactly one half inside IcePop's bounds whatever the rounding of the logarithms.
    weights = mismatch_weights(NEW, OLD, torch.zeros(4, dtype=torch.long), kind, 0.5 - 1e-9, 2.0)
    assert close(weights, expected)
    assert not weights.requires_grad


def test_a_sequence_correction_sees_only_its_own_sequence() -> None:
    weights = mismatch_weights(NEW, OLD, torch.tensor([0, 0, 1, 1]), "sequence_tis", 0.0, 100.0)
    assert close(weights, [0.7, 0.7, 0.95 / 0.9 * 5, 0.95 / 0.9 * 5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dual_clip": 0.5}, "policy_gradient.dual_clip is 0.5"),
        ({"kl_estimator": "k1"}, "policy_gradient.kl_estimator is k1; it must be one of k2, k3, ratio_k3"),
        ({"aggregation": "token-mean"}, "policy_gradient.aggregation is token-mean; it must be one of token_mean"),
        ({"learning_rate": 0.0}, "policy_gradient.learning_rate is 0.0"),
        ({"clip_high": float("nan")}, "policy_gradient.clip_high is nan"),
        ({"aggregation": "seq_mean_token_sum_norm"}, "policy_gradient.horizon_tokens is 0"),
        ({"mismatch_correction": "icepop", "mismatch_low": 3.0}, "policy_gradient.mismatch_low is 3.0"),
    ],
)
def test_an_option_out_of_bounds_is_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionsError) as raised:
        PolicyGradient(**options)  # pyright: ignore[reportArgumentType]
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("policy_gradient", {"clip_hihg": 0.3}, "policy_gradient.clip_hihg is no option; did you mean clip_high?"),
        ("policy_gradient", {"epochs": 1.5}, "policy_gradient.epochs is 1.5; it must be a whole number"),
        ("policy_gradient", {"mask_truncated": 1.0}, "policy_gradient.mask_truncated is 1.0; it must be true or false"),
        ("policy_gradient", {"kl_estimator": 3.0}, "policy_gradient.kl_estimator is 3.0; it must be a text"),
        ("supervised", {"learning_rate": True}, "supervised.learning_rate is True; it must be a number"),
        ("dpo", {}, "objective.name is 'dpo'; this learner has policy_gradient, actor_critic, supervised"),
    ],
)
def test_an_option_that_an_objective_does_not_have_is_named(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionsError) as raised:
        objective_of(name, options)
    assert message in str(raised.value)
    assert objective_of("policy_gradient", {"epochs": 2.0, "learning_rate": 0.5}) == PolicyGradient(
        epochs=2, learning_rate=0.5
    )
