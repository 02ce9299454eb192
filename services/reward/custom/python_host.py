"""Runs one scorer written in Python, in a process of its own: python_host.py FILE FUNCTION MEBIBYTES.

Requests and replies are lines of JSON on descriptor 3 (scorer-reply.ts); what the scorer prints does not meet them.
Ends when that descriptor closes. Nothing but the standard library, so that any interpreter will do.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANNEL = 3
LONGEST_MESSAGE = 8192


def bound_memory(mebibytes: int) -> None:
    """Allocations beyond it fail; the service watches the process besides."""
    try:
        import resource
    except ImportError:
        return
    # Private writable memory. RLIMIT_AS would also count what libraries only reserve.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def load(path: Path, name: str) -> Callable[..., Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    # The scorer imports what lies beside it, as if it were started itself.
    sys.path[0] = str(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise AttributeError(f"it has no function {name}")
    # TypeError with the name of what is missing or too many.
    inspect.signature(function).bind(data_source="", solution_str="", ground_truth="", extra_info={})
    return function


def reply_to(function: Callable[..., Any], call: dict[str, Any]) -> dict[str, Any]:
    try:
        value = function(**call)
        if inspect.isawaitable(value):
            value = asyncio.run(as_coroutine(value))
        return score_reply(value)
    except MemoryError:
        return {"outOfMemory": True}
    except Exception:
        return {"threw": traceback.format_exc()[-LONGEST_MESSAGE:]}


async def as_coroutine(value: Any) -> Any:
    return await value


def score_reply(value: Any) -> dict[str, Any]:
    """A number, a bool, something like a number (NumPy's), or a dictionary with one of them as `score`."""
    if isinstance(value, dict):
        value = value.get("score", value)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):  # pyright: ignore[reportUnknownArgumentType]
        return {"noNumber": repr(value)[:200]}  # pyright: ignore[reportUnknownArgumentType]
    number = float(value)  # pyright: ignore[reportUnknownArgumentType]
    return {"score": number} if math.isfinite(number) else {"notFinite": str(number)}


def say(message: dict[str, Any]) -> None:
    left = memoryview(f"{json.dumps(message)}\n".encode())
    while left:
        left = left[os.write(CHANNEL, left) :]


def main() -> None:
    path, name, mebibytes = Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3])
    os.set_inheritable(CHANNEL, False)
    bound_memory(mebibytes)
    try:
        function = load(path, name)
    except Exception:
        say({"failed": traceback.format_exc()[-LONGEST_MESSAGE:]})
        sys.exit(1)
    say({"ready": True})
    with os.fdopen(CHANNEL, "rb", closefd=False) as requests:
        for line in requests:
            request = json.loads(line)
            reply = reply_to(function, request["call"])
            sys.stdout.flush()
            say({"id": request["id"], **reply})


if __name__ == "__main__":
    main()
