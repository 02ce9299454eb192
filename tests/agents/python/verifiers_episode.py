"""An episode of an environment of verifiers 0.4, whose client asks where OPENAI_BASE_URL says."""

import asyncio
import json
import os
import sys
from pathlib import Path

import verifiers.v1 as vf
from verifiers.v1.utils.loaders import load_environment, resolve_env_config

config = {"taskset": {"id": "births"}, "agent": {"runtime": {"type": "subprocess"}}}


async def play(question: str) -> vf.Episode:
    environment = load_environment(resolve_env_config(config))
    [task] = [task for task in environment.taskset if task.data.prompt == question]
    client = vf.EvalClientConfig(base_url=os.environ["OPENAI_BASE_URL"], api_key_var="OPENAI_API_KEY")
    async with environment.serving():
        return await environment.run_episode(task, vf.ModelContext(model="any", client=client))


episode = asyncio.run(play(json.load(sys.stdin)["data"]["question"]))
if not episode.ok:
    sys.exit(str([*episode.errors, *(error for trace in episode.traces for error in trace.errors)]))
[trace] = episode.traces
result = {"prediction": trace.branches[-1].messages[-1].content, "rewards": {"environment_reward": trace.reward}}
Path(os.environ["GRADUS_RESULT_FILE"]).write_text(json.dumps(result))
