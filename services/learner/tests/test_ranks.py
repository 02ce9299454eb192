from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_preference import answers
from tiny_learner import PLAIN, random_policy, samples
from torch import distributed, multiprocessing

from gradus_learner.objectives.actor_critic import ActorCritic
from gradus_learner.objectives.objective import Objective
from gradus_learner.objectives.preference import Preference
from gradus_learner.train import rollouts
from gradus_learner.train.batch import micro_batches
from gradus_learner.train.ranks import ALONE, Ranks
from gradus_learner.train.sample import SampleError
from gradus_learner.train.trainer import Trainer

# With several updates old log-probabilities are exchanged, with pairs the sums of answers, and values with a critic.
CASES: tuple[tuple[Objective, Callable[[], Sequence[Any]]], ...] = (
    (replace(PLAIN, learning_rate=1e-2), samples),
    (replace(PLAIN, learning_rate=1e-2, aggregation="seq_mean_token_mean", updates_per_epoch=2, epochs=2), samples),
    (Preference(learning_rate=1e-2, sft_weight=0.5), answers),
    (
        ActorCritic(learning_rate=1e-2, value_learning_rate=1e-2, gae_lambda=0.9, updates_per_epoch=2, epochs=2),
        samples,
    ),
)


def trained(case: int, budget: int, ranks: Ranks) -> dict[str, Any]:
    trainer = Trainer(random_policy(), budget, ranks=ranks)
    trainer.reference = random_policy(1)
    objective, batch = CASES[case]
    if isinstance(objective, ActorCritic):
        torch.nn.init.constant_(trainer.own_critic().head.weight, 0.1)
    metrics = objective.train(trainer, batch(), 1.0)
    parameters = [parameter for _, parameter in trainer.named_parameters()]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return {
        "weights": torch.cat([parameter.detach().reshape(-1) for parameter in parameters]),
        "gradient": torch.cat([gradient.reshape(-1) for gradient in gradients]),
        "metrics": metrics,
        "budget": trainer.micro_batch_tokens,
        "splits": trainer.micro_batch_splits,
    }


def fails_on_rank_1(rank: int, error: Exception) -> None:
    real = rollouts.make_micro_batch

    def limited(batch: Any, part: Any, device: torch.device) -> Any:
        if rank == 1 and len(part) > 1:
            raise error
        return real(batch, part, device)

    rollouts.make_micro_batch = limited


def process(rank: int, folder: str, case: int, budget: int, fault: Exception | None) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    if fault is not None:
        fails_on_rank_1(rank, fault)
    ranks = Ranks(distributed.group.WORLD)
    try:
        found = trained(case, budget, ranks)
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}", "agreed": ranks.is_agreed(error)}
    torch.save({**found, "exchanges": ranks.exchanges}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def two_ranks(folder: Path, case: int, budget: int, fault: Exception | None = None) -> list[dict[str, Any]]:
    multiprocessing.spawn(process, (str(folder), case, budget, fault), nprocs=2)  # pyright: ignore
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


# One micro-batch, which leaves rank 1 without any, and one of each sequence.
@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("budget", [10_000, 1])
def test_two_ranks_make_the_update_of_one(tmp_path: Path, case: int, budget: int) -> None:
    alone = trained(case, 10_000, ALONE)
    found = two_ranks(tmp_path, case, budget)
    assert torch.equal(found[0]["weights"], found[1]["weights"])
    assert found[0]["metrics"] == found[1]["metrics"]
    distance = (found[0]["gradient"] - alone["gradient"]).norm() / alone["gradient"].norm()
    assert float(distance) < 1e-5
    assert found[0]["metrics"] == pytest.approx(alone["metrics"], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("budget", "passes"), [(10_000, 1), (46, 2), (1, 4)])
def test_1_2_and_4_accumulation_steps_over_1_and_2_ranks_make_the_same_update(
    tmp_path: Path, budget: int, passes: int
) -> None:
    # Micro-batches of tokens: of these lengths they have different numbers of sequences.
    assert len(micro_batches([sample.length for sample in samples()], budget)) == passes
    whole = trained(0, 10_000, ALONE)
    for found in (trained(0, budget, ALONE), two_ranks(tmp_path, 0, budget)[1]):
        for what in ("gradient", "weights"):
            assert float((found[what] - whole[what]).norm() / whole[what].norm()) < 1e-5


def test_all_ranks_take_smaller_micro_batches_where_one_is_short_of_memory(tmp_path: Path) -> None:
    # Two sequences at least in each full micro-batch, so that rank 1 has one that does not fit.
    longest = max(sample.length for sample in samples())
    found = two_ranks(tmp_path, 0, 2 * longest, torch.OutOfMemoryError("too much for rank 1"))
    assert found[0]["splits"] == found[1]["splits"] >= 1
    assert found[0]["budget"] == found[1]["budget"]
    assert torch.equal(found[0]["weights"], found[1]["weights"])
    alone = trained(0, 10_000, ALONE)
    assert float((found[0]["gradient"] - alone["gradient"]).norm() / alone["gradient"].norm()) < 1e-5


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (KeyError("no such row"), "RankFailedError: rank 1: KeyError: 'no such row'"),
        (SampleError("sample 1 is odd"), "SampleError: rank 1: sample 1 is odd"),
    ],
)
def test_what_fails_on_one_rank_fails_on_all_with_its_number(tmp_path: Path, fault: Exception, expected: str) -> None:
    longest = max(sample.length for sample in samples())
    found = two_ranks(tmp_path, 0, 2 * longest, fault)
    assert [each["error"] for each in found] == [expected, expected]
    assert all(each["agreed"] for each in found)
    assert found[0]["exchanges"] == found[1]["exchanges"]


def test_the_number_of_exchanges_does_not_depend_on_samples_or_micro_batches(tmp_path: Path) -> None:
    counts: set[int] = set()
    for budget in (1, 10_000):
        folder = tmp_path / str(budget)
        folder.mkdir()
        counts |= {each["exchanges"] for each in two_ranks(folder, 3, budget)}
    assert len(counts) == 1
