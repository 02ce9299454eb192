"""Steps on pairs: the loss by its formula and by TRL, its gradient, and what does not depend on micro-batches."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from test_supervised import row, tokenized_model, words
from tiny_learner import MODEL, PROMPT, LearnerClient, intake, objective, random_policy, refused, scenario
from torch import Tensor
from torch.nn import functional as F

from gradus.learner.v1 import learner_pb2
from gradus_learner.models.decoder import Decoder
from gradus_learner.objectives.objective import OptionsError, Packed, TrainingError
from gradus_learner.objectives.preference import Preference, preference_loss
from gradus_learner.objectives.registry import objective_of
from gradus_learner.train.batch import micro_batches
from gradus_learner.train.example import Example
from gradus_learner.train.pairs import Answer, PairLogprobs, train_on_pairs
from gradus_learner.train.sample import SampleError
from gradus_learner.train.trainer import Trainer

# Prompt, chosen and rejected answer, as tokens.
PAIRS = (
    ([7, 8, 9], [10, 3], [11, 9, 8, 3]),
    ([12, 7], [8, 9, 10, 11, 9, 3], [14, 3]),
    ([5, 6, 7, 8, 9, 20], [21, 22, 3], [23, 21, 22, 24, 25, 26, 3]),
)
# Seeds of the weights.
POLICY, REFERENCE = 0, 1


def answer(prompt: list[int], written: list[int], pair: int, is_chosen: bool) -> Answer:
    is_model = np.array([False] * len(prompt) + [True] * len(written))
    example = Example(f"pair-{pair}", np.array(prompt + written, np.int64), is_model.astype(np.float32), is_model)
    return Answer(example, pair, is_chosen)


def answers() -> list[Answer]:
    return [
        answer(prompt, written, pair, is_chosen)
        for pair, (prompt, chosen, rejected) in enumerate(PAIRS)
        for written, is_chosen in ((chosen, True), (rejected, False))
    ]


def trainer(budget: int = 10_000) -> Trainer:
    made = Trainer(random_policy(POLICY), budget)
    made.reference = random_policy(REFERENCE).requires_grad_(False)
    return made


def gradient(policy: Decoder) -> Tensor:
    parts = [parameter.grad.reshape(-1) for parameter in policy.parameters() if parameter.grad is not None]
    return torch.cat(parts).double()


# Slow enough to move nothing that matters, and without a clip.
STILL = Preference(learning_rate=1e-12, max_grad_norm=1e6)
ALL = (
    STILL,
    replace(STILL, beta=2.0),
    replace(STILL, beta=5.0, loss_type="sigmoid_norm"),
    replace(STILL, loss_type="ipo"),
    replace(STILL, sft_weight=0.5),
    replace(STILL, label_smoothing=0.2),
)


# By TRL 1.16.0: its `DPOTrainer._compute_loss` on log-probabilities that transformers gave of these weights, with
# loss_type sigmoid (beta 0.1 and 2), sigmoid_norm (5), ipo (0.1), and sigmoid with sft (weights 1 and 0.5). Loss, and
# the norm of the gradient.
@pytest.mark.parametrize(
    ("options", "loss", "norm"),
    [
        (ALL[0], 0.62895793, 1.16930350),
        (ALL[1], 1.10565627, 31.00078669),
        (ALL[2], 0.39038455, 10.69413130),
        (ALL[3], 19.15030861, 58.29182160),
        (ALL[4], 2.66195297, 4.14659414),
    ],
)
def test_loss_gradient_and_rewards_are_those_of_trl(options: Preference, loss: float, norm: float) -> None:
    metrics = train_on_pairs(trainer(), answers(), options)
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-5)
    scale = options.beta / 0.1
    expected = {"chosen": 0.20873280, "rejected": 0.04693304, "margin": 0.16179976}
    for name, value in expected.items():
        assert metrics[f"rewards_{name}"] == pytest.approx(scale * value, rel=1e-4)
    assert metrics["rewards_accuracy"] == pytest.approx(1 / 3)
    assert metrics["logps_chosen"] == pytest.approx(-14.90862942, rel=1e-5)
    assert metrics["logps_rejected"] == pytest.approx(-19.04528046, rel=1e-5)


def test_the_loss_is_its_formula_in_plain_numbers() -> None:
    # Of two pairs: log-probabilities of chosen and rejected, those of the reference, tokens.
    pairs = ((-4.0, -6.0, -5.0, -5.5, 2, 4), (-9.0, -3.0, -7.0, -4.0, 3, 1))
    columns = (torch.tensor(each, dtype=torch.float64) for each in zip(*pairs, strict=True))
    logprobs = PairLogprobs(*columns)

    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    margins = [(c - rc) - (r - rr) for c, r, rc, rr, _, _ in pairs]
    assert margins == [1.5, -3.0]
    means = [(c - rc) / nc - (r - rr) / nr for c, r, rc, rr, nc, nr in pairs]
    plain = -sum(math.log(sigmoid(0.3 * margin)) for margin in margins) / 2
    smooth = -sum(0.9 * math.log(sigmoid(0.3 * m)) + 0.1 * math.log(sigmoid(-0.3 * m)) for m in margins) / 2
    normal = -sum(math.log(sigmoid(0.3 * mean)) for mean in means) / 2
    ipo = sum((mean - 1 / 0.6) ** 2 for mean in means) / 2
    # 13 nats over the 5 tokens of both chosen answers.
    rpo = plain + 0.7 * 13 / 5
    base = Preference(beta=0.3)
    for options, expected in (
        (base, plain),
        (replace(base, label_smoothing=0.1), smooth),
        (replace(base, loss_type="sigmoid_norm"), normal),
        (replace(base, loss_type="ipo"), ipo),
        (replace(base, sft_weight=0.7), rpo),
    ):
        assert float(preference_loss(logprobs, options)) == pytest.approx(expected, rel=1e-12)


def naive_loss(policy: Decoder, reference: Decoder, options: Preference) -> Tensor:
    """With all logits and one graph, written apart from the product's formula."""

    def logprobs(model: Decoder, prompt: list[int], written: list[int]) -> Tensor:
        ids = torch.tensor(prompt + written)
        logits = model(ids[None])[0, len(prompt) - 1 : -1]
        return -F.cross_entropy(logits, ids[len(prompt) :], reduction="none")

    losses: list[Tensor] = []
    likelihoods: list[Tensor] = []
    for prompt, chosen, rejected in PAIRS:
        means = options.loss_type != "sigmoid"
        scores: list[Tensor] = []
        for written in (chosen, rejected):
            own = logprobs(policy, prompt, written)
            ratio = own - logprobs(reference, prompt, written).detach()
            scores.append(ratio.mean() if means else ratio.sum())
            likelihoods += [own] if written is chosen else []
        margin = scores[0] - scores[1]
        if options.loss_type == "ipo":
            losses.append((margin - 0.5 / options.beta) ** 2)
            continue
        share = torch.sigmoid(options.beta * margin)
        losses.append(-(1 - options.label_smoothing) * share.log() - options.label_smoothing * (1 - share).log())
    return torch.stack(losses).mean() - options.sft_weight * torch.cat(likelihoods).mean()


