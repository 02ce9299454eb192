"""What does a training step need? Prints one JSON object: its seconds, its peak memory, how it moved the weights.

Each measurement is a process of its own, so that its peak is its own. The learner is that of PYTHONPATH: give another
checkout's to compare with it.

    PYTHONPATH=services/learner:proto/gen/python .venv/bin/python bench/learner.py speed > out.json
    PYTHONPATH=services/learner:proto/gen/python .venv/bin/python bench/learner.py memory --vocabulary 16384 > out.json

- speed: rollouts as the demo has them (128, of 100 to 640 tokens) on policies/nano or another model directory;
- memory: one sequence of many tokens, half of them the policy's, on a small random model with a wide vocabulary.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SAMPLES = 128


def machine() -> dict[str, Any]:
    import torch

    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "loadAverage": [round(load, 2) for load in os.getloadavg()],
        "torch": torch.__version__,
    }


def sample_of(generator: Any, length: int, vocabulary: int, advantage: float) -> Any:
    """Half of it in turns of the policy, of 40 tokens each."""
    import numpy as np

    from gradus_learner.train.sample import Sample

    positions = [at for at in range(20, length) if at // 40 % 2 == 1 or length < 80]
    return Sample(
        task_id="bench",
        ids=generator.integers(0, vocabulary, length),
        model_positions=np.array(positions, np.int64),
        rollout_logprobs=np.full(len(positions), -1.0, np.float32),
        advantage=advantage,
        truncated=False,
        digest_matches=True,
    )


def wide_policy(options: argparse.Namespace) -> Any:
    import torch

    from gradus_learner.models.dense import Dense
    from gradus_learner.models.dense_config import DenseConfig
    from gradus_learner.models.qwen3 import QWEN3

    config = DenseConfig(
        QWEN3,
        vocab_size=options.vocabulary,
        hidden_size=options.hidden,
        intermediate_size=options.hidden * 3,
        num_hidden_layers=options.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=options.hidden // 4,
    )
    policy = Dense(config)
    policy.initialise(torch.Generator().manual_seed(1))
    return policy


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own."""
    import numpy as np
    import torch

    from gradus_learner.models.load import load_policy
    from gradus_learner.objectives.policy_gradient import PolicyGradient
    from gradus_learner.train.rollouts import train_on_rollouts
    from gradus_learner.train.trainer import Trainer

    torch.set_num_threads(options.threads)
    generator = np.random.default_rng(1)
    if options.what == "speed":
        policy = load_policy(options.model)
        lengths = np.clip(generator.lognormal(5.5, 0.5, SAMPLES), 100, 640).astype(int).tolist()
    else:
        policy = wide_policy(options)
        lengths = [options.tokens]
    samples = [
        sample_of(generator, length, policy.config.vocab_size, 1.0 - index % 3) for index, length in enumerate(lengths)
    ]
    settings = json.loads(options.trainer)
    trainer = Trainer(policy, options.micro_batch_tokens, **settings)
    objective = PolicyGradient(learning_rate=1e-6, entropy_coefficient=options.entropy)
    before = peak_mebibytes()
    seconds: list[float] = []
    processor: list[float] = []
    metrics: dict[str, float] = {}
    for _ in range(options.steps):
        started, used = time.perf_counter(), time.process_time()
        metrics = train_on_rollouts(trainer, samples, objective, 1.0)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    digest = hashlib.sha256()
    for parameter in policy.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return {
        "secondsMedian": round(statistics.median(seconds), 3),
        "processorSecondsMedian": round(statistics.median(processor), 3),
        "processorSecondsLeast": round(min(processor), 3),
        "peakMebibytes": round(peak_mebibytes()),
        "beforeTheStepMebibytes": round(before),
        "tokens": metrics["tokens"],
        "modelTokens": metrics["model_tokens"],
        "gradNorm": metrics["grad_norm"],
        "weightsSha256": digest.hexdigest()[:16],
    }


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--model", default="policies/nano", help="of speed: a model directory")
    parser.add_argument("--tokens", type=int, default=40_960, help="of memory: length of its sequence")
    parser.add_argument("--vocabulary", type=int, default=16_384)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--micro-batch-tokens", type=int, default=16_384)
    parser.add_argument("--entropy", type=float, default=0.0, help="coefficient of the entropy bonus")
    parser.add_argument("--steps", type=int, default=0, help="0: 10 of speed, 1 of memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trainer", default="{}", help="further settings of the trainer, a JSON object")
    parser.add_argument("--repeats", type=int, default=1, help="processes, one after another")
    parser.add_argument("--here", action="store_true", help="measure in this process")
    options = parser.parse_args(argv)
    options.steps = options.steps or (10 if options.what == "speed" else 1)
    return options


def main(argv: list[str]) -> int:
    options = parsed(argv)
    if options.here:
        print(json.dumps(measure(options)))
        return 0
    found: list[dict[str, Any]] = []
    for _ in range(options.repeats):
        command = [sys.executable, __file__, *argv, "--here"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            print(f"bench: the measured process ended with {done.returncode}", file=sys.stderr)
            return 1
        found.append(json.loads(done.stdout))
    kept = {name: value for name, value in vars(options).items() if name not in ("here", "repeats")}
    print(json.dumps({"machine": machine(), "options": kept, "measured": found}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
