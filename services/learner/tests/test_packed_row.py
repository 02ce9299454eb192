"""Sequences in one row do not see each other: loss and gradients are those of transformers on a padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from tiny_families import FAMILIES, VOCABULARY, policy_of
from torch import Tensor
from torch.nn import functional as F

from gradus_learner.models.attention import attention_by_run, has_packed_kernel
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import Family
from gradus_learner.models.load import save_weights
from gradus_learner.models.packed_row import pack, rectangle
from gradus_learner.models.rope import Rope
from gradus_learner.models.token_scores import token_scores
from gradus_learner.objectives import supervised
from gradus_learner.objectives.policy_gradient import PolicyGradient
from gradus_learner.objectives.supervised import Supervised, train_supervised
from gradus_learner.train import micro_batch
from gradus_learner.train.before_update import Known
from gradus_learner.train.example import Example
from gradus_learner.train.rollouts import update
from gradus_learner.train.sample import Sample
from gradus_learner.train.step_sums import Mismatch, Sums
from gradus_learner.train.trainer import Trainer

# Two of equal length, one token more, and short ones between long ones.
LENGTHS = (17, 40, 9, 17, 2, 23, 18)
YARN = Rope("yarn", theta=1e6, factor=3.2, original_positions=16, attention_factor=1.1163150809805681)
GRADIENT = PolicyGradient(learning_rate=1e-9, clip_low=0.1, clip_high=0.2, dual_clip=1.3, max_grad_norm=1e6)
# Tokens of a micro-batch: each sequence alone, some together, all together.
BUDGETS = (1, 45, 10_000)


def sequences() -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    generator = np.random.default_rng(7)
    return [generator.integers(0, VOCABULARY, length) for length in LENGTHS]


def rollout_samples() -> list[Sample]:
    """All but the first token are the policy's in every second sample; in the others two turns."""
    found: list[Sample] = []
    for index, ids in enumerate(sequences()):
        every = np.arange(1, len(ids))
        positions = every if index % 2 == 0 else every[(every % 7 == 1) | (every % 7 == 2)]
        logprobs = np.full(len(positions), -4.0, np.float32)
        found.append(Sample(f"{index}", ids, positions, logprobs, float(index % 3 - 1), False, True))
    return found


def examples() -> list[Example]:
    found: list[Example] = []
    for index, ids in enumerate(sequences()):
        is_model = np.arange(len(ids)) % 5 != index % 5
        is_model[1] = True
        weights = np.where(is_model, 1.0, 0.25).astype(np.float32)
        weights[0] = 0
        found.append(Example(f"{index}", ids, weights, is_model))
    return found


def padded_logprobs(policy: Dense, directory: Path) -> tuple[Any, list[Tensor]]:
    """transformers' model of the same weights, and its log-probabilities of tokens after the first, by sequence."""
    from transformers import AutoModelForCausalLM

    save_weights(policy, directory)
    reference = AutoModelForCausalLM.from_pretrained(directory, attn_implementation="eager").train()
    ids_BT = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(ids) for ids in sequences()], batch_first=True)
    mask_BT = torch.arange(ids_BT.shape[1])[None] < torch.tensor(LENGTHS)[:, None]
    logits_BTV = reference(input_ids=ids_BT, attention_mask=mask_BT.long()).logits
    scores_BT = -F.cross_entropy(logits_BTV[:, :-1].transpose(1, 2), ids_BT[:, 1:], reduction="none")
    return reference, [scores[: length - 1] for scores, length in zip(scores_BT, LENGTHS, strict=True)]


def check_gradients(policy: Dense, reference: Any) -> None:
    own = {name: parameter.grad for name, parameter in policy.named_parameters()}
    for name, parameter in reference.named_parameters():
        found, expected = cast("Tensor", own[name]), parameter.grad
        assert float((found - expected).norm()) <= 1e-5 * float(expected.norm()), name


