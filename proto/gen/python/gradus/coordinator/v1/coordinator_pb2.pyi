from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_STOPPED: _ClassVar[RunState]
    RUN_STATE_FINISHED: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
    RUN_STATE_INTERRUPTED: _ClassVar[RunState]
    RUN_STATE_NOTHING_TO_LEARN: _ClassVar[RunState]
    RUN_STATE_QUEUED: _ClassVar[RunState]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_EVALUATE: _ClassVar[Phase]
    PHASE_ROLLOUT: _ClassVar[Phase]
    PHASE_TRAIN: _ClassVar[Phase]
    PHASE_LOAD: _ClassVar[Phase]
    PHASE_OPEN: _ClassVar[Phase]
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_STOPPED: RunState
RUN_STATE_FINISHED: RunState
RUN_STATE_FAILED: RunState
RUN_STATE_INTERRUPTED: RunState
RUN_STATE_NOTHING_TO_LEARN: RunState
RUN_STATE_QUEUED: RunState
PHASE_UNSPECIFIED: Phase
PHASE_EVALUATE: Phase
PHASE_ROLLOUT: Phase
PHASE_TRAIN: Phase
PHASE_LOAD: Phase
PHASE_OPEN: Phase

class SubmitRunRequest(_message.Message):
    __slots__ = ("run_id", "recipe_json", "directory", "resume", "accept_changed", "priority", "no_queue")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPE_JSON_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NO_QUEUE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    recipe_json: str
    directory: str
    resume: bool
    accept_changed: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    no_queue: bool
    def __init__(self, run_id: _Optional[str] = ..., recipe_json: _Optional[str] = ..., directory: _Optional[str] = ..., resume: _Optional[bool] = ..., accept_changed: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., no_queue: _Optional[bool] = ...) -> None: ...

class SubmitRunResponse(_message.Message):
    __slots__ = ("run_id", "queued")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    queued: QueuePlace
    def __init__(self, run_id: _Optional[str] = ..., queued: _Optional[_Union[QueuePlace, _Mapping]] = ...) -> None: ...

