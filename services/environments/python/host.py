"""Runs the environment of one Python file, any number of its episodes: host.py FILE MEBIBYTES SETTINGS.

One call at a time. Requests {id, op: start|step|close, episode, ...} and replies are lines of JSON on descriptor 3;
what the file prints does not meet them. Nothing but the standard library, so that any interpreter will do.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import json
import math
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "user-code"))
sys.path.insert(1, str(Path(__file__).resolve().parent))
from user_process import LONGEST_MESSAGE, begin, load, requests, say

Outcome = dict[str, Any]


class Episode(Protocol):
    async def start(self, row: dict[str, Any]) -> object: ...
    async def step(self, text: str) -> Outcome: ...
    async def close(self) -> None: ...


class ClassEpisode:
    """An instance of the user's class: reset(row), step(text), and close() where there is one."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment

    async def start(self, row: dict[str, Any]) -> object:
        return await value_of(self.environment.reset(row))

    async def step(self, text: str) -> Outcome:
        return outcome_of(await value_of(self.environment.step(text)))

    async def close(self) -> None:
        close = getattr(self.environment, "close", None)
        if callable(close):
            await value_of(close())


async def value_of(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def outcome_of(value: Any) -> Outcome:
    """From (text, done), (text, done, reward) or (text, done, reward, info)."""
    if not isinstance(value, tuple) or not 2 <= len(value) <= 4:  # pyright: ignore[reportUnknownArgumentType]
        raise TypeError(
            f"step gave {shown(value)}; it must give (text, done, reward, info), of which the last two may be left out"
        )
    text, done, reward, info = (*value, None, None)[:4]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(done, bool):
        raise TypeError(f"step gave {shown(done)} as done; it must be True or False")
    if info is not None and not isinstance(info, dict):
        raise TypeError(f"step gave {shown(info)} as info; it must be a dictionary")
    return {"text": text, "done": done, "rewards": rewards_of(reward), **metrics_of(info or {})}


def rewards_of(reward: Any) -> dict[str, float]:
    if reward is None:
        return {}
    given: dict[Any, Any] = reward if isinstance(reward, dict) else {"environment_reward": reward}
    return {str(name): number_of(value, f"reward {name}") for name, value in given.items()}


def metrics_of(info: dict[Any, Any]) -> Outcome:
    """Numbers are metrics, `prediction` is the answer that scorers compare; what else there is, stays here."""
    prediction = info.get("prediction")
    return {
        "metrics": {
            str(name): number_of(value, f"metric {name}")
            for name, value in info.items()
            if isinstance(value, int | float) or hasattr(value, "__float__")
        },
        **({} if prediction is None else {"prediction": str(prediction)}),
    }


def number_of(value: Any, what: str) -> float:
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(f"{what} is {shown(value)}; it must be a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{what} is {number}; it must be finite")
    return number


def shown(value: object) -> str:
    return repr(value)[:200]


def conversation_of(value: object, what: str) -> str | list[dict[str, str]]:
    """Text, or messages with role and content."""
    if isinstance(value, str):
        return value
    messages: list[Any] = value if isinstance(value, list) else []
    if messages and all(is_message(message) for message in messages):
        return [{"role": message.get("role", "user"), "content": message["content"]} for message in messages]
    raise TypeError(f"{what} gave {shown(value)}; it must give text, or a list of messages with role and content")


ROLES = ("system", "user", "assistant", "tool")


def is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("content"), str) and value.get("role", "user") in ROLES


class UnusableError(Exception):
    """What is wrong with the file or its options, in words that need no traceback."""


def check_options(made: Callable[..., object], name: str, options: dict[str, Any]) -> None:
    signature = inspect.signature(made)
    try:
        signature.bind(**options)
    except TypeError as error:
        known = list(signature.parameters)
        unknown = next((option for option in options if option not in known), "")
        meant = "".join(f" did you mean {each}?" for each in difflib.get_close_matches(unknown, known, 1))
        raise UnusableError(f"options: class {name} {error};{meant} it takes: {', '.join(known) or 'none'}") from error


