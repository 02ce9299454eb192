from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_learner import PLAIN, random_policy, samples

from gradus_learner.objectives.formulas import Aggregation
from gradus_learner.objectives.objective import TrainingError
from gradus_learner.train.batch import micro_batches
from gradus_learner.train.micro_batch import make_micro_batch, token_logprobs
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.trainer import Trainer


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in trainer.policy.parameters()])


def gradient(trainer: Trainer) -> torch.Tensor:
    return torch.cat([p.grad.reshape(-1) for p in trainer.policy.parameters() if p.grad is not None])


@pytest.mark.parametrize(
    "aggregation",
    ["token_mean", "token_sum", "seq_mean_token_sum", "seq_mean_token_mean", "seq_mean_token_sum_norm"],
)
def test_the_size_of_micro_batches_does_not_change_the_gradient(aggregation: Aggregation) -> None:
    algorithm = replace(
        PLAIN,
        aggregation=aggregation,
        horizon_tokens=16,
        kl_coefficient=0.1,
        entropy_coefficient=0.01,
        mismatch_correction="sequence_tis",
        max_grad_norm=1e6,
    )
    found: list[tuple[torch.Tensor, dict[str, float]]] = []
    for budget in (1, 30, 10_000):
        trainer = Trainer(random_policy(), budget)
        trainer.reference = random_policy(seed=5)
        metrics = train_on_rollouts(trainer, samples(), algorithm, 1.0)
        found.append((gradient(trainer), metrics))
    for other, metrics in found[1:]:
        # Sums in another order round otherwise, by how much depends on the processor's kernels. Rounding grows with the
        # gradient, whose norm is 22 with token_sum.
        assert float((other - found[0][0]).norm() / found[0][0].norm()) < 5e-6
        assert metrics["loss"] == pytest.approx(found[0][1]["loss"], abs=1e-6)
        assert metrics["entropy"] == pytest.approx(found[0][1]["entropy"], abs=1e-6)


def test_the_gradient_is_that_of_the_plain_policy_gradient_when_old_equals_new() -> None:
    batch = samples()
    trainer = Trainer(random_policy(), 10_000)
    train_on_rollouts(trainer, batch, replace(PLAIN, max_grad_norm=1e6), 0.7)
    policy = random_policy()
    total = sum(len(sample.model_positions) for sample in batch)
    loss = torch.zeros(())
    for sample in batch:
        logits = policy(torch.from_numpy(sample.ids).unsqueeze(0))[0] / 0.7
        logprobs = torch.log_softmax(logits[sample.model_positions - 1], -1)
        picked = logprobs[range(len(sample.model_positions)), sample.ids[sample.model_positions]]
        loss = loss - sample.advantage * picked.sum() / total
    loss.backward()
    expected = torch.cat([p.grad.reshape(-1) for p in policy.parameters() if p.grad is not None])
    assert torch.allclose(gradient(trainer), expected, atol=1e-6)


def test_p4_environment_and_prompt_tokens_never_carry_loss() -> None:
    """P4: what the model sampled is what is trained on, to the token."""
    policy = random_policy()
    for sample in samples():
        batch = make_micro_batch([sample], [0], torch.device("cpu"))
        assert batch.targets_N.tolist() == sample.ids[sample.model_positions].tolist()
        logits = torch.zeros(sample.length, dtype=torch.bool)
        logits[batch.positions_N + 1] = True
        assert logits.nonzero().squeeze(1).tolist() == sample.model_positions.tolist()
        assert token_logprobs(policy, batch, 1.0)[0].shape == (len(sample.model_positions),)


def test_one_update_lifts_the_probability_of_what_paid_and_lowers_what_did_not() -> None:
    batch = samples(advantages=(1.0, -1.0))
    trainer = Trainer(random_policy(), 10_000)

    def logprob(index: int) -> float:
        made = make_micro_batch(batch, [index], torch.device("cpu"))
        return float(token_logprobs(trainer.policy, made, 1.0)[0].mean().detach())

    before = logprob(0), logprob(1)
    for _ in range(5):
        train_on_rollouts(trainer, batch, replace(PLAIN, learning_rate=1e-2), 1.0)
    assert logprob(0) > before[0]
    assert logprob(1) < before[1]


def test_several_updates_use_logprobs_from_before_the_first() -> None:
    trainer = Trainer(random_policy(), 40)
    metrics = train_on_rollouts(
        trainer, samples(), replace(PLAIN, updates_per_epoch=2, epochs=2, learning_rate=1e-2), 1.0
    )
    assert metrics["updates"] == 4
    assert metrics["ratio_mean"] != pytest.approx(1.0, abs=1e-4)
    single = train_on_rollouts(Trainer(random_policy(), 40), samples(), PLAIN, 1.0)
    assert single["updates"] == 1
    assert single["ratio_mean"] == pytest.approx(1.0)
    assert single["ppo_kl"] == pytest.approx(0.0)


