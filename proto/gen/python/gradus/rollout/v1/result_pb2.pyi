from gradus.rollout.v1 import task_pb2 as _task_pb2
from gradus.trajectory.v1 import trajectory_pb2 as _trajectory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FailureClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_CLASS_UNSPECIFIED: _ClassVar[FailureClass]
    FAILURE_CLASS_POLICY_UNAVAILABLE: _ClassVar[FailureClass]
    FAILURE_CLASS_TOOL_UNAVAILABLE: _ClassVar[FailureClass]
    FAILURE_CLASS_REWARD_UNAVAILABLE: _ClassVar[FailureClass]
    FAILURE_CLASS_ROLLOUT_TIMEOUT: _ClassVar[FailureClass]
    FAILURE_CLASS_INTERNAL: _ClassVar[FailureClass]
    FAILURE_CLASS_MALFORMED_TURN: _ClassVar[FailureClass]
    FAILURE_CLASS_CONTEXT_OVERFLOW: _ClassVar[FailureClass]
    FAILURE_CLASS_TURN_LIMIT: _ClassVar[FailureClass]
    FAILURE_CLASS_TRUNCATED_TURN: _ClassVar[FailureClass]
    FAILURE_CLASS_USER_ENVIRONMENT: _ClassVar[FailureClass]
    FAILURE_CLASS_USER_SCORER: _ClassVar[FailureClass]
    FAILURE_CLASS_POLICY_REFUSED: _ClassVar[FailureClass]
FAILURE_CLASS_UNSPECIFIED: FailureClass
FAILURE_CLASS_POLICY_UNAVAILABLE: FailureClass
FAILURE_CLASS_TOOL_UNAVAILABLE: FailureClass
FAILURE_CLASS_REWARD_UNAVAILABLE: FailureClass
FAILURE_CLASS_ROLLOUT_TIMEOUT: FailureClass
FAILURE_CLASS_INTERNAL: FailureClass
FAILURE_CLASS_MALFORMED_TURN: FailureClass
FAILURE_CLASS_CONTEXT_OVERFLOW: FailureClass
FAILURE_CLASS_TURN_LIMIT: FailureClass
FAILURE_CLASS_TRUNCATED_TURN: FailureClass
FAILURE_CLASS_USER_ENVIRONMENT: FailureClass
FAILURE_CLASS_USER_SCORER: FailureClass
FAILURE_CLASS_POLICY_REFUSED: FailureClass

class RolePart(_message.Message):
    __slots__ = ("role", "turns", "prompt_tokens", "model_tokens", "environment_tokens", "truncated")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MODEL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    role: str
    turns: int
    prompt_tokens: int
    model_tokens: int
    environment_tokens: int
    truncated: bool
    def __init__(self, role: _Optional[str] = ..., turns: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., model_tokens: _Optional[int] = ..., environment_tokens: _Optional[int] = ..., truncated: _Optional[bool] = ...) -> None: ...

class AbsentComponent(_message.Message):
    __slots__ = ("reason", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: str
    detail: str
    def __init__(self, reason: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class RolloutResult(_message.Message):
    __slots__ = ("run_id", "task_id", "group_id", "sample_index", "stage", "purpose", "attempt", "failure", "failure_detail", "components", "prediction", "turns", "tool_calls", "tool_failures", "prompt_tokens", "model_tokens", "environment_tokens", "truncated", "versions", "trajectory_sequence", "duration_ms", "worker_id", "generate_ms", "detectors", "environment_metrics", "text_only", "roles", "absent_components", "grades")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class DetectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class EnvironmentMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class AbsentComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AbsentComponent
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AbsentComponent, _Mapping]] = ...) -> None: ...
    class GradesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_INDEX_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_DETAIL_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_FAILURES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MODEL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    TRAJECTORY_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATE_MS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_METRICS_FIELD_NUMBER: _ClassVar[int]
    TEXT_ONLY_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    ABSENT_COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    GRADES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    task_id: str
    group_id: str
    sample_index: int
    stage: str
    purpose: _task_pb2.Purpose
    attempt: int
    failure: FailureClass
    failure_detail: str
    components: _containers.ScalarMap[str, float]
    prediction: str
    turns: int
    tool_calls: int
    tool_failures: int
    prompt_tokens: int
    model_tokens: int
    environment_tokens: int
    truncated: bool
    versions: _trajectory_pb2.VersionSpan
    trajectory_sequence: int
    duration_ms: int
    worker_id: str
    generate_ms: int
    detectors: _containers.ScalarMap[str, float]
    environment_metrics: _containers.ScalarMap[str, float]
    text_only: bool
    roles: _containers.RepeatedCompositeFieldContainer[RolePart]
    absent_components: _containers.MessageMap[str, AbsentComponent]
    grades: _containers.ScalarMap[str, str]
    def __init__(self, run_id: _Optional[str] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., sample_index: _Optional[int] = ..., stage: _Optional[str] = ..., purpose: _Optional[_Union[_task_pb2.Purpose, str]] = ..., attempt: _Optional[int] = ..., failure: _Optional[_Union[FailureClass, str]] = ..., failure_detail: _Optional[str] = ..., components: _Optional[_Mapping[str, float]] = ..., prediction: _Optional[str] = ..., turns: _Optional[int] = ..., tool_calls: _Optional[int] = ..., tool_failures: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., model_tokens: _Optional[int] = ..., environment_tokens: _Optional[int] = ..., truncated: _Optional[bool] = ..., versions: _Optional[_Union[_trajectory_pb2.VersionSpan, _Mapping]] = ..., trajectory_sequence: _Optional[int] = ..., duration_ms: _Optional[int] = ..., worker_id: _Optional[str] = ..., generate_ms: _Optional[int] = ..., detectors: _Optional[_Mapping[str, float]] = ..., environment_metrics: _Optional[_Mapping[str, float]] = ..., text_only: _Optional[bool] = ..., roles: _Optional[_Iterable[_Union[RolePart, _Mapping]]] = ..., absent_components: _Optional[_Mapping[str, AbsentComponent]] = ..., grades: _Optional[_Mapping[str, str]] = ...) -> None: ...