def maker_of(path: Path, settings: dict[str, Any]) -> Callable[[], Episode]:
    module = load(path)
    options = settings["options"]
    name = settings["class"]
    if name is None:
        from verifiers_episode import verifiers_maker

        return verifiers_maker(module, options)
    made = getattr(module, name, None)
    if not callable(made):
        classes = [each for each, value in vars(module).items() if isinstance(value, type)]
        raise UnusableError(f"class: it has no class {name}; it has: {', '.join(classes) or 'none'}")
    for method in ("reset", "step"):
        if not callable(getattr(made, method, None)):
            raise UnusableError(f"class {name} has no method {method}")
    check_options(made, name, options)
    return lambda: ClassEpisode(made(**options))


def thrown_by(error: BaseException, path: Path) -> dict[str, Any]:
    """With the place in the user's own files that is nearest to where it was thrown."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(path.parent)]
    frame = (own or list(frames) or [None])[-1]
    return {
        "type": type(error).__name__,
        "message": str(error)[:LONGEST_MESSAGE],
        "file": frame.filename if frame else str(path),
        "line": frame.lineno if frame else None,
        "trace": "".join(traceback.format_exception(error))[-LONGEST_MESSAGE:],
    }


def trace_of(error: BaseException) -> str:
    """The traceback without this program's own frames and those of the import system."""
    trace = traceback.TracebackException.from_exception(error)
    ours = (__file__, load.__code__.co_filename)
    frames = [each for each in trace.stack if each.filename not in ours and not each.filename.startswith("<frozen ")]
    if frames or isinstance(error, SyntaxError):
        trace.stack = traceback.StackSummary.from_list(frames)
    return "".join(trace.format())


def missing_package(error: Exception) -> str:
    """What to install, where a module was not found."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return ""
    package = error.name.partition(".")[0]
    return f"install the package that has {package}, for example: {sys.executable} -m pip install {package}"


class Episodes:
    def __init__(self, make: Callable[[], Episode]) -> None:
        self.make = make
        self.open: dict[str, Episode] = {}

    async def answer(self, request: dict[str, Any]) -> Outcome:
        name = request["episode"]
        match request["op"]:
            case "start":
                episode = self.make()
                prompt = conversation_of(await episode.start(request["row"]), "reset")
                self.open[name] = episode
                return {"text": prompt}
            case "step":
                outcome = await self.open[name].step(request["text"])
                text = outcome.pop("text")
                # Nobody reads what comes after the end.
                return {**outcome, "text": "" if outcome["done"] else conversation_of(text, "step")}
            case _:
                episode = self.open.pop(name, None)
                if episode is not None:
                    await episode.close()
                return {"closed": True}


async def reply_to(answer: Callable[[dict[str, Any]], Awaitable[Outcome]], request: Outcome, path: Path) -> Outcome:
    try:
        return await answer(request)
    except MemoryError:
        return {"outOfMemory": True}
    except Exception as error:
        return {"threw": thrown_by(error, path)}


def main() -> None:
    path, mebibytes, settings = Path(sys.argv[1]).resolve(), int(sys.argv[2]), json.loads(sys.argv[3])
    begin(mebibytes)
    try:
        episodes = Episodes(maker_of(path, settings))
    except Exception as error:
        said = str(error) if isinstance(error, UnusableError) else trace_of(error)
        say({"failed": said[-LONGEST_MESSAGE:] + missing_package(error)})
        sys.exit(1)
    say({"ready": True})
    # One loop for all calls: what an episode awaits from call to call lives on it.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    for request in requests():
        reply = loop.run_until_complete(reply_to(episodes.answer, request, path))
        sys.stdout.flush()
        say({"id": request["id"], **reply})


if __name__ == "__main__":
    main()
