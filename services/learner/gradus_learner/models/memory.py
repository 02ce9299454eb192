"""Is there room for a model? Asked before anything is allocated, and answered with the arithmetic."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path

import torch

from gradus_learner.models.config import ModelError

GIB = 2**30


def available_bytes(device: torch.device) -> int | None:
    """What may still be allocated on `device`; None where that cannot be known."""
    if device.type == "cuda":
        # What PyTorch has taken from the device and does not use is free for it.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu":
        return None
    known = [bound for bound in (system_bytes(), cgroup_bytes(), address_space_bytes()) if bound is not None]
    return min(known, default=None)


def system_bytes() -> int | None:
    for line in read_lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def cgroup_bytes() -> int | None:
    """Of the control group that bounds this process (version 2); the cache of files is given back on demand."""
    for line in read_lines(Path("/proc/self/cgroup")):
        if not line.startswith("0::"):
            continue
        root = Path("/sys/fs/cgroup") / line.removeprefix("0::").strip("/\n")
        limit = "".join(read_lines(root / "memory.max")).strip()
        used = "".join(read_lines(root / "memory.current")).strip()
        if not (limit.isdigit() and used.isdigit()):
            return None
        cache = [line for line in read_lines(root / "memory.stat") if line.startswith("inactive_file ")]
        return max(0, int(limit) - int(used) + (int(cache[0].split()[1]) if cache else 0))
    return None


def address_space_bytes() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = "".join(read_lines(Path("/proc/self/statm"))).split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return max(0, limit - int(pages[0]) * resource.getpagesize())


def read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def check_memory(where: str, parameters: int, bytes_each: Mapping[str, int], device: torch.device) -> None:
    """`bytes_each`: what each parameter needs, by purpose. Raises ModelError when that is more than is available."""
    available = available_bytes(device)
    each = sum(bytes_each.values())
    if available is None or parameters * each <= available:
        return
    parts = " + ".join(f"{size} {purpose}" for purpose, size in bytes_each.items())
    raise ModelError(
        f"{where}: {parameters:,} parameters x {each} bytes ({parts}) = {parameters * each / GIB:.1f} GiB, but "
        f"{available / GIB:.1f} GiB of memory are available on {device}; take a smaller model or a larger machine"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA's own class; of a CPU, what PyTorch's allocator says (Linux gives most of what is asked for, and kills)."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)
    )
