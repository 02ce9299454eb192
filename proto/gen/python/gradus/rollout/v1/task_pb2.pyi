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

class Question(_message.Message):
    __slots__ = ("id", "question", "answers", "hops", "support_titles")
    ID_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    HOPS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_TITLES_FIELD_NUMBER: _ClassVar[int]
    id: str
    question: str
    answers: _containers.RepeatedScalarFieldContainer[str]
    hops: int
    support_titles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., question: _Optional[str] = ..., answers: _Optional[_Iterable[str]] = ..., hops: _Optional[int] = ..., support_titles: _Optional[_Iterable[str]] = ...) -> None: ...

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

class RewardWeight(_message.Message):
    __slots__ = ("name", "weight", "settings_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    settings_json: str
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ..., settings_json: _Optional[str] = ...) -> None: ...

class RolloutTask(_message.Message):
    __slots__ = ("run_id", "task_id", "group_id", "sample_index", "stage", "purpose", "environment", "question", "sampling", "limits", "rewards", "attempt", "environment_options_json", "policy_version", "judged", "composition")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_INDEX_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    COMPOSITION_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    task_id: str
    group_id: str
    sample_index: int
    stage: str
    purpose: Purpose
    environment: str
    question: Question
    sampling: _trajectory_pb2.Sampling
    limits: RolloutLimits
    rewards: _containers.RepeatedCompositeFieldContainer[RewardWeight]
    attempt: int
    environment_options_json: str
    policy_version: int
    judged: _containers.RepeatedCompositeFieldContainer[_judged_pb2.JudgedComponent]
    composition: _composition_pb2.Composition
    def __init__(self, run_id: _Optional[str] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., sample_index: _Optional[int] = ..., stage: _Optional[str] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., environment: _Optional[str] = ..., question: _Optional[_Union[Question, _Mapping]] = ..., sampling: _Optional[_Union[_trajectory_pb2.Sampling, _Mapping]] = ..., limits: _Optional[_Union[RolloutLimits, _Mapping]] = ..., rewards: _Optional[_Iterable[_Union[RewardWeight, _Mapping]]] = ..., attempt: _Optional[int] = ..., environment_options_json: _Optional[str] = ..., policy_version: _Optional[int] = ..., judged: _Optional[_Iterable[_Union[_judged_pb2.JudgedComponent, _Mapping]]] = ..., composition: _Optional[_Union[_composition_pb2.Composition, _Mapping]] = ...) -> None: ...
