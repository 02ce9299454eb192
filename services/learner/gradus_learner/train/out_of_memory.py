"""Micro-batches that do not fit into memory: the pass begins again with smaller ones, and nothing counts twice.

A backward pass that breaks off has added to some gradients and not to others. So what the pass has added so far is
dropped whole and made again from its first micro-batch: the result is that of the smaller micro-batches, to the bit.
They stay small for as long as the process lives.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch

from gradus_learner.errors import OutOfMemoryError
from gradus_learner.models.memory import GIB, available_bytes, is_out_of_memory
from gradus_learner.train.batch import micro_batches
from gradus_learner.train.trainer import Trainer

T = TypeVar("T")


class Sized(Protocol):
    @property
    def task_id(self) -> str: ...
    @property
    def length(self) -> int: ...


def in_micro_batches(
    trainer: Trainer, samples: Sequence[Sized], begin: Callable[[], T], add: Callable[[T, list[int]], None]
) -> T:
    """What `begin` makes, after `add` of every micro-batch of this rank: indices of samples.

    Where one does not fit, `begin` is called again, which drops what was added, and micro-batches have at most half of
    its tokens. All ranks begin again where one has to. Raises OutOfMemoryError, on every rank, for one that is a single
    sequence, and what `add` raises otherwise.
    """
    ranks = trainer.ranks
    parts = micro_batches([sample.length for sample in samples], trainer.micro_batch_tokens)

    def run() -> tuple[T, list[int] | None, str]:
        result = begin()
        for part in ranks.share(parts):
            try:
                add(result, part)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                return result, part, str(error)
        return result, None, ""

    while True:
        result, failed, reason = ranks.together(run)
        every = ranks.gather((failed, reason))
        short = [(rank, part, why) for rank, (part, why) in enumerate(every) if part is not None]
        if not short:
            return result
        # Its tensors were held by the error, which is gone.
        del result
        give_memory_back(trainer)
        # The smallest, then the lowest rank: the same on every rank.
        tokens, rank, part, reason = min(
            (sum(samples[index].length for index in part), rank, part, why) for rank, part, why in short
        )
        if len(part) == 1:
            sample = samples[part[0]]
            where = f" by rank {rank}" if ranks.size > 1 else ""
            raise ranks.raised_by_all(
                OutOfMemoryError(
                    f"the sequence of {sample.task_id!r} has {tokens:,} tokens and is trained on alone{where}, but "
                    f"{does_not_fit(trainer, reason)}. Lower limits.context_tokens, or take a smaller model or a "
                    "device with more memory"
                )
            )
        trainer.micro_batch_tokens = tokens // 2
        trainer.micro_batch_splits += 1
        parts = micro_batches([sample.length for sample in samples], trainer.micro_batch_tokens)


def give_memory_back(trainer: Trainer) -> None:
    trainer.zero_gradients()
    gc.collect()
    if trainer.device.type == "cuda":
        torch.cuda.empty_cache()


def does_not_fit(trainer: Trainer, reason: str) -> str:
    """The arithmetic: what is there, what is held, and what was asked for."""
    parameters = list(trainer.policy.parameters())
    moments = [value for state in trainer.optimizer.state.values() for value in state.values()]
    weights, held = bytes_of(parameters), bytes_of([value for value in moments if torch.is_tensor(value)])
    gradients = bytes_of([parameter for parameter in parameters if parameter.requires_grad])
    own = {id(parameter) for parameter in parameters}
    others = [] if trainer.reference is None else list(trainer.reference.parameters())
    reference = bytes_of([parameter for parameter in others if id(parameter) not in own])
    available = available_bytes(trainer.device)
    room = "" if available is None else f"; {available / GIB:.2f} GiB are available for gradients and the pass"
    return (
        f"that does not fit on {trainer.device}: weights take {weights / GIB:.2f} GiB, moments {held / GIB:.2f}, "
        f"the reference policy {reference / GIB:.2f}, gradients {gradients / GIB:.2f}{room}. {first_line(reason)}"
    )


def bytes_of(tensors: Sequence[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def first_line(reason: str) -> str:
    """Without where in PyTorch's source it was thrown."""
    at = reason.find("DefaultCPUAllocator")
    return reason[max(0, at) :].splitlines()[0].strip()
