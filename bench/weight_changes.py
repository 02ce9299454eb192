"""What a step of RL changes of a version: the share of values and bytes that differ from the version before.

    .venv/bin/python bench/weight_changes.py BEFORE AFTER

BEFORE and AFTER are directories of versions or checkpoints with model.safetensors in float32. As they are, and
rounded to bfloat16: the share of values and of bytes that changed, of blocks of 4 KiB and of 8 MiB (parts of a store of
NATS) with a change, and how large the exclusive or of both is under zlib (level 1), as a share of the bytes. JSON on
stdout.
"""

import json
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file

BLOCKS = {"blocks_4_kib": 4096, "blocks_8_mib": 8 * 1024 * 1024}


def flat_bytes(tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    parts = [tensors[name].to(dtype).contiguous().view(-1).view(torch.uint8) for name in sorted(tensors)]
    return torch.cat(parts)


def changes(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, float]:
    one, other = flat_bytes(before, dtype), flat_bytes(after, dtype)
    differs = one != other
    size = torch.empty(0, dtype=dtype).element_size()
    shares = {
        "values": differs.view(-1, size).any(dim=1).float().mean().item(),
        "bytes": differs.float().mean().item(),
    }
    for name, length in BLOCKS.items():
        blocks = differs.split(length)
        shares[name] = sum(bool(block.any()) for block in blocks) / len(blocks)
    packed = zlib.compress((one ^ other).numpy().tobytes(), 1)
    whole = zlib.compress(other.numpy().tobytes(), 1)
    shares["delta_under_zlib"] = len(packed) / len(other)
    shares["whole_under_zlib"] = len(whole) / len(other)
    return {name: round(share, 4) for name, share in shares.items()}


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    places = [Path(each) / "model.safetensors" for each in sys.argv[1:]]
    before, after = (load_file(place) for place in places)
    if before.keys() != after.keys():
        print(f"{places[0]} and {places[1]} have different tensors", file=sys.stderr)
        return 2
    figures = {
        "bench": "weight-changes",
        "parameters": sum(tensor.numel() for tensor in after.values()),
        "float32": changes(before, after, torch.float32),
        "bfloat16": changes(before, after, torch.bfloat16),
    }
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
