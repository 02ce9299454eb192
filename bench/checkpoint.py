"""What a step waits for when it writes a checkpoint: the copy alone, next to copying, writing and hashing. JSON.

    PYTHONPATH=services/learner:proto/gen/python .venv/bin/python bench/checkpoint.py > docs/results/checkpoint.json

A random policy with AdamW's moments; the disk is that of the directory of --in.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=640)
    parser.add_argument("--in", dest="directory", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    import torch

    from gradus_learner.models.dense import Dense
    from gradus_learner.models.dense_config import DenseConfig
    from gradus_learner.models.qwen3 import QWEN3
    from gradus_learner.train.checkpoint import checkpoint_files, optimizer_tensors, write_checkpoint
    from gradus_learner.train.checkpoint_writer import host_copy
    from gradus_learner.train.trainer import make_optimizer

    torch.set_num_threads(1)
    width = options.hidden
    policy = Dense(DenseConfig(QWEN3, 16_384, width, 3 * width, 8, 8, 4, width // 8, tie_word_embeddings=True))
    for parameter in policy.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer = make_optimizer(policy)
    optimizer.step()
    started = time.perf_counter()
    own = {"model": dict(policy.named_parameters()), "optimizer": optimizer_tensors(policy, optimizer)}
    tensors = {name: {key: host_copy(value) for key, value in part.items()} for name, part in own.items()}
    files = checkpoint_files(1, tensors, {}, {})
    copied = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        write_checkpoint(Path(directory), "bench", 1, files, keep=1)
        written = time.perf_counter()
    size = sum(value.numel() * value.element_size() for part in tensors.values() for value in part.values())
    print(
        json.dumps(
            {
                "bench": "checkpoint",
                "cores": os.cpu_count(),
                "load": round(os.getloadavg()[0], 2),
                "torch": torch.__version__,
                "parameters": sum(parameter.numel() for parameter in policy.parameters()),
                "sizeBytes": size,
                "copyAndCheckSeconds": round(copied - started, 3),
                "writeSeconds": round(written - copied, 3),
                "writtenMegabytesPerSecond": round(size / 1e6 / (written - copied)),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
