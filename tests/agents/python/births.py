"""An environment of verifiers 0.4: a taskset with its reward, and a harness that asks with OpenAI's client."""

import json

import verifiers.v1 as vf
from openai import AsyncOpenAI

__all__ = ["BirthsHarness", "BirthsTaskset"]

parameters = {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]}
tools = [{"type": "function", "function": {"name": "birthplace", "parameters": parameters}}]
births = {"Halvard Brontley": "Ostwick Marrow, Verland Coast"}


class BirthsData(vf.TaskData):
    answer: str


class BirthsTask(vf.Task[BirthsData]):
    @vf.reward(weight=1.0)
    async def found(self, trace: vf.Trace) -> float:
        return float(trace.branches[-1].messages[-1].content == self.data.answer)


class BirthsTaskset(vf.Taskset[BirthsTask, vf.TasksetConfig]):
    def load(self) -> list[BirthsTask]:
        prompt = "What is the country of the birthplace of Halvard Brontley?"
        data = BirthsData(prompt=prompt, system_prompt="Use the tool.", answer="Verland Coast")
        return [BirthsTask(data, self.config.task)]


class BirthsHarness(vf.Harness[vf.HarnessConfig]):
    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data):  # noqa: ARG002
        system, prompt = self.resolve_prompt(data)
        client = AsyncOpenAI(base_url=endpoint, api_key=secret)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        while True:
            turn = await client.chat.completions.create(model=ctx.model, messages=messages, tools=tools)
            message = turn.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                return vf.ProgramResult(exit_code=0, stdout="", stderr="")
            for call in message.tool_calls:
                found = births[json.loads(call.function.arguments)["of"]]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": found})
