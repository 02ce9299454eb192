"""A step with a critic against the plain policy gradient and arithmetic by hand; and how a run keeps its critic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_learner_service import same_weights
from tiny_learner import (
    PLAIN,
    TRAJECTORIES,
    LearnerClient,
    flip_a_bit,
    model_directory,
    objective,
    policy_gradient,
    random_policy,
    samples,
    scenario,
)
from torch import Tensor, distributed, multiprocessing

from gradus_learner.models.config import ModelError
from gradus_learner.models.lora import add_lora
from gradus_learner.models.lora_config import Lora
from gradus_learner.models.packed_row import pack
from gradus_learner.objectives.actor_critic import ActorCritic
from gradus_learner.objectives.objective import OptionsError, TrainingError
from gradus_learner.train.critic import Critic, critic_tensors, restore_critic
from gradus_learner.train.ranks import Ranks
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.shared_run import broadcast_run, receive_run, tensors_of
from gradus_learner.train.trainer import Trainer

OPTIONS = ActorCritic(learning_rate=1e-3, value_learning_rate=1e-2)


def with_values(budget: int = 10_000) -> Trainer:
    """Whose critic says something."""
    trainer = Trainer(random_policy(), budget)
    head = trainer.own_critic().head
    with torch.no_grad():
        head.weight.normal_(0, 0.2, generator=torch.Generator().manual_seed(4))
        head.bias.fill_(0.1)
    return trainer


def gradient(trainer: Trainer) -> Tensor:
    return torch.cat([p.grad.reshape(-1) for p in trainer.policy.parameters() if p.grad is not None])


def head_gradient(trainer: Trainer) -> Tensor:
    assert trainer.critic is not None
    return torch.cat([p.grad.reshape(-1) for p in trainer.critic.head.parameters() if p.grad is not None])


def everything(trainer: Trainer) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1) for _, parameter in trainer.named_parameters()])


def states_of(trainer: Trainer) -> list[Tensor]:
    """Of each sample, the last hidden states before the tokens that the policy sampled, by one pass of it alone."""
    with torch.no_grad():
        return [
            trainer.policy.hidden(pack([sample.ids], trainer.device))[sample.model_positions - 1]
            for sample in samples()
        ]


def test_a_critic_begins_at_0_and_its_first_advantages_are_whitened_rewards() -> None:
    """With gamma and lambda 1 each token of a sample has its reward for an advantage."""
    options = replace(OPTIONS, max_grad_norm=1e6)
    trainer, plain = Trainer(random_policy(), 10_000), Trainer(random_policy(), 10_000)
    metrics = train_on_rollouts(trainer, samples(), options, 1.0)
    rewards = np.repeat([sample.advantage for sample in samples()], [len(s.model_positions) for s in samples()])
    scale = np.sqrt(rewards.var(ddof=1) + 1e-8)
    white = [replace(each, advantage=float((each.advantage - rewards.mean()) / scale)) for each in samples()]
    train_on_rollouts(plain, white, replace(PLAIN, max_grad_norm=1e6), 1.0)
    torch.testing.assert_close(gradient(trainer), gradient(plain), atol=1e-7, rtol=1e-5)
    assert metrics["value_mean"] == metrics["explained_variance"] == metrics["value_clip_fraction"] == 0
    assert metrics["returns_mean"] == pytest.approx(rewards.mean())
    assert metrics["value_loss"] == pytest.approx(0.5 * (rewards**2).mean(), rel=1e-6)
    # The mean over all tokens of (value - return) times the state, and of (value - return).
    states = torch.cat(states_of(Trainer(random_policy(), 10_000)))
    errors = torch.from_numpy(-rewards).float()
    expected = torch.cat([(errors[:, None] * states).mean(0), errors.mean(0, keepdim=True)])
    torch.testing.assert_close(head_gradient(trainer), 0.5 * expected, atol=1e-6, rtol=1e-5)


def test_advantages_and_values_are_those_of_the_recursion_over_the_policys_tokens_alone() -> None:
    options = replace(OPTIONS, gamma=0.9, gae_lambda=0.8, max_grad_norm=1e6, value_learning_rate=1e-30)
    trainer = with_values()
    critic = trainer.own_critic()
    values = [critic.values(states).tolist() for states in states_of(trainer)]
    advantages: list[list[float]] = []
    for sample, row in zip(samples(), values, strict=True):
        carried, following, found = 0.0, 0.0, list[float]()
        for at in reversed(range(len(row))):
            reward = sample.advantage if at == len(row) - 1 else 0.0
            carried = reward + 0.9 * following - row[at] + 0.9 * 0.8 * carried
            following = row[at]
            found.insert(0, carried)
        advantages.append(found)
    flat = np.concatenate(advantages)
    returns = flat + np.concatenate(values)
    metrics = train_on_rollouts(trainer, samples(), options, 1.0)
    assert metrics["value_mean"] == pytest.approx(np.concatenate(values).mean(), abs=1e-6)
    assert metrics["returns_mean"] == pytest.approx(returns.mean(), abs=1e-6)
    assert metrics["explained_variance"] == pytest.approx(1 - flat.var() / returns.var(), abs=1e-5)
    assert metrics["value_loss"] == pytest.approx(0.5 * (flat**2).mean(), abs=1e-6)
    # The gradient by autograd: the whitened advantage of each token times its log-probability.
    white = (flat - flat.mean()) / np.sqrt(flat.var(ddof=1) + 1e-8)
    policy, loss, at = random_policy(), torch.zeros(()), 0
    for sample in samples():
        count = len(sample.model_positions)
        logits = policy(torch.from_numpy(sample.ids).unsqueeze(0))[0][sample.model_positions - 1]
        picked = torch.log_softmax(logits, -1)[range(count), sample.ids[sample.model_positions]]
        loss = loss - (torch.from_numpy(white[at : at + count]).float() * picked).sum() / len(flat)
        at += count
    loss.backward()
    expected = torch.cat([p.grad.reshape(-1) for p in policy.parameters() if p.grad is not None])
    torch.testing.assert_close(gradient(trainer), expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("aggregation", ["token_mean", "seq_mean_token_mean"])
@pytest.mark.parametrize("trains_policy", [False, True])
def test_1_2_and_4_accumulation_steps_make_the_same_update(aggregation: str, trains_policy: bool) -> None:
    options = replace(OPTIONS, aggregation=aggregation, gae_lambda=0.9, value_trains_policy=trains_policy)
    whole = with_values()
    metrics = train_on_rollouts(whole, samples(), options, 1.0)
    for budget in (46, 1):
        trainer = with_values(budget)
        assert train_on_rollouts(trainer, samples(), options, 1.0) == pytest.approx(metrics, rel=1e-4, abs=1e-6)
        for found, expected in (
            (gradient(trainer), gradient(whole)),
            (head_gradient(trainer), head_gradient(whole)),
            (everything(trainer), everything(whole)),
        ):
            assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_the_value_loss_moves_the_policy_only_where_that_is_asked_for() -> None:
    found: dict[tuple[float, bool], Tensor] = {}
    for coefficient in (0.5, 5.0):
        for trains_policy in (False, True):
            trainer = with_values()
            options = replace(OPTIONS, value_coefficient=coefficient, value_trains_policy=trains_policy)
            train_on_rollouts(trainer, samples(), options, 1.0)
            found[coefficient, trains_policy] = gradient(trainer)
    assert torch.equal(found[0.5, False], found[5.0, False])
    assert not torch.allclose(found[0.5, True], found[5.0, True])
    assert not torch.allclose(found[0.5, True], found[0.5, False])


def test_the_critic_has_a_learning_rate_of_its_own() -> None:
    """AdamW's first step is its rate, whatever the gradient."""
    trainer = Trainer(random_policy(), 10_000)
    for rate in (3e-3, 2e-5):
        trainer.critic = None
        train_on_rollouts(trainer, samples(), replace(OPTIONS, value_learning_rate=rate), 1.0)
        weight = trainer.own_critic().head.weight.detach()
        torch.testing.assert_close(weight.abs(), torch.full_like(weight, rate), rtol=1e-3, atol=0)


