"""Episodes of an environment of verifiers 0.1 or 0.2 (SingleTurnEnv, MultiTurnEnv and what is built on them).

Its own rollout() runs as it does at home: env_response, is_completed, set-up and clean-up are called by verifiers. The
model that it asks is a client that waits for the policy's next turn. Then its rubric scores.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

try:
    from verifiers.clients import Client
    from verifiers.types import Response, ResponseMessage
except ImportError as error:
    raise ImportError(
        f"load_environment needs verifiers 0.1 or 0.2, whose environments are played turn by turn: {error}; "
        "pip install 'verifiers<0.3' into the interpreter of the option python"
    ) from error


class PolicyClient(Client):
    """Each request is put where the episode finds it, and answered with the policy's turn."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked: asyncio.Queue[list[Any]] = asyncio.Queue(1)
        self.turns: asyncio.Queue[str] = asyncio.Queue(1)

    async def get_response(self, prompt: Any, model: str, tools: Any = None, **_: Any) -> Response:
        if tools:
            raise NotImplementedError("environments of verifiers with tools of their own are not supported")
        await self.asked.put(list(prompt))
        text = await self.turns.get()
        message = ResponseMessage(content=text, finish_reason="stop", is_truncated=False)
        return Response(id="turn", created=int(time.time()), model=model, message=message)

    def setup_client(self, config: Any) -> Any: ...
    async def to_native_tool(self, tool: Any) -> Any: ...
    async def to_native_prompt(self, messages: Any) -> Any: ...
    async def get_native_response(self, *_: Any, **__: Any) -> Any: ...
    async def raise_from_native_response(self, response: Any) -> None: ...
    async def from_native_response(self, response: Any) -> Any: ...
    async def close(self) -> None: ...


class VerifiersEpisode:
    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.client = PolicyClient()
        self.known: list[dict[str, str]] = []
        self.rollout: asyncio.Task[Any] | None = None

    async def start(self, row: dict[str, Any]) -> object:
        given = input_of(self.environment, row)
        self.rollout = asyncio.ensure_future(self.environment.rollout(given, self.client, "policy", {}))
        messages = await self.next_request()
        if messages is None:
            raise_if_failed(self.rollout.result())
            raise ValueError("the rollout was over before the policy was asked")
        self.known = messages
        return messages

    async def step(self, text: str) -> dict[str, Any]:
        await self.client.turns.put(text)
        messages = await self.next_request()
        if messages is None:
            return await self.scored()
        if messages[: len(self.known)] != self.known:
            raise ValueError("the environment rewrites what was said before; a policy's sequence can only grow")
        added = messages[len(self.known) + 1 :]
        self.known = messages
        return {"text": added, "done": False, "rewards": {}, "metrics": {}}

    async def close(self) -> None:
        if self.rollout is not None and not self.rollout.done():
            self.rollout.cancel()
            await asyncio.wait([self.rollout])

    async def next_request(self) -> list[dict[str, str]] | None:
        """What the policy is asked; None when the rollout is over."""
        asked = asyncio.ensure_future(self.client.asked.get())
        assert self.rollout is not None
        await asyncio.wait([asked, self.rollout], return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return [plain(message) for message in asked.result()]
        asked.cancel()
        return None

    async def scored(self) -> dict[str, Any]:
        assert self.rollout is not None
        state = self.rollout.result()
        raise_if_failed(state)
        await self.environment.rubric.score_rollout(state)
        metrics = {name: float(value) for name, value in (state.get("metrics") or {}).items()}
        return {"text": "", "done": True, "rewards": {"environment_reward": float(state["reward"])}, "metrics": metrics}


def raise_if_failed(state: Any) -> None:
    """What rollout() caught of the environment's own errors."""
    error = state.get("error")
    if isinstance(error, BaseException):
        raise error


def input_of(environment: Any, row: dict[str, Any]) -> dict[str, Any]:
    """A row of its own data set by data.index, or what data holds: prompt or question, answer, info, task."""
    data: dict[str, Any] = row["data"]
    if "index" in data:
        return {"example_id": data["index"], **environment.get_dataset()[data["index"]]}
    prompt = data.get("prompt")
    if prompt is None:
        if "question" not in data:
            raise KeyError(f"row {row['id']}: data has none of index, prompt and question")
        system = getattr(environment, "system_prompt", None)
        prompt = [{"role": "system", "content": system}] if system else []
        prompt = [*prompt, {"role": "user", "content": data["question"]}]
    rest = {name: data[name] for name in ("info", "task") if name in data}
    return {"example_id": 0, "prompt": prompt, "answer": data.get("answer", ""), **rest}


def plain(message: Any) -> dict[str, str]:
    given = message if isinstance(message, dict) else message.model_dump()
    content = given.get("content")
    if not isinstance(content, str):
        raise TypeError(f"a message holds {repr(content)[:200]}; only text is supported")
    return {"role": given["role"], "content": content}


def verifiers_maker(module: ModuleType, options: dict[str, Any]) -> Callable[[], VerifiersEpisode]:
    load_environment = getattr(module, "load_environment", None)
    if not callable(load_environment):
        raise AttributeError("it has no function load_environment")
    environment: Any = load_environment(**options)
    if not callable(getattr(environment, "rollout", None)) or not hasattr(environment, "rubric"):
        raise TypeError(f"load_environment gave {type(environment).__name__}, which is not an environment of verifiers")
    return lambda: VerifiersEpisode(environment)
