from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SegmentKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEGMENT_KIND_UNSPECIFIED: _ClassVar[SegmentKind]
    SEGMENT_KIND_PROMPT: _ClassVar[SegmentKind]
    SEGMENT_KIND_MODEL: _ClassVar[SegmentKind]
    SEGMENT_KIND_ENVIRONMENT: _ClassVar[SegmentKind]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_CONTEXT: _ClassVar[FinishReason]
    FINISH_REASON_ABORTED: _ClassVar[FinishReason]

class LogprobKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOGPROB_KIND_UNSPECIFIED: _ClassVar[LogprobKind]
    LOGPROB_KIND_RAW: _ClassVar[LogprobKind]
    LOGPROB_KIND_TEMPERED: _ClassVar[LogprobKind]
    LOGPROB_KIND_ABSENT: _ClassVar[LogprobKind]
    LOGPROB_KIND_FORMED: _ClassVar[LogprobKind]
SEGMENT_KIND_UNSPECIFIED: SegmentKind
SEGMENT_KIND_PROMPT: SegmentKind
SEGMENT_KIND_MODEL: SegmentKind
SEGMENT_KIND_ENVIRONMENT: SegmentKind
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_CONTEXT: FinishReason
FINISH_REASON_ABORTED: FinishReason
LOGPROB_KIND_UNSPECIFIED: LogprobKind
LOGPROB_KIND_RAW: LogprobKind
LOGPROB_KIND_TEMPERED: LogprobKind
LOGPROB_KIND_ABSENT: LogprobKind
LOGPROB_KIND_FORMED: LogprobKind

class Sampling(_message.Message):
    __slots__ = ("temperature", "top_p", "top_k", "max_new_tokens", "seed", "stop")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    seed: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., top_k: _Optional[int] = ..., max_new_tokens: _Optional[int] = ..., seed: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ...) -> None: ...

class VersionSpan(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("kind", "token_ids", "text", "logprobs", "logprob_kind", "finish_reason", "versions", "sampling", "role")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_KIND_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    kind: SegmentKind
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    text: str
    logprobs: _containers.RepeatedScalarFieldContainer[float]
    logprob_kind: LogprobKind
    finish_reason: FinishReason
    versions: VersionSpan
    sampling: Sampling
    role: str
    def __init__(self, kind: _Optional[_Union[SegmentKind, str]] = ..., token_ids: _Optional[_Iterable[int]] = ..., text: _Optional[str] = ..., logprobs: _Optional[_Iterable[float]] = ..., logprob_kind: _Optional[_Union[LogprobKind, str]] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., versions: _Optional[_Union[VersionSpan, _Mapping]] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., role: _Optional[str] = ...) -> None: ...

class RoleSequence(_message.Message):
    __slots__ = ("role", "sequence_digest")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    role: str
    sequence_digest: bytes
    def __init__(self, role: _Optional[str] = ..., sequence_digest: _Optional[bytes] = ...) -> None: ...

class Trajectory(_message.Message):
    __slots__ = ("run_id", "task_id", "segments", "tokenizer_hash", "sequence_digest", "task", "score_item", "score", "roles")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_HASH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SCORE_ITEM_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    task_id: str
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    tokenizer_hash: str
    sequence_digest: bytes
    task: bytes
    score_item: bytes
    score: bytes
    roles: _containers.RepeatedCompositeFieldContainer[RoleSequence]
    def __init__(self, run_id: _Optional[str] = ..., task_id: _Optional[str] = ..., segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., tokenizer_hash: _Optional[str] = ..., sequence_digest: _Optional[bytes] = ..., task: _Optional[bytes] = ..., score_item: _Optional[bytes] = ..., score: _Optional[bytes] = ..., roles: _Optional[_Iterable[_Union[RoleSequence, _Mapping]]] = ...) -> None: ...