def test_values_of_other_updates_are_clipped() -> None:
    options = replace(OPTIONS, epochs=4, value_learning_rate=0.3, value_clip=0.05)
    assert train_on_rollouts(with_values(), samples(), options, 1.0)["value_clip_fraction"] > 0
    off = replace(options, value_clip=0.0)
    assert train_on_rollouts(with_values(), samples(), off, 1.0)["value_clip_fraction"] == 0


def test_ratios_begin_at_1_to_the_last_bit_where_the_values_are_asked_for_first() -> None:
    metrics = train_on_rollouts(with_values(40), samples(), OPTIONS, 1.0)
    assert (metrics["updates"], metrics["ratio_mean"], metrics["ppo_kl"]) == (1, 1.0, 0.0)


def test_a_critic_learns_what_its_returns_are() -> None:
    """Rewards that follow from the sample: explained_variance rises from 0 to most of it, as far as a line can."""
    trainer = Trainer(random_policy(), 10_000)
    options = replace(OPTIONS, learning_rate=1e-7, value_learning_rate=0.05, epochs=2)
    explained = [train_on_rollouts(trainer, samples(), options, 1.0)["explained_variance"] for _ in range(60)]
    assert explained[0] == 0
    assert explained[-1] > explained[20] > 0.1
    assert explained[-1] > 0.6