@pytest.mark.parametrize("options", ALL)
@pytest.mark.parametrize(("budget", "passes"), [(10_000, 1), (30, 2), (16, 4)])
def test_the_gradient_is_that_of_one_graph_whatever_the_micro_batches(
    options: Preference, budget: int, passes: int
) -> None:
    # Both answers of a pair are seldom in the same one.
    assert len(micro_batches([each.length for each in answers()], budget)) == passes
    policy = random_policy(POLICY)
    expected = naive_loss(policy, random_policy(REFERENCE), options)
    expected.backward()
    made = trainer(budget)
    metrics = train_on_pairs(made, answers(), options)
    assert metrics["loss"] == pytest.approx(float(expected.detach()), rel=1e-5)
    wanted = gradient(policy)
    assert float((gradient(made.policy) - wanted).norm() / wanted.norm()) < 1e-5


def test_at_the_reference_the_margin_is_0_and_steps_raise_it() -> None:
    made = Trainer(random_policy(POLICY), 10_000)
    made.set_reference()
    options = Preference(learning_rate=1e-3)
    all_metrics = [train_on_pairs(made, answers(), options) for _ in range(20)]
    assert all_metrics[0]["loss"] == pytest.approx(math.log(2), rel=1e-6)
    assert all_metrics[0]["rewards_margin"] == 0
    assert all_metrics[0]["rewards_accuracy"] == 0
    assert all_metrics[-1]["rewards_accuracy"] == 1
    assert all_metrics[-1]["loss"] < 0.5
    assert all_metrics[-1]["model_tokens"] == sum(len(chosen) + len(rejected) for _, chosen, rejected in PAIRS)


