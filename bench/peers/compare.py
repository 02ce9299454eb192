"""Gradus, verifiers and agent-lightning on the same three turns with a model without latency, one after the other: CPU
time of all processes of each, and what a SIGKILL and a SIGSTOP of a worker leave. Prints JSON. `make bench-peers`
installs both peers and runs it.

    compare.py [--rounds N]
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PYTHON = {name: ROOT / ".build/peers" / name / "bin/python" for name in ("verifiers", "agentlightning")}
AT_ONCE = 256
#: A process for each rollout costs a thousand times as much memory as a task: two cores take no more.
PROCESSES_AT_ONCE = 16
LIMIT_S = 900


def machine() -> dict:
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "load_average_1m": os.getloadavg()[0],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def last_line(text: str) -> dict:
    return json.loads(text.strip().splitlines()[-1])


def peer(name: str, *args: str, model: str) -> dict:
    script = str(HERE / f"run_{name}.py")
    environment = {**os.environ, "PYTHONPATH": str(HERE), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [PYTHON[name], script, model, *args],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if ran.returncode != 0 or not ran.stdout.strip():
        raise RuntimeError(f"{script} ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
    return last_line(ran.stdout)


def results_of(fleet: dict) -> int:
    """Results that the workers have published so far, by their own metrics."""
    total = 0.0
    for service in fleet["services"]:
        if service["service"] == "rollout":
            with urllib.request.urlopen(f"http://{service['metrics']}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
            total += sum(float(line.split()[-1]) for line in lines if line.startswith("gradus_rollouts_total{"))
    return int(total)


def hit_worker(home: Path, fault: str, after: int, bench: subprocess.Popen) -> None:
    """Sends the signal to the first worker once `after` results are there."""
    while bench.poll() is None:
        files = list(home.glob("bench-*/fleet.json"))
        try:
            fleet = json.loads(files[0].read_text())
            if results_of(fleet) >= after:
                worker = next(each["pid"] for each in fleet["services"] if each["service"] == "rollout")
                os.kill(worker, signal.SIGKILL if fault == "KILL" else signal.SIGSTOP)
                return
        except (IndexError, KeyError, OSError, ValueError):
            pass  # It is still starting.
        time.sleep(0.1)


def gradus(rollouts: int, fault: str | None = None) -> dict:
    with tempfile.TemporaryDirectory(prefix="gradus-peers-") as home:
        sizes = ["--rollouts", str(rollouts), "--workers", "2", "--concurrency", str(AT_ONCE // 2)]
        command = [ROOT / "services/cli/bin/gradus", "bench", "rollouts", "--json", "--home", home, *sizes]
        if fault is not None:
            command += ["--warm-up", "0"]
        bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if fault is not None:
            hit_worker(Path(home), fault, rollouts // 3, bench)
        output, errors = bench.communicate(timeout=LIMIT_S)
    if not output.strip():
        raise RuntimeError(f"gradus bench rollouts ended with {bench.returncode}:\n{errors[-2000:]}")
    report = last_line(output)
    return {
        "system": "gradus",
        "fault": fault,
        "rollouts": rollouts,
        "answered": rollouts - report["lost"] - sum(report["failures"].values()),
        "reward_mean": report["reward_mean"],
        "failed": report["failures"],
        "unanswered": report["lost"],
        "counted_twice": report["duplicated"],
        "redelivered": report["redelivered"],
        "seconds": report["seconds"],
        "cpu_ms_per_rollout": report["cpu_ms_per_rollout"],
        "processes": {each["label"]: each["cpu_seconds"] for each in report["processes"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each system (default 3)")
    rounds = parser.parse_args().rounds
    facts, runs = machine(), []
    server = subprocess.Popen(
        [sys.executable, HERE / "model.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stdin is not None
    model = server.stdout.readline().strip()

    def note(report: dict) -> None:
        runs.append(report)
        print(json.dumps(report), file=sys.stderr, flush=True)

    try:
        for _ in range(rounds):
            note(gradus(3000))
            note(peer("verifiers", "600", str(AT_ONCE), model=model))
            note(peer("agentlightning", "600", str(AT_ONCE), "inside", model=model))
            note(peer("agentlightning", "60", str(PROCESSES_AT_ONCE), "controller", model=model))
        for fault in ("KILL", "STOP"):
            note(gradus(600, fault))
            note(peer("verifiers", "600", str(AT_ONCE), fault, model=model))
            note(peer("agentlightning", "60", str(PROCESSES_AT_ONCE), "controller", fault, model=model))
    finally:
        server.stdin.close()
        server.wait(timeout=10)
    print(json.dumps({"machine": facts, "load_average_at_end": os.getloadavg()[0], "runs": runs}, indent=2))


if __name__ == "__main__":
    main()
