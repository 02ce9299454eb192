from gradus.rollout.v1 import composition_pb2 as _composition_pb2
from gradus.rollout.v1 import judged_pb2 as _judged_pb2
from gradus.trajectory.v1 import trajectory_pb2 as _trajectory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_TRAIN: _ClassVar[Purpose]
    PURPOSE_EVAL: _ClassVar[Purpose]
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_TRAIN: Purpose
PURPOSE_EVAL: Purpose

class Row(_message.Message):
    __slots__ = ("id", "data_json", "gold_json", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_JSON_FIELD_NUMBER: _ClassVar[int]
    GOLD_JSON_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    data_json: str
    gold_json: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., data_json: _Optional[str] = ..., gold_json: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RolloutLimits(_message.Message):
    __slots__ = ("context_tokens", "max_turns", "tool_timeout_ms", "turn_timeout_ms", "rollout_timeout_ms")
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_TURNS_FIELD_NUMBER: _ClassVar[int]
    TOOL_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TURN_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    ROLLOUT_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    context_tokens: int
    max_turns: int
    tool_timeout_ms: int
    turn_timeout_ms: int
    rollout_timeout_ms: int
    def __init__(self, context_tokens: _Optional[int] = ..., max_turns: _Optional[int] = ..., tool_timeout_ms: _Optional[int] = ..., turn_timeout_ms: _Optional[int] = ..., rollout_timeout_ms: _Optional[int] = ...) -> None: ...

class ScorerSettings(_message.Message):
    __slots__ = ("name", "settings_json", "recorded_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    RECORDED_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings_json: str
    recorded_only: bool
    def __init__(self, name: _Optional[str] = ..., settings_json: _Optional[str] = ..., recorded_only: _Optional[bool] = ...) -> None: ...

class TaskRole(_message.Message):
    __slots__ = ("name", "composition", "train")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMPOSITION_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    composition: _composition_pb2.Composition
    train: bool
    def __init__(self, name: _Optional[str] = ..., composition: _Optional[_Union[_composition_pb2.Composition, _Mapping]] = ..., train: _Optional[bool] = ...) -> None: ...

class RolloutTask(_message.Message):
    __slots__ = ("run_id", "task_id", "group_id", "sample_index", "stage", "purpose", "environment", "row", "sampling", "limits", "scorers", "attempt", "environment_options_json", "policy_version", "judged", "composition", "roles")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_INDEX_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    SCORERS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    COMPOSITION_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    task_id: str
    group_id: str
    sample_index: int
    stage: str
    purpose: Purpose
    environment: str
    row: Row
    sampling: _trajectory_pb2.Sampling
    limits: RolloutLimits
    scorers: _containers.RepeatedCompositeFieldContainer[ScorerSettings]
    attempt: int
    environment_options_json: str
    policy_version: int
    judged: _containers.RepeatedCompositeFieldContainer[_judged_pb2.JudgedComponent]
    composition: _composition_pb2.Composition
    roles: _containers.RepeatedCompositeFieldContainer[TaskRole]
    def __init__(self, run_id: _Optional[str] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., sample_index: _Optional[int] = ..., stage: _Optional[str] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., environment: _Optional[str] = ..., row: _Optional[_Union[Row, _Mapping]] = ..., sampling: _Optional[_Union[_trajectory_pb2.Sampling, _Mapping]] = ..., limits: _Optional[_Union[RolloutLimits, _Mapping]] = ..., scorers: _Optional[_Iterable[_Union[ScorerSettings, _Mapping]]] = ..., attempt: _Optional[int] = ..., environment_options_json: _Optional[str] = ..., policy_version: _Optional[int] = ..., judged: _Optional[_Iterable[_Union[_judged_pb2.JudgedComponent, _Mapping]]] = ..., composition: _Optional[_Union[_composition_pb2.Composition, _Mapping]] = ..., roles: _Optional[_Iterable[_Union[TaskRole, _Mapping]]] = ...) -> None: ...
