"""Runs one scorer written in Python, in a process of its own: python_host.py FILE FUNCTION MEBIBYTES.

Requests and replies are lines of JSON on descriptor 3 (scorer-process.ts); what the scorer prints does not meet them.
Ends when that descriptor closes. Nothing but the standard library, so that any interpreter will do.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "user-code"))
from user_process import LONGEST_MESSAGE, begin, load, requests, say


def load_function(path: Path, name: str) -> Callable[..., Any]:
    function = getattr(load(path), name, None)
    if not callable(function):
        raise AttributeError(f"it has no function {name}")
    # TypeError with the name of what is missing or too many.
    inspect.signature(function).bind(data_source="", solution_str="", ground_truth="", extra_info={})
    return function


def reply_to(function: Callable[..., Any], call: dict[str, Any], loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
    try:
        value = function(**call)
        if inspect.isawaitable(value):
            # One loop for all rollouts: a session of the module, made in the first call, lives on it.
            value = loop.run_until_complete(as_coroutine(value))
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


def main() -> None:
    path, name, mebibytes = Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3])
    begin(mebibytes)
    loop = asyncio.new_event_loop()
    # Also for what a module makes as it is loaded, before the loop runs.
    asyncio.set_event_loop(loop)
    try:
        function = load_function(path, name)
    except Exception:
        say({"failed": traceback.format_exc()[-LONGEST_MESSAGE:]})
        sys.exit(1)
    say({"ready": True})
    for request in requests():
        reply = reply_to(function, request["call"], loop)
        sys.stdout.flush()
        say({"id": request["id"], **reply})


if __name__ == "__main__":
    main()
