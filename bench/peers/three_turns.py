"""The work as a task set and a harness of verifiers, played within the worker: no process for each rollout."""

from collections.abc import Iterable

import aiohttp
import verifiers.v1 as vf
from verifiers.v1.runtimes import ProgramResult
from work import ANSWER, QUESTION, play, reward

__all__ = ["ThreeTurnsHarness", "ThreeTurnsTaskset"]


class ThreeTurnsTask(vf.Task):
    @vf.reward
    async def exact_match(self, trace: vf.Trace) -> float:
        return reward(trace.last_reply)


class ThreeTurnsTaskset(vf.Taskset[ThreeTurnsTask]):
    def load(self) -> Iterable[ThreeTurnsTask]:
        yield ThreeTurnsTask(vf.TaskData(prompt=QUESTION, name=ANSWER), self.config.task)


class ThreeTurnsHarness(vf.Harness):
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False
    session_of_process: aiohttp.ClientSession | None = None

    async def launch(self, ctx, _trace, _runtime, endpoint, secret, *_unused) -> ProgramResult:
        if ThreeTurnsHarness.session_of_process is None:
            ThreeTurnsHarness.session_of_process = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        session = ThreeTurnsHarness.session_of_process

        async def ask(messages: list[dict]) -> str:
            asked = session.post(
                f"{endpoint}/chat/completions",
                json={"model": ctx.model, "messages": messages},
                headers={"Authorization": f"Bearer {secret}"},
            )
            async with asked as response:
                response.raise_for_status()
                return (await response.json())["choices"][0]["message"]["content"]

        await play(ask)
        return ProgramResult(exit_code=0, stdout="", stderr="")
