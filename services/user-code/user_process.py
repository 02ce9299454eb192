"""What programs that run a user's Python file share: the limit of memory, loading, lines of JSON (user-process.ts).

Nothing but the standard library, so that any interpreter will do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

CHANNEL = 3
LONGEST_MESSAGE = 8192


def begin(mebibytes: int) -> None:
    """Allocations beyond it fail; the service watches the process besides."""
    os.set_inheritable(CHANNEL, False)
    try:
        import resource
    except ImportError:
        return
    # Private writable memory. RLIMIT_AS would also count what libraries only reserve.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def load(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    # The file imports what lies next to it, as if it were started itself.
    sys.path[0] = str(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def say(message: dict[str, Any]) -> None:
    left = memoryview(f"{json.dumps(message)}\n".encode())
    while left:
        left = left[os.write(CHANNEL, left) :]


def requests() -> Iterator[dict[str, Any]]:
    """Until the descriptor closes."""
    with os.fdopen(CHANNEL, "rb", closefd=False) as lines:
        for line in lines:
            yield json.loads(line)