class QueuePlace(_message.Message):
    __slots__ = ("position", "reason")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    position: int
    reason: str
    def __init__(self, position: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class RunStatus(_message.Message):
    __slots__ = ("run_id", "state", "stage", "stage_index", "stages", "phase", "step", "steps", "rollouts_done", "rollouts_expected", "policy_version", "reward_mean", "metrics", "message", "elapsed_ms", "remaining_ms", "directory", "warnings", "detectors", "primary_metric", "priority", "queue_position")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class WarningsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class DetectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ROLLOUTS_DONE_FIELD_NUMBER: _ClassVar[int]
    ROLLOUTS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    REWARD_MEAN_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_METRIC_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    state: RunState
    stage: str
    stage_index: int
    stages: int
    phase: Phase
    step: int
    steps: int
    rollouts_done: int
    rollouts_expected: int
    policy_version: int
    reward_mean: float
    metrics: _containers.ScalarMap[str, float]
    message: str
    elapsed_ms: int
    remaining_ms: int
    directory: str
    warnings: _containers.ScalarMap[str, str]
    detectors: _containers.ScalarMap[str, float]
    primary_metric: str
    priority: int
    queue_position: int
    def __init__(self, run_id: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., stage: _Optional[str] = ..., stage_index: _Optional[int] = ..., stages: _Optional[int] = ..., phase: _Optional[_Union[Phase, str]] = ..., step: _Optional[int] = ..., steps: _Optional[int] = ..., rollouts_done: _Optional[int] = ..., rollouts_expected: _Optional[int] = ..., policy_version: _Optional[int] = ..., reward_mean: _Optional[float] = ..., metrics: _Optional[_Mapping[str, float]] = ..., message: _Optional[str] = ..., elapsed_ms: _Optional[int] = ..., remaining_ms: _Optional[int] = ..., directory: _Optional[str] = ..., warnings: _Optional[_Mapping[str, str]] = ..., detectors: _Optional[_Mapping[str, float]] = ..., primary_metric: _Optional[str] = ..., priority: _Optional[int] = ..., queue_position: _Optional[int] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "unreadable", "left_out")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[RunStatus]
    unreadable: _containers.RepeatedCompositeFieldContainer[UnreadableRun]
    left_out: int
    def __init__(self, runs: _Optional[_Iterable[_Union[RunStatus, _Mapping]]] = ..., unreadable: _Optional[_Iterable[_Union[UnreadableRun, _Mapping]]] = ..., left_out: _Optional[int] = ...) -> None: ...

class UnreadableRun(_message.Message):
    __slots__ = ("run_id", "reason")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    reason: str
    def __init__(self, run_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StopRunRequest(_message.Message):
    __slots__ = ("run_id", "now", "no_wait", "reason")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    NO_WAIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    now: bool
    no_wait: bool
    reason: str
    def __init__(self, run_id: _Optional[str] = ..., now: _Optional[bool] = ..., no_wait: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class StopRunResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: RunState
    def __init__(self, state: _Optional[_Union[RunState, str]] = ...) -> None: ...

class DescribeFleetRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeFleetResponse(_message.Message):
    __slots__ = ("contract", "version", "recipe_path", "max_runs", "max_queued_runs")
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RECIPE_PATH_FIELD_NUMBER: _ClassVar[int]
    MAX_RUNS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_RUNS_FIELD_NUMBER: _ClassVar[int]
    contract: int
    version: str
    recipe_path: str
    max_runs: int
    max_queued_runs: int
    def __init__(self, contract: _Optional[int] = ..., version: _Optional[str] = ..., recipe_path: _Optional[str] = ..., max_runs: _Optional[int] = ..., max_queued_runs: _Optional[int] = ...) -> None: ...

class SubmitRecipeRequest(_message.Message):
    __slots__ = ("run_id", "recipe_path", "recipe_text", "set", "inputs", "priority", "no_queue")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPE_PATH_FIELD_NUMBER: _ClassVar[int]
    RECIPE_TEXT_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NO_QUEUE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    recipe_path: str
    recipe_text: str
    set: _containers.RepeatedScalarFieldContainer[str]
    inputs: _containers.RepeatedCompositeFieldContainer[SubmittedInput]
    priority: int
    no_queue: bool
    def __init__(self, run_id: _Optional[str] = ..., recipe_path: _Optional[str] = ..., recipe_text: _Optional[str] = ..., set: _Optional[_Iterable[str]] = ..., inputs: _Optional[_Iterable[_Union[SubmittedInput, _Mapping]]] = ..., priority: _Optional[int] = ..., no_queue: _Optional[bool] = ...) -> None: ...

class SubmittedInput(_message.Message):
    __slots__ = ("name", "digest", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class SubmitRecipeResponse(_message.Message):
    __slots__ = ("run_id", "notes", "queued")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    queued: QueuePlace
    def __init__(self, run_id: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ..., queued: _Optional[_Union[QueuePlace, _Mapping]] = ...) -> None: ...

class ReadEventsRequest(_message.Message):
    __slots__ = ("run_id", "after", "follow")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after: int
    follow: bool
    def __init__(self, run_id: _Optional[str] = ..., after: _Optional[int] = ..., follow: _Optional[bool] = ...) -> None: ...

class RunEvent(_message.Message):
    __slots__ = ("position", "at_ms", "kind", "text", "metrics_json")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    METRICS_JSON_FIELD_NUMBER: _ClassVar[int]
    position: int
    at_ms: int
    kind: str
    text: str
    metrics_json: str
    def __init__(self, position: _Optional[int] = ..., at_ms: _Optional[int] = ..., kind: _Optional[str] = ..., text: _Optional[str] = ..., metrics_json: _Optional[str] = ...) -> None: ...

class GetSummaryRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class GetSummaryResponse(_message.Message):
    __slots__ = ("summary_json",)
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    summary_json: str
    def __init__(self, summary_json: _Optional[str] = ...) -> None: ...

class ListRunFilesRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ListRunFilesResponse(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[RunFile]
    def __init__(self, files: _Optional[_Iterable[_Union[RunFile, _Mapping]]] = ...) -> None: ...

class RunFile(_message.Message):
    __slots__ = ("path", "size_bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    size_bytes: int
    def __init__(self, path: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ReadRunFileRequest(_message.Message):
    __slots__ = ("run_id", "path", "offset")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    path: str
    offset: int
    def __init__(self, run_id: _Optional[str] = ..., path: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class ReadRunFileResponse(_message.Message):
    __slots__ = ("data", "digest")
    DATA_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    digest: str
    def __init__(self, data: _Optional[bytes] = ..., digest: _Optional[str] = ...) -> None: ...