def test_the_mismatch_with_the_engines_logprobs_is_measured_before_any_update() -> None:
    for updates in (1, 2):
        trainer = Trainer(random_policy(), 40)
        exact = train_on_rollouts(trainer, samples(random_policy()), replace(PLAIN, updates_per_epoch=updates), 1.0)
        assert exact["mismatch_max"] < 1e-5
        assert exact["mismatch_k3"] == pytest.approx(0.0, abs=1e-6)
    off = train_on_rollouts(Trainer(random_policy(), 40), samples(), PLAIN, 1.0)
    assert off["mismatch_max"] > 0.5


def test_p4_a_sample_whose_tokens_the_engine_did_not_see_is_counted_and_not_trained_on() -> None:
    """P4: token in, token out."""
    batch = samples()
    wrong = [replace(batch[0], digest_matches=False, advantage=100.0), *batch[1:]]
    with_wrong, without = Trainer(random_policy(), 1000), Trainer(random_policy(), 1000)
    metrics = train_on_rollouts(with_wrong, wrong, PLAIN, 1.0)
    train_on_rollouts(without, batch[1:], PLAIN, 1.0)
    assert metrics["token_mismatches"] == 1
    assert torch.equal(weights(with_wrong), weights(without))
    with pytest.raises(TrainingError, match="all 1 samples"):
        train_on_rollouts(with_wrong, wrong[:1], PLAIN, 1.0)


def test_truncated_samples_are_masked_only_when_asked() -> None:
    batch = samples()
    masked, kept, absent = (Trainer(random_policy(), 1000) for _ in range(3))
    train_on_rollouts(masked, batch, replace(PLAIN, mask_truncated=True), 1.0)
    train_on_rollouts(kept, batch, PLAIN, 1.0)
    train_on_rollouts(absent, [sample for sample in batch if not sample.truncated], PLAIN, 1.0)
    assert torch.equal(weights(masked), weights(absent))
    assert not torch.equal(weights(masked), weights(kept))


def test_an_update_that_is_not_finite_is_left_out() -> None:
    trainer, without = Trainer(random_policy(), 1000), Trainer(random_policy(), 1000)
    batch = samples()
    half = len(batch) // 2
    good = [replace(sample, group=0) for sample in batch[:half]]
    bad = [replace(sample, advantage=float("inf"), group=1) for sample in batch[half:]]
    metrics = train_on_rollouts(trainer, [*good, *bad], replace(PLAIN, updates_per_epoch=2), 1.0)
    assert (metrics["updates"], metrics["updates_skipped"]) == (1, 1)
    train_on_rollouts(without, batch[:half], PLAIN, 1.0)
    assert torch.equal(weights(trainer), weights(without))


def test_a_step_without_a_finite_update_is_refused_with_nothing_applied() -> None:
    trainer = Trainer(random_policy(), 1000)
    before = weights(trainer)
    bad = [replace(sample, advantage=float("inf")) for sample in samples()]
    with pytest.raises(TrainingError, match="none of the 1 updates of this step has a finite gradient"):
        train_on_rollouts(trainer, bad, PLAIN, 1.0)
    assert torch.equal(weights(trainer), before)


def test_a_kl_term_without_a_reference_is_refused() -> None:
    with pytest.raises(TrainingError, match="set_reference"):
        train_on_rollouts(Trainer(random_policy(), 1000), samples(), replace(PLAIN, kl_coefficient=0.1), 1.0)


def test_a_strong_kl_term_pulls_back_to_the_reference() -> None:
    trainer = Trainer(random_policy(), 1000)
    trainer.set_reference()
    free = Trainer(random_policy(), 1000)
    algorithm = replace(PLAIN, learning_rate=5e-3)
    tied: dict[str, float] = {}
    for _ in range(8):
        tied = train_on_rollouts(trainer, samples(), replace(algorithm, kl_coefficient=20.0), 1.0)
        train_on_rollouts(free, samples(), algorithm, 1.0)
    start = weights(Trainer(random_policy(), 1000))
    assert (weights(trainer) - start).norm() < (weights(free) - start).norm()
    assert np.isfinite(tied["reference_kl"])


def test_micro_batches_hold_every_sequence_once_and_fill_their_budget() -> None:
    rng = random.Random(0)
    lengths = [rng.randint(40, 400) for _ in range(5000)]
    groups = micro_batches(lengths, 8192)
    assert sorted(index for group in groups for index in group) == list(range(5000))
    taken = [sum(lengths[index] for index in group) for group in groups]
    assert max(taken) <= 8192
    # But for the last, no group has room for one more of its longest.
    assert all(total + lengths[group[0]] > 8192 for group, total in zip(groups[:-1], taken[:-1], strict=True))


def test_a_sequence_beyond_the_budget_stands_alone_and_comes_first() -> None:
    assert micro_batches([3, 3, 50, 3, 3], 6) == [[2], [0, 1], [3, 4]]
    assert micro_batches([], 6) == []


def test_ratios_begin_at_1_to_the_last_bit_where_several_updates_share_a_batch() -> None:
    # A rate that moves no weight: each update finds the weights that the old log-probabilities are of.
    options = replace(PLAIN, updates_per_epoch=2, learning_rate=1e-30)
    metrics = train_on_rollouts(Trainer(random_policy(), 40), samples(), options, 1.0)
    assert (metrics["updates"], metrics["ratio_mean"], metrics["ppo_kl"]) == (2, 1.0, 0.0)