def test_steps_without_a_critic_leave_it_as_it_was() -> None:
    trainer = with_values()
    train_on_rollouts(trainer, samples(), OPTIONS, 1.0)
    assert trainer.critic is not None
    before = {name: tensor.clone() for name, tensor in critic_tensors(trainer.critic).items()}
    metrics = train_on_rollouts(trainer, samples(), PLAIN, 1.0)
    assert "value_loss" not in metrics
    for name, tensor in critic_tensors(trainer.critic).items():
        assert torch.equal(tensor, before[name]), name


def test_an_update_that_is_not_finite_moves_neither_policy_nor_critic() -> None:
    trainer = with_values()
    before = everything(trainer)
    bad = [replace(samples()[0], advantage=float("inf")), *samples()[1:]]
    with pytest.raises(TrainingError, match="none of the 1 updates of this step has a finite gradient"):
        train_on_rollouts(trainer, bad, OPTIONS, 1.0)
    assert torch.equal(everything(trainer), before)


def test_next_to_adapters_the_critic_is_trained_whole() -> None:
    policy = random_policy()
    add_lora(policy, Lora(4, 8.0), 3)
    trainer = Trainer(policy, 10_000, lora=Lora(4, 8.0))
    train_on_rollouts(trainer, samples(), OPTIONS, 1.0)
    assert trainer.critic is not None
    assert all(bool((parameter != 0).all()) for parameter in trainer.critic.head.parameters())


def test_what_makes_no_sense_with_a_critic_is_refused() -> None:
    with pytest.raises(OptionsError, match="policy_loss is gspo; its ratio is one of a whole sequence"):
        ActorCritic(policy_loss="gspo")
    with pytest.raises(OptionsError, match=r"gamma is 1\.5; it must be from 0 to 1; .*gae_lambda is -1"):
        ActorCritic(gamma=1.5, gae_lambda=-1)
    with pytest.raises(OptionsError, match="value_coefficient is 0; it must be > 0"):
        ActorCritic(value_coefficient=0)


