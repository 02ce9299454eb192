"""Rollouts through the server of agent-lightning, in one of two ways. Prints one line of JSON.

    run_agentlightning.py MODEL_URL ROLLOUTS AT_ONCE controller [KILL|STOP]
    run_agentlightning.py MODEL_URL ROLLOUTS AT_ONCE inside

`controller`: its local controller starts a process for each rollout. `inside`: agents play within this process,
and only the server is its own.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version

import httpx
from process_cpu import command_line, cpu_seconds, descendants
from work import play

SILENCE_S = 60
#: What its configuration has is 10 s between two looks at the queue, and an hour for a rollout.
POLL_S = 0.2
TIMEOUT_S = 20


class Agent:
    """What the controller starts for a rollout."""

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            await play_through(client, os.environ["AGL_OPENAI_BASE_URL"], os.environ["AGL_EVENT_URL"])


async def play_through(client: httpx.AsyncClient, base_url: str, event_url: str) -> None:
    async def ask(messages: list[dict]) -> str:
        response = await client.post(f"{base_url}/chat/completions", json={"model": "scripted", "messages": messages})
        response.raise_for_status()
        return response.json()["choices"][0]["message"]["content"]

    value = await play(ask)
    (await client.post(event_url, json={"event_type": "reward", "data": {"value": value}})).raise_for_status()


async def play_inside(client: httpx.AsyncClient, url: str, rollout: str) -> None:
    """The steps of its controller, without a process."""

    async def turn_to(state: str) -> None:
        (await client.patch(f"/api/rollouts/{rollout}", json={"status": {"state": state}})).raise_for_status()

    await turn_to("running")
    attempt = f"{url}/proxy/rollout/{rollout}/attempt/0/mode/train/openai/v1"
    await play_through(client, attempt, f"/api/rollouts/{rollout}/attempt/0/events")
    await turn_to("succeeded")


async def rewards_of(client: httpx.AsyncClient, rollout: str) -> list[float]:
    events = (await client.get(f"/api/rollouts/{rollout}/events")).json()
    return [event["data"]["value"] for event in events if event["event_type"] == "reward"]


def agent_processes() -> list[int]:
    return [pid for pid in descendants(os.getpid()) if "_run_local_reconciler_worker" in command_line(pid)]


async def measure(url: str, model: str, rollouts: int, at_once: int, way: str, fault: str | None) -> dict:
    limits = httpx.Limits(max_connections=256)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        (await client.post("/api/models", json=[{"model": "scripted", "endpoint": model}])).raise_for_status()
        before, started = cpu_seconds(os.getpid()), time.monotonic()
        task = {
            "input": {"data_id": "0"},
            "config": {"timeout_seconds": TIMEOUT_S, "local": {"agent_class": "run_agentlightning:Agent"}},
        }
        asked = (await client.post("/api/rollouts", json=[task] * rollouts)).json()
        room = asyncio.Semaphore(at_once)

        async def one(rollout: str) -> None:
            async with room:
                await play_inside(client, url, rollout)

        playing = [asyncio.create_task(one(each["rollout_id"])) for each in asked] if way == "inside" else []
        ended: dict[str, str] = {}
        heard, hit, page = time.monotonic(), False, 0
        while len(ended) < rollouts and time.monotonic() - heard < SILENCE_S:
            answer = (await client.get("/api/rollouts/terminal", params={"after": page})).json()
            page = answer["next_after"]
            for item in answer["items"]:
                ended[item["rollout_id"]] = item["state"]
                heard = time.monotonic()
            if fault is not None and not hit and len(ended) >= rollouts / 3:
                agents = agent_processes()
                if agents:
                    os.kill(agents[-1], signal.SIGKILL if fault == "KILL" else signal.SIGSTOP)
                    hit = True
            await asyncio.sleep(0.05)
        rewards = [
            value
            for rollout, state in ended.items()
            if state == "succeeded"
            for value in await rewards_of(client, rollout)
        ]
        await asyncio.gather(*playing)
        seconds, used = time.monotonic() - started, cpu_seconds(os.getpid()) - before
    failed = sum(state == "failed" for state in ended.values())
    return {
        "system": f"agent-lightning {version('agentlightning')}, {way}",
        "fault": fault,
        "rollouts": rollouts,
        "answered": len(rewards),
        "reward_mean": sum(rewards) / max(1, len(rewards)),
        "failed": {"failed": failed} if failed else {},
        "unanswered": rollouts - len(ended),
        "seconds": round(seconds, 2),
        "cpu_ms_per_rollout": round(used * 1000 / max(1, len(rewards)), 2),
    }


def wait_for(url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise TimeoutError(f"{url} did not come up within two minutes")


def main() -> None:
    model, rollouts, at_once, way, *fault = sys.argv[1:]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    module = [sys.executable, "-m"]
    hydra = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=disabled"]
    proxy = ["default_proxy.model_name=scripted"]
    server = [*module, "agentlightning.server", "host=127.0.0.1", f"port={port}", *proxy, *hydra]
    started = [subprocess.Popen(server, **quiet)]
    try:
        wait_for(url)
        if way == "controller":
            runner = [f"local_runner.maximum_size={at_once}", f"local_runner.poll_interval={POLL_S}"]
            controller = [*module, "agentlightning.controller", "runner_type=local", f"agl_server.url={url}"]
            started.append(subprocess.Popen([*controller, *runner, *hydra], **quiet))
        report = measure(url, model, int(rollouts), int(at_once), way, *(fault or [None]))
        print(json.dumps(asyncio.run(report)), flush=True)
    finally:
        for each in started:
            for pid in descendants(each.pid):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
