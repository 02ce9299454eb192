"""Rollouts through the environment server of verifiers with two workers. Prints one line of JSON.

run_verifiers.py MODEL_URL ROLLOUTS AT_ONCE [KILL|STOP]
"""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import time
from importlib.metadata import version

from process_cpu import command_line, cpu_seconds, descendants
from verifiers.v1.configs.client import EvalClientConfig
from verifiers.v1.serve.client import EnvClient
from verifiers.v1.serve.pool import serve_env
from verifiers.v1.types import SamplingConfig
from verifiers.v1.utils.loaders import load_environment, resolve_env_config

WORKERS = 2
WARM_UP = 64
SILENCE_S = 60

CONFIG = {
    "taskset": {"id": "three_turns"},
    "agent": {"harness": {"id": "three_turns"}, "runtime": {"type": "subprocess"}},
}


def workers_of(broker: int) -> list[int]:
    """The pool's processes: multiprocessing starts its resource tracker beside them."""
    children = [pid for pid in descendants(broker) if pid != broker]
    return [pid for pid in children if "spawn_main" in command_line(pid)]


async def measure(address: str, broker: int, model: str, rollouts: int, at_once: int, fault: str | None) -> dict:
    client = EnvClient(address)
    await client.wait_for_server_startup()
    (task,) = load_environment(resolve_env_config(CONFIG)).taskset
    data = task.data.model_dump(mode="json")
    endpoint = EvalClientConfig(base_url=model)
    room = asyncio.Semaphore(at_once)
    done: list[float] = []
    failed: dict[str, int] = {}
    heard = time.monotonic()

    async def one() -> None:
        nonlocal heard
        async with room:
            try:
                episode = await client.run(endpoint, "scripted", SamplingConfig(), data)
            except RuntimeError as error:
                failed[str(error)[:120]] = failed.get(str(error)[:120], 0) + 1
            else:
                problems = [*episode.errors, *(error for trace in episode.traces for error in trace.errors)]
                if problems:
                    failed[problems[0].message[:120]] = failed.get(problems[0].message[:120], 0) + 1
                else:
                    done.append(episode.traces[0].reward)
            heard = time.monotonic()

    await asyncio.gather(*(one() for _ in range(WARM_UP)))
    done.clear()
    before, started = cpu_seconds(os.getpid()), time.monotonic()
    playing = [asyncio.create_task(one()) for _ in range(rollouts)]
    hit = False
    while not all(each.done() for each in playing) and time.monotonic() - heard < SILENCE_S:
        await asyncio.sleep(0.02)
        if fault is not None and not hit and len(done) >= rollouts / 3:
            os.kill(workers_of(broker)[0], signal.SIGKILL if fault == "KILL" else signal.SIGSTOP)
            hit = True
    seconds, used = time.monotonic() - started, cpu_seconds(os.getpid()) - before
    for each in playing:
        each.cancel()
    return {
        "system": f"verifiers {version('verifiers')}",
        "fault": fault,
        "rollouts": rollouts,
        "answered": len(done),
        "reward_mean": sum(done) / max(1, len(done)),
        "failed": failed,
        "unanswered": rollouts - len(done) - sum(failed.values()),
        "seconds": round(seconds, 2),
        "cpu_ms_per_rollout": round(used * 1000 / max(1, len(done)), 2),
    }


def main() -> None:
    model, rollouts, at_once, *fault = sys.argv[1:]
    context = multiprocessing.get_context("spawn")
    addresses = context.Queue()
    pool = {"max_workers": WORKERS, "elastic": False, "address": "tcp://127.0.0.1:0", "config_data": CONFIG}
    broker = context.Process(target=serve_env, kwargs={**pool, "address_queue": addresses})
    broker.start()
    assert broker.pid is not None
    try:
        report = measure(addresses.get(timeout=120), broker.pid, model, int(rollouts), int(at_once), *(fault or [None]))
        print(json.dumps(asyncio.run(report)), flush=True)
    finally:
        for pid in descendants(broker.pid):
            os.kill(pid, signal.SIGKILL)
        os._exit(0)


if __name__ == "__main__":
    main()
