"""Steps of one shape by the learner and by transformers, with one loss: a line of JSON for each measurement.

Half of each sequence is the policy's. Both keep only what enters a layer, and both have float32 weights under passes in
bfloat16 (float32 on a CPU). FLOPs are counted by one formula, attention included, recomputation not.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from shapes import SHAPES, Shape, policy_of, reference_of

from gradus_learner.errors import OutOfMemoryError
from gradus_learner.models.passes import Passes
from gradus_learner.objectives.policy_gradient import PolicyGradient
from gradus_learner.train.mfu import peak_flops, step_flops
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.sample import Sample
from gradus_learner.train.trainer import Trainer, make_optimizer, set_adamw

GIB = 2**30
RATE, MOST_NORM = 1e-6, 1.0


def samples_of(shape: Shape, tokens: int, count: int) -> list[Sample]:
    generator = np.random.default_rng(1)
    found: list[Sample] = []
    for index in range(count):
        positions = np.arange(tokens // 2, tokens)
        logprobs = np.full(len(positions), -1.0, np.float32)
        ids = generator.integers(0, shape.vocabulary, tokens)
        found.append(Sample(f"{index}", ids, positions, logprobs, 1.0 - 3.0 * (index % 2), False, True))
    return found


def learner_steps(shape: Shape, samples: list[Sample], device: str) -> Callable[[], float]:
    precision = "float32" if device == "cpu" else "bfloat16"
    trainer = Trainer(policy_of(shape, device), samples[0].length, precision, activation_checkpointing=True)
    objective = PolicyGradient(learning_rate=RATE, max_grad_norm=MOST_NORM)
    return lambda: train_on_rollouts(trainer, samples, objective, 1.0)["grad_norm"]


def transformers_steps(shape: Shape, samples: list[Sample], device: str) -> Callable[[], float]:
    """TRL's way: autocast, logits of the policy's tokens alone, one sequence at a time."""
    model = reference_of(shape, device, torch.float32).train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.config.use_cache = False
    optimizer = make_optimizer(model)
    set_adamw(optimizer, RATE, 0.0)
    count = sum(len(sample.model_positions) for sample in samples)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        for sample in samples:
            ids_T = torch.from_numpy(sample.ids).to(device)
            before_N = torch.from_numpy(sample.model_positions - 1).to(device)
            with torch.autocast("cuda", torch.bfloat16, enabled=device != "cpu"):
                logits_NV = model(input_ids=ids_T[None], logits_to_keep=before_N).logits[0]
            logprobs_NV = torch.log_softmax(logits_NV.float(), -1)
            new_N = logprobs_NV.gather(1, ids_T[before_N + 1].unsqueeze(1)).squeeze(1)
            # The clipped surrogate of a first update, whose ratios are 1.
            (-sample.advantage * torch.exp(new_N - new_N.detach()).sum() / count).backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), MOST_NORM))
        optimizer.step()
        return norm

    return step


WAYS = {"gradus": learner_steps, "transformers": transformers_steps}


def measure(way: str, shape: Shape, tokens: int, count: int, device: str, steps: int) -> dict[str, Any]:
    samples = samples_of(shape, tokens, count)
    asked = {"part": "train", "by": way, "shape": shape.name, "tokens": tokens, "sequences": count}
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    try:
        step = WAYS[way](shape, samples, device)
        norms, seconds = [step()], list[float]()
        for _ in range(steps):
            started = time.perf_counter()
            # A number, so the device is waited for; the optimiser's kernels are waited for below.
            norms.append(step())
            if device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
    except (torch.OutOfMemoryError, OutOfMemoryError) as error:
        return {**asked, "outOfMemory": str(error).splitlines()[0]}
    median = statistics.median(seconds)
    flops = step_flops(policy_of(shape, "meta"), ((tokens, tokens // 2) for _ in samples), 1, 0)
    peak = peak_flops(torch.device(device), Passes("bfloat16").dtype(torch.float32), None)
    return {
        **asked,
        "secondsMedian": round(median, 4),
        "tokensPerSecond": round(tokens * count / median),
        "teraflopsPerSecond": None if flops is None else round(flops / median / 1e12, 3),
        "mfu": None if flops is None or peak is None else round(flops / median / peak, 4),
        "peakGibibytes": None if device == "cpu" else round(torch.cuda.max_memory_allocated() / GIB, 2),
        "gradNormFirst": norms[0],
    }


def main(argv: list[str]) -> None:
    name, device, steps, *lengths = argv
    for length in lengths:
        tokens, count = (int(word) for word in length.split("x"))
        for way in WAYS:
            print(json.dumps(measure(way, SHAPES[name], tokens, count, device, int(steps))), flush=True)
            gc.collect()
            if device != "cpu":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main(sys.argv[1:])