def test_a_pair_with_an_answer_that_is_too_long_is_left_out_whole_and_counted() -> None:
    kept = [each for each in answers() if each.pair != 2]
    expected = train_on_pairs(trainer(), kept, STILL)
    metrics = train_on_pairs(trainer(), answers(), replace(STILL, max_tokens=9))
    assert metrics == {**expected, "samples_too_long": 2, "loss": pytest.approx(expected["loss"])}
    with pytest.raises(TrainingError, match="all 3 pairs have an answer of more than 4 tokens, with its prompt; raise"):
        train_on_pairs(trainer(), answers(), replace(STILL, max_tokens=4))


def test_a_batch_that_is_not_of_pairs_or_has_no_reference_is_refused_before_anything_is_applied() -> None:
    made = trainer()
    before = [parameter.detach().clone() for parameter in made.policy.parameters()]
    twice = [*answers(), answer([7], [3], 1, True)][1:]
    with pytest.raises(
        TrainingError, match=r"pair 0 has 0 chosen and 1 rejected answers; .*; pair 1 has 2 chosen and 1"
    ):
        train_on_pairs(made, twice, STILL)
    made.reference = None
    with pytest.raises(TrainingError, match="needs a reference; send set_reference"):
        train_on_pairs(made, answers(), STILL)
    assert all(map(torch.equal, before, made.policy.parameters()))


def test_an_answer_says_its_pair_and_its_side() -> None:
    data = row((PROMPT, "what is it"), (MODEL, "blue"))
    taken = intake(encode=words)
    decoded = STILL.decode(Packed(data, advantage=-1.0, group=4), taken)
    assert (decoded.pair, decoded.is_chosen, decoded.written) == (4, False, 2)
    with pytest.raises(SampleError, match="group is missing"):
        STILL.decode(Packed(data, advantage=1.0), taken)
    for advantage in (0.0, math.nan):
        with pytest.raises(SampleError, match=f"advantage is {advantage}; it must be above 0 for a chosen answer"):
            STILL.decode(Packed(data, advantage=advantage, group=0), taken)


def test_options_are_bounded_and_all_problems_are_said() -> None:
    with pytest.raises(
        OptionsError,
        match=r"preference.beta is 0.0; .* > 0; preference.loss_type is hinge; .*; preference.label_smoothing is 0.5; ",
    ):
        objective_of("preference", {"beta": 0.0, "loss_type": "hinge", "label_smoothing": 0.5})
    with pytest.raises(OptionsError, match=r"preference.label_smoothing is 0.1; it must be 0 with loss_type ipo"):
        Preference(loss_type="ipo", label_smoothing=0.1)


def test_the_learner_learns_pairs_of_text_and_goes_on_from_a_checkpoint_with_the_same_reference(tmp_path: Path) -> None:
    model = tokenized_model(tmp_path / "model")
    data = [row((PROMPT, "what is it"), (MODEL, text)) for text in ("blue", "page", "it is blue", "it is page")]
    preferred = objective("preference", learning_rate=3e-3, beta=0.5)

    def messages(step: int, *, groups: tuple[int, ...] = (0, 0, 1, 1)) -> list[learner_pb2.TrainStepRequest]:
        header: dict[str, Any] = {"run_id": "r", "step": step, "objective": preferred, "samples": len(data)}
        return [
            learner_pb2.TrainStepRequest(
                header=learner_pb2.StepHeader(**header, set_reference=step == 1, checkpoint=step == 5)
            ),
            *(
                learner_pb2.TrainStepRequest(
                    sample=learner_pb2.StepSample(trajectory=each, advantage=1.0 if at % 2 == 0 else -1.0, group=group)
                )
                for at, (each, group) in enumerate(zip(data, groups, strict=True))
            ),
        ]

    answered: list[Any] = []

    async def first(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await refused(
            client.send(messages(1, groups=(0, 0, 1, 2))),
            grpc.StatusCode.INVALID_ARGUMENT,
            "pair 1 has 1 chosen and 0 rejected answers",
        )
        answered.extend([await client.send(messages(step)) for step in range(1, 11)])
        await client.written()
        assert answered[0].metrics["rewards_margin"] == 0
        assert answered[-1].metrics["rewards_accuracy"] == 1
        assert answered[-1].metrics["rewards_margin"] > 0.5

    async def second(client: LearnerClient) -> None:
        assert (await client.open(tmp_path / "run", model, resume=True)).step == 5
        repeated = [await client.send(messages(step)) for step in range(6, 11)]
        for before, after in zip(answered[5:], repeated, strict=True):
            assert after.metrics["rewards_margin"] == before.metrics["rewards_margin"]
        assert repeated[-1].weights_digest == answered[-1].weights_digest

    scenario(first)
    scenario(second)
