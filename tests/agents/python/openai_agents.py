"""OpenAI's Agents SDK: openai_agents.py responses|chat_completions whole|streamed."""

import asyncio
import json
import sys

from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled


@function_tool
def birthplace(of: str) -> str:  # noqa: ARG001
    """Where somebody was born."""
    return "Ostwick Marrow, Verland Coast"


async def main(question: str, how: str) -> None:
    agent = Agent(name="finder", model="any", instructions="Use the tool.", tools=[birthplace])
    if how == "whole":
        await Runner.run(agent, question)
        return
    async for _ in Runner.run_streamed(agent, question).stream_events():
        pass


set_default_openai_api(sys.argv[1])
set_tracing_disabled(True)
asyncio.run(main(json.load(sys.stdin)["data"]["question"], sys.argv[2]))