def test_a_run_with_a_critic_resumes_to_the_same_bits_and_no_version_has_it(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    learns = objective("actor_critic", learning_rate=1e-2, value_learning_rate=1e-2, gae_lambda=0.9, epochs=2)
    run, other = tmp_path / "run", tmp_path / "other"

    async def steps(client: LearnerClient, numbers: Sequence[int]) -> None:
        for step in numbers:
            # The last step but one has no critic.
            await client.step(step, TRAJECTORIES, objective=learns if step != 3 else policy_gradient(), checkpoint=True)

    async def first(client: LearnerClient) -> None:
        await client.open(run, model)
        await steps(client, [1, 2])

    async def second(client: LearnerClient) -> None:
        assert (await client.open(run, model, resume=True)).step == 2
        await steps(client, [3, 4])

    async def uninterrupted(client: LearnerClient) -> None:
        await client.open(other, model)
        await steps(client, [1, 2, 3, 4])

    for body in (first, second, uninterrupted):
        scenario(body)
    assert same_weights(run / "versions" / "000004", other / "versions" / "000004")
    left, right, middle = (
        load_file(str(root / "checkpoints" / f"step-{step:06d}" / "critic.safetensors"))
        for root, step in ((run, 4), (other, 4), (other, 3))
    )
    assert {"weight", "bias", "exp_avg.weight", "exp_avg_sq.bias", "step.weight"} <= left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert not torch.equal(left["weight"], middle["weight"])
    assert not list(run.glob("versions/*/critic*"))
    assert "weight" not in load_file(str(run / "versions" / "000004" / "model.safetensors"))


def test_a_critic_of_another_model_or_with_numbers_that_are_none_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    trainer = with_values()
    train_on_rollouts(trainer, samples(), OPTIONS, 1.0)
    assert trainer.critic is not None
    tensors = {name: tensor.detach() for name, tensor in critic_tensors(trainer.critic).items()}
    file = tmp_path / "critic.safetensors"
    for change, said in (
        ({"weight": torch.zeros(1, 8)}, r"weight has shape \(1, 8\), the critic of this model wants \(1, 16\)"),
        ({"bias": torch.tensor([float("nan")])}, "bias holds 1 of 1 values that are not finite"),
        ({"exp_avg_sq.bias": torch.tensor([-1.0])}, r"exp_avg_sq\.bias has a value below 0"),
    ):
        save_file({**tensors, **change}, str(file))
        with pytest.raises(ModelError, match=said):
            restore_critic(Critic(random_policy()), file)


def test_p9_a_damaged_critic_is_named_and_the_run_goes_on_from_an_older_checkpoint(tmp_path: Path) -> None:
    """P9: nothing is silent."""
    model = model_directory(tmp_path / "model")

    async def first(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        for step in (1, 2):
            await client.step(step, TRAJECTORIES, objective=objective("actor_critic"), checkpoint=True)

    async def second(client: LearnerClient) -> None:
        opened = await client.open(tmp_path / "run", model, resume=True)
        assert opened.step == 1
        assert any("critic.safetensors" in each for each in opened.damaged)

    scenario(first)
    flip_a_bit(tmp_path / "run" / "checkpoints" / "step-000002" / "critic.safetensors")
    scenario(second)


class Named:
    """In the place of a model that is read from files."""

    tensor_shapes: ClassVar[dict[str, tuple[int, ...]]] = {"all": (1,)}

    def build(self) -> torch.nn.Module:
        return random_policy(seed=9)


def opening_process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    ranks = Ranks(distributed.group.WORLD)
    if rank == 0:
        trainer = with_values()
        train_on_rollouts(trainer, samples(), OPTIONS, 1.0)
        trainer.ranks = ranks
        broadcast_run(trainer, Named(), 1)  # pyright: ignore[reportArgumentType]
    else:
        trainer = receive_run(ranks.receive(), torch.device("cpu"), ranks)
    train_on_rollouts(trainer, samples(), OPTIONS, 1.0)
    torch.save([tensor.clone() for tensor in tensors_of(trainer)], f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_another_rank_gets_the_critic_and_its_moments_with_the_rest(tmp_path: Path) -> None:
    multiprocessing.spawn(opening_process, (str(tmp_path),), nprocs=2)  # pyright: ignore
    left, right = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert len(left) == len(right)
    assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
    alone = with_values()
    for _ in range(2):
        train_on_rollouts(alone, samples(), OPTIONS, 1.0)
    expected = torch.cat([tensor.reshape(-1) for tensor in tensors_of(alone)])
    found = torch.cat([tensor.reshape(-1) for tensor in left])
    assert float((found - expected).norm() / expected.norm()) < 1e-5