def policy_gradient_loss(logprobs: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
    """Token mean of the clipped surrogate, by its formula."""
    total, count = torch.zeros(()), 0
    for sample, scores_T, old_N in zip(rollout_samples(), logprobs, old, strict=True):
        ratio_N = torch.exp(scores_T[torch.from_numpy(sample.model_positions - 1)] - old_N)
        plain_N, clipped_N = -sample.advantage * ratio_N, -sample.advantage * ratio_N.clamp(0.9, 1.2)
        loss_N = torch.maximum(plain_N, clipped_N)
        if sample.advantage < 0:
            loss_N = loss_N.clamp(max=-1.3 * sample.advantage)
        total, count = total + loss_N.sum(), count + len(loss_N)
    return total / count


def known(old: Sequence[Tensor | None] = (None,) * len(LENGTHS)) -> list[Known]:
    """What a step knows of the samples before it; without `old` what a step of one update does."""
    return [
        Known(torch.full((len(sample.model_positions),), sample.advantage), old_N)
        for sample, old_N in zip(rollout_samples(), old, strict=True)
    ]


def of_old(logprobs: Sequence[Tensor]) -> list[Tensor]:
    """Other enough that clips take over for some tokens."""
    generator = torch.Generator().manual_seed(5)
    found: list[Tensor] = []
    for sample, scores_T in zip(rollout_samples(), logprobs, strict=True):
        scores_N = scores_T.detach()[sample.model_positions - 1]
        found.append(scores_N + 0.4 * torch.randn(len(scores_N), generator=generator))
    return found


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("tie", [False, True])
def test_a_policy_gradient_in_packed_rows_is_that_of_a_padded_batch(
    tmp_path: Path, family: Family, budget: int, tie: bool
) -> None:
    policy = policy_of(family, YARN, tie)
    reference, logprobs = padded_logprobs(policy, tmp_path)
    old = of_old(logprobs)
    expected = policy_gradient_loss(logprobs, old)
    expected.backward()
    trainer, sums = Trainer(policy, budget), Sums()
    norm = update(trainer, rollout_samples(), known(old), GRADIENT, 1.0, sums, Mismatch())
    assert sums.loss == pytest.approx(float(expected.detach()), abs=1e-5)
    assert sums.clipped > 0 < sums.clipped_low
    assert norm > 0
    check_gradients(policy, reference)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
@pytest.mark.parametrize("budget", BUDGETS)
def test_supervised_learning_in_packed_rows_is_that_of_a_padded_batch(
    tmp_path: Path, family: Family, budget: int
) -> None:
    policy = policy_of(family, YARN)
    reference, logprobs = padded_logprobs(policy, tmp_path)
    weights = [torch.from_numpy(example.weights[1:]) for example in examples()]
    sums = [(scores * weight).sum() for scores, weight in zip(logprobs, weights, strict=True)]
    expected = -torch.stack(sums).sum() / torch.cat(weights).sum()
    expected.backward()
    metrics = train_supervised(Trainer(policy, budget), examples(), Supervised(1e-9, max_grad_norm=1e6))
    assert metrics["loss"] == pytest.approx(float(expected.detach()), abs=1e-5)
    check_gradients(policy, reference)


def test_scores_made_in_parts_give_a_packed_row_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = policy_of(FAMILIES[0], YARN), policy_of(FAMILIES[0], YARN)
    old = [torch.full((len(sample.model_positions),), -4.5) for sample in rollout_samples()]
    update(Trainer(whole, 10_000), rollout_samples(), known(old), GRADIENT, 1.0, Sums(), Mismatch())
    of_whole = {name: cast("Tensor", parameter.grad).clone() for name, parameter in whole.named_parameters()}
    taught = policy_of(FAMILIES[0], YARN)
    train_supervised(Trainer(taught, 10_000), examples(), Supervised(1e-9))
    in_parts = partial(token_scores, values_at_once=5 * VOCABULARY)
    monkeypatch.setattr(micro_batch, "token_scores", in_parts)
    monkeypatch.setattr(supervised, "token_scores", in_parts)
    update(Trainer(parts, 10_000), rollout_samples(), known(old), GRADIENT, 1.0, Sums(), Mismatch())
    taught_in_parts = policy_of(FAMILIES[0], YARN)
    train_supervised(Trainer(taught_in_parts, 10_000), examples(), Supervised(1e-9))
    for name, parameter in parts.named_parameters():
        torch.testing.assert_close(parameter.grad, of_whole[name], rtol=1e-5, atol=1e-6)
    for own, other in zip(taught_in_parts.parameters(), taught.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_positions_and_bounds_of_a_row_start_again_with_each_sequence() -> None:
    row = pack([np.arange(3), np.arange(3), np.arange(2)], torch.device("cpu"))
    assert row.positions_T.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert (row.bounds.tolist(), row.bounds.dtype) == ([0, 3, 6, 8], torch.int32)
    assert row.runs == ((2, 3), (1, 2))
    assert rectangle(torch.zeros(2, 4, dtype=torch.long)).lengths == (4, 4)


def test_attention_by_run_is_a_masked_softmax_within_each_sequence() -> None:
    generator = torch.Generator().manual_seed(2)
    row = pack([np.arange(length) for length in (5, 5, 3)], torch.device("cpu"))
    q, k, v = (torch.randn(13, heads, 8, generator=generator) for heads in (4, 2, 2))
    group_T = torch.tensor([0] * 5 + [1] * 5 + [2] * 3)
    seen_TT = (group_T[:, None] == group_T[None]) & torch.ones(13, 13, dtype=torch.bool).tril()
    wide_k, wide_v = (each.repeat_interleave(2, dim=1) for each in (k, v))
    scores_HTT = torch.einsum("the,she->hts", q, wide_k) / 8**0.5
    weights_HTT = torch.softmax(scores_HTT.masked_fill(~seen_TT, float("-inf")), -1)
    expected = torch.einsum("hts,she->the", weights_HTT, wide_v)
    torch.testing.assert_close(attention_by_run(q, k, v, row), expected, rtol=1e-5, atol=1e-6)
    assert not has_packed_kernel(q)
