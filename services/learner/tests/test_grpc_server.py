from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tiny_learner import serving

from gradus.learner.v1 import learner_pb2, learner_service_pb2
from gradus_learner.engine.scheduler import StoppedError
from gradus_learner.engine.service import OldVersionError
from gradus_learner.errors import BusyError, GradusError, NoRoomError, StateError
from gradus_learner.serve.config import ConfigError, LearnerConfig, load_config
from gradus_learner.serve.grpc_server import GrpcService
from gradus_learner.serve.statuses import status_of
from gradus_learner.serve.telemetry import JsonLines, setup_logging

SERVICE = learner_service_pb2.DESCRIPTOR.services_by_name["LearnerService"]


class Echo:
    async def open_run(self, request: Any, _context: Any) -> Any:
        if request.run_id == "bad":
            raise StateError("run_id bad: choose another")
        if request.run_id == "bug":
            raise KeyError("bug")
        return learner_pb2.OpenRunResponse(step=request.seed)

    async def train_step(self, requests: Any, _context: Any) -> Any:
        count = 0
        async for _ in requests:
            count += 1
        return learner_pb2.TrainStepResponse(step=count)

    async def describe(self, _request: Any, _context: Any) -> Any:
        return learner_pb2.DescribeResponse(run_id="r")


def call(channel: Any, name: str, request_class: Any, response_class: Any, stream: bool = False) -> Any:
    make = channel.stream_unary if stream else channel.unary_unary
    return make(
        f"/gradus.learner.v1.LearnerService/{name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )


def test_a_service_answers_reports_health_and_reflects_its_methods() -> None:
    async def scenario() -> None:
        service = GrpcService("learner", LearnerConfig())
        service.add(SERVICE, Echo())
        async with serving(service) as channel:
            open_run = call(channel, "OpenRun", learner_pb2.OpenRunRequest, learner_pb2.OpenRunResponse)
            assert (await open_run(learner_pb2.OpenRunRequest(seed=5))).step == 5
            step = call(channel, "TrainStep", learner_pb2.TrainStepRequest, learner_pb2.TrainStepResponse, True)
            assert (await step(iter([learner_pb2.TrainStepRequest()] * 3))).step == 3

            for run_id, code, text in (
                ("bad", grpc.StatusCode.FAILED_PRECONDITION, "choose another"),
                ("bug", grpc.StatusCode.INTERNAL, "KeyError"),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await open_run(learner_pb2.OpenRunRequest(run_id=run_id))
                assert raised.value.code() == code
                assert text in (raised.value.details() or "")

            health: Any = health_pb2_grpc.HealthStub(cast("Any", channel))
            for name in ("", "gradus.learner.v1.LearnerService", "liveness"):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            reflect: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            async for answer in reflect.ServerReflectionInfo(iter([request])):
                names = {item.name for item in answer.list_services_response.service}
                assert "gradus.learner.v1.LearnerService" in names

    asyncio.run(scenario())


def test_an_address_beyond_loopback_is_refused_unless_allowed() -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError, match="reachable from other machines"):
            await GrpcService("learner", LearnerConfig(grpc="0.0.0.0:0")).start()

    asyncio.run(scenario())


def test_a_port_in_use_is_a_clear_error() -> None:
    async def scenario() -> None:
        first = GrpcService("learner", LearnerConfig())
        async with serving(first):
            with pytest.raises(ConfigError, match="in use"):
                await GrpcService("learner", LearnerConfig(grpc=first.addresses["grpc"])).start()

    asyncio.run(scenario())


def test_config_comes_from_defaults_then_file_then_environment_then_flags(tmp_path: Any) -> None:
    file = tmp_path / "learner.yaml"
    file.write_text("microBatchTokens: 100\nthreads: 3\ndrainMs: 5\n")
    config = load_config(
        LearnerConfig, ["--config", str(file), "--drain-ms=7"], {"GRADUS_THREADS": "4", "GRADUS_OTHER": "x"}
    )
    assert (config.micro_batch_tokens, config.threads, config.drain_ms, config.device) == (100, 4, 7, "cpu")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--micro-batch-token", "5"], "did you mean --micro-batch-tokens"),
        (["--threads", "0"], "threads is '0'"),
        (["--threads"], "--threads needs a value"),
        (["--log-level", "loud"], "log_level is 'loud'"),
    ],
)
def test_a_bad_flag_is_named_with_its_value_and_fix(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(LearnerConfig, argv, {})
    assert message in str(raised.value)


@pytest.mark.parametrize("level", ["trace", "debug", "info", "warn", "error", "fatal", "silent"])
def test_every_log_level_that_a_fleet_passes_on_is_taken(level: str) -> None:
    env = {"GRADUS_LOG_LEVEL": level, "GRADUS_OTLP_ENDPOINT": ""}
    config = load_config(LearnerConfig, [], env)
    assert (config.log_level, config.otlp_endpoint) == (level, None)
    log = setup_logging("learner", level)
    assert log.isEnabledFor(logging.ERROR) == (level not in ("fatal", "silent"))
    assert log.isEnabledFor(logging.CRITICAL) == (level != "silent")


def test_log_lines_have_the_keys_of_the_typescript_services() -> None:
    record = logging.LogRecord("gradus", logging.CRITICAL, "", 0, "step %d", (3,), None)
    record.created = 1_700_000_000.25
    record.fields = {"runId": "r"}
    assert json.loads(JsonLines("learner").format(record)) == {
        "level": "fatal",
        "time": "2023-11-14T22:13:20.250Z",
        "service": "learner",
        "runId": "r",
        "message": "step 3",
    }


def test_help_lists_the_flags_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_config(LearnerConfig, ["--grpc", "x", "--help"], {})
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Usage: gradus serve learner [flags]"
    assert any(line.split()[:1] == ["--micro-batch-tokens"] and "forward" in line for line in lines)


def test_an_unknown_key_in_the_file_is_an_error_with_a_suggestion(tmp_path: Any) -> None:
    file = tmp_path / "learner.yaml"
    file.write_text("microBatchToken: 100\n")
    with pytest.raises(ConfigError, match="did you mean microBatchTokens"):
        load_config(LearnerConfig, ["--config", str(file)], {})


def test_sigterm_drains_and_the_process_exits_0_after_one_ready_line() -> None:
    code = (
        "from gradus_learner.serve.config import ServiceConfig\n"
        "from gradus_learner.serve.grpc_server import run_service\n"
        "async def build(service): pass\n"
        "raise SystemExit(run_service('probe', ServiceConfig(), build))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["service"] == "probe"
    assert ready["grpc"].startswith("127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == ""
    for line in err.splitlines():
        assert json.loads(line)["service"] == "probe"


def errors(of: type[GradusError]) -> list[type[GradusError]]:
    return [each for found in of.__subclasses__() for each in (found, *errors(found))]


def test_every_error_of_learner_and_engine_has_a_status_and_only_passing_ones_say_when_to_try_again() -> None:
    found = {each: status_of(each.__new__(each)) for each in errors(GradusError)}
    assert found[StoppedError] == grpc.StatusCode.UNAVAILABLE
    assert [each.__name__ for each, status in found.items() if status == grpc.StatusCode.INTERNAL] == []
    assert {each for each in found if each.retry_after_ms is not None} == {NoRoomError, OldVersionError}
    assert BusyError("full", 50).retry_after_ms == 50
