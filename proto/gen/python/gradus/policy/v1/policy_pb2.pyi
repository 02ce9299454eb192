from gradus.trajectory.v1 import trajectory_pb2 as _trajectory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutputFormKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_FORM_KIND_UNSPECIFIED: _ClassVar[OutputFormKind]
    OUTPUT_FORM_KIND_JSON_OBJECT: _ClassVar[OutputFormKind]
    OUTPUT_FORM_KIND_JSON_SCHEMA: _ClassVar[OutputFormKind]
    OUTPUT_FORM_KIND_REGEX: _ClassVar[OutputFormKind]
    OUTPUT_FORM_KIND_GRAMMAR: _ClassVar[OutputFormKind]

class EngineOutput(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENGINE_OUTPUT_UNSPECIFIED: _ClassVar[EngineOutput]
    ENGINE_OUTPUT_TEXT: _ClassVar[EngineOutput]
    ENGINE_OUTPUT_TOKENS: _ClassVar[EngineOutput]
    ENGINE_OUTPUT_LOGPROBS: _ClassVar[EngineOutput]

class EngineState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENGINE_STATE_UNSPECIFIED: _ClassVar[EngineState]
    ENGINE_STATE_UP: _ClassVar[EngineState]
    ENGINE_STATE_DOWN: _ClassVar[EngineState]
    ENGINE_STATE_DRAINING: _ClassVar[EngineState]
OUTPUT_FORM_KIND_UNSPECIFIED: OutputFormKind
OUTPUT_FORM_KIND_JSON_OBJECT: OutputFormKind
OUTPUT_FORM_KIND_JSON_SCHEMA: OutputFormKind
OUTPUT_FORM_KIND_REGEX: OutputFormKind
OUTPUT_FORM_KIND_GRAMMAR: OutputFormKind
ENGINE_OUTPUT_UNSPECIFIED: EngineOutput
ENGINE_OUTPUT_TEXT: EngineOutput
ENGINE_OUTPUT_TOKENS: EngineOutput
ENGINE_OUTPUT_LOGPROBS: EngineOutput
ENGINE_STATE_UNSPECIFIED: EngineState
ENGINE_STATE_UP: EngineState
ENGINE_STATE_DOWN: EngineState
ENGINE_STATE_DRAINING: EngineState

class DescribeRequest(_message.Message):
    __slots__ = ("before_engines",)
    BEFORE_ENGINES_FIELD_NUMBER: _ClassVar[int]
    before_engines: bool
    def __init__(self, before_engines: _Optional[bool] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("model", "parameters", "max_context_tokens", "vocabulary_size", "tokenizer_hash", "version", "running", "waiting", "engines", "tokenizer_path", "weights_path", "load", "engine_list", "weights_digest", "output", "logprob_kind", "fixed_weights", "server", "advice", "forms", "epoch")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_HASH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_PATH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    ENGINE_LIST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_KIND_FIELD_NUMBER: _ClassVar[int]
    FIXED_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    model: str
    parameters: int
    max_context_tokens: int
    vocabulary_size: int
    tokenizer_hash: str
    version: int
    running: int
    waiting: int
    engines: int
    tokenizer_path: str
    weights_path: str
    load: EngineLoad
    engine_list: _containers.RepeatedCompositeFieldContainer[EngineStatus]
    weights_digest: str
    output: EngineOutput
    logprob_kind: _trajectory_pb2.LogprobKind
    fixed_weights: bool
    server: str
    advice: _containers.RepeatedScalarFieldContainer[str]
    forms: _containers.RepeatedScalarFieldContainer[OutputFormKind]
    epoch: int
    def __init__(self, model: _Optional[str] = ..., parameters: _Optional[int] = ..., max_context_tokens: _Optional[int] = ..., vocabulary_size: _Optional[int] = ..., tokenizer_hash: _Optional[str] = ..., version: _Optional[int] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ..., engines: _Optional[int] = ..., tokenizer_path: _Optional[str] = ..., weights_path: _Optional[str] = ..., load: _Optional[_Union[EngineLoad, _Mapping]] = ..., engine_list: _Optional[_Iterable[_Union[EngineStatus, _Mapping]]] = ..., weights_digest: _Optional[str] = ..., output: _Optional[_Union[EngineOutput, str]] = ..., logprob_kind: _Optional[_Union[_trajectory_pb2.LogprobKind, str]] = ..., fixed_weights: _Optional[bool] = ..., server: _Optional[str] = ..., advice: _Optional[_Iterable[str]] = ..., forms: _Optional[_Iterable[_Union[OutputFormKind, str]]] = ..., epoch: _Optional[int] = ...) -> None: ...

class OutputForm(_message.Message):
    __slots__ = ("kind", "definition")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    kind: OutputFormKind
    definition: str
    def __init__(self, kind: _Optional[_Union[OutputFormKind, str]] = ..., definition: _Optional[str] = ...) -> None: ...

class EngineLoad(_message.Message):
    __slots__ = ("running", "waiting", "capacity", "kv_used_ratio", "preemptions")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    KV_USED_RATIO_FIELD_NUMBER: _ClassVar[int]
    PREEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    running: int
    waiting: int
    capacity: int
    kv_used_ratio: float
    preemptions: int
    def __init__(self, running: _Optional[int] = ..., waiting: _Optional[int] = ..., capacity: _Optional[int] = ..., kv_used_ratio: _Optional[float] = ..., preemptions: _Optional[int] = ...) -> None: ...

class EngineStatus(_message.Message):
    __slots__ = ("address", "state", "version", "load", "in_flight", "output", "logprob_kind", "fixed_weights", "server", "advice", "problem", "forms")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_KIND_FIELD_NUMBER: _ClassVar[int]
    FIXED_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    address: str
    state: EngineState
    version: int
    load: EngineLoad
    in_flight: int
    output: EngineOutput
    logprob_kind: _trajectory_pb2.LogprobKind
    fixed_weights: bool
    server: str
    advice: _containers.RepeatedScalarFieldContainer[str]
    problem: str
    forms: _containers.RepeatedScalarFieldContainer[OutputFormKind]
    def __init__(self, address: _Optional[str] = ..., state: _Optional[_Union[EngineState, str]] = ..., version: _Optional[int] = ..., load: _Optional[_Union[EngineLoad, _Mapping]] = ..., in_flight: _Optional[int] = ..., output: _Optional[_Union[EngineOutput, str]] = ..., logprob_kind: _Optional[_Union[_trajectory_pb2.LogprobKind, str]] = ..., fixed_weights: _Optional[bool] = ..., server: _Optional[str] = ..., advice: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ..., forms: _Optional[_Iterable[_Union[OutputFormKind, str]]] = ...) -> None: ...

class AddEngineRequest(_message.Message):
    __slots__ = ("address",)
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: str
    def __init__(self, address: _Optional[str] = ...) -> None: ...

class AddEngineResponse(_message.Message):
    __slots__ = ("engines",)
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    engines: int
    def __init__(self, engines: _Optional[int] = ...) -> None: ...

class RemoveEngineRequest(_message.Message):
    __slots__ = ("address", "drain_ms")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_MS_FIELD_NUMBER: _ClassVar[int]
    address: str
    drain_ms: int
    def __init__(self, address: _Optional[str] = ..., drain_ms: _Optional[int] = ...) -> None: ...

class RemoveEngineResponse(_message.Message):
    __slots__ = ("moved", "engines")
    MOVED_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    moved: int
    engines: int
    def __init__(self, moved: _Optional[int] = ..., engines: _Optional[int] = ...) -> None: ...

class TokenizeRequest(_message.Message):
    __slots__ = ("text", "texts", "chats", "outside_texts", "format_tags", "token_ids")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    CHATS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_TEXTS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_TAGS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    text: str
    texts: _containers.RepeatedScalarFieldContainer[str]
    chats: _containers.RepeatedCompositeFieldContainer[Chat]
    outside_texts: _containers.RepeatedScalarFieldContainer[str]
    format_tags: _containers.RepeatedScalarFieldContainer[str]
    token_ids: _containers.RepeatedCompositeFieldContainer[TokenIds]
    def __init__(self, text: _Optional[str] = ..., texts: _Optional[_Iterable[str]] = ..., chats: _Optional[_Iterable[_Union[Chat, _Mapping]]] = ..., outside_texts: _Optional[_Iterable[str]] = ..., format_tags: _Optional[_Iterable[str]] = ..., token_ids: _Optional[_Iterable[_Union[TokenIds, _Mapping]]] = ...) -> None: ...

class TokenIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class Chat(_message.Message):
    __slots__ = ("messages", "continues", "tools_json", "thinking")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_FIELD_NUMBER: _ClassVar[int]
    TOOLS_JSON_FIELD_NUMBER: _ClassVar[int]
    THINKING_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ChatMessage]
    continues: bool
    tools_json: str
    thinking: bool
    def __init__(self, messages: _Optional[_Iterable[_Union[ChatMessage, _Mapping]]] = ..., continues: _Optional[bool] = ..., tools_json: _Optional[str] = ..., thinking: _Optional[bool] = ...) -> None: ...

class ChatMessage(_message.Message):
    __slots__ = ("role", "parts")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    role: str
    parts: _containers.RepeatedCompositeFieldContainer[ChatPart]
    def __init__(self, role: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[ChatPart, _Mapping]]] = ...) -> None: ...

class ChatPart(_message.Message):
    __slots__ = ("text", "trusted")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    text: str
    trusted: bool
    def __init__(self, text: _Optional[str] = ..., trusted: _Optional[bool] = ...) -> None: ...

class TokenizeResponse(_message.Message):
    __slots__ = ("token_ids", "tokenizer_hash", "results", "chats", "outside", "decoded")
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_HASH_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CHATS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    DECODED_FIELD_NUMBER: _ClassVar[int]
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    tokenizer_hash: str
    results: _containers.RepeatedCompositeFieldContainer[TokenizedText]
    chats: _containers.RepeatedCompositeFieldContainer[TokenizedChat]
    outside: _containers.RepeatedCompositeFieldContainer[TokenizedText]
    decoded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, token_ids: _Optional[_Iterable[int]] = ..., tokenizer_hash: _Optional[str] = ..., results: _Optional[_Iterable[_Union[TokenizedText, _Mapping]]] = ..., chats: _Optional[_Iterable[_Union[TokenizedChat, _Mapping]]] = ..., outside: _Optional[_Iterable[_Union[TokenizedText, _Mapping]]] = ..., decoded: _Optional[_Iterable[str]] = ...) -> None: ...

class TokenizedChat(_message.Message):
    __slots__ = ("turn_end_text", "turn_end_token_ids", "text", "token_ids")
    TURN_END_TEXT_FIELD_NUMBER: _ClassVar[int]
    TURN_END_TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    turn_end_text: str
    turn_end_token_ids: _containers.RepeatedScalarFieldContainer[int]
    text: str
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, turn_end_text: _Optional[str] = ..., turn_end_token_ids: _Optional[_Iterable[int]] = ..., text: _Optional[str] = ..., token_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class TokenizedText(_message.Message):
    __slots__ = ("token_ids", "text")
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    text: str
    def __init__(self, token_ids: _Optional[_Iterable[int]] = ..., text: _Optional[str] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "session_id", "token_ids", "sampling", "context_tokens", "priority", "min_version", "trained", "form")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    session_id: str
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    sampling: _trajectory_pb2.Sampling
    context_tokens: int
    priority: int
    min_version: int
    trained: bool
    form: OutputForm
    def __init__(self, request_id: _Optional[str] = ..., session_id: _Optional[str] = ..., token_ids: _Optional[_Iterable[int]] = ..., sampling: _Optional[_Union[_trajectory_pb2.Sampling, _Mapping]] = ..., context_tokens: _Optional[int] = ..., priority: _Optional[int] = ..., min_version: _Optional[int] = ..., trained: _Optional[bool] = ..., form: _Optional[_Union[OutputForm, _Mapping]] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("token_ids", "text", "logprobs", "logprob_kind", "finish_reason", "versions", "sequence_digest", "cached_tokens", "queue_ms", "generate_ms", "load")
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_KIND_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    GENERATE_MS_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    text: str
    logprobs: _containers.RepeatedScalarFieldContainer[float]
    logprob_kind: _trajectory_pb2.LogprobKind
    finish_reason: _trajectory_pb2.FinishReason
    versions: _trajectory_pb2.VersionSpan
    sequence_digest: bytes
    cached_tokens: int
    queue_ms: int
    generate_ms: int
    load: EngineLoad
    def __init__(self, token_ids: _Optional[_Iterable[int]] = ..., text: _Optional[str] = ..., logprobs: _Optional[_Iterable[float]] = ..., logprob_kind: _Optional[_Union[_trajectory_pb2.LogprobKind, str]] = ..., finish_reason: _Optional[_Union[_trajectory_pb2.FinishReason, str]] = ..., versions: _Optional[_Union[_trajectory_pb2.VersionSpan, _Mapping]] = ..., sequence_digest: _Optional[bytes] = ..., cached_tokens: _Optional[int] = ..., queue_ms: _Optional[int] = ..., generate_ms: _Optional[int] = ..., load: _Optional[_Union[EngineLoad, _Mapping]] = ...) -> None: ...

class AbortRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class AbortResponse(_message.Message):
    __slots__ = ("aborted",)
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    aborted: bool
    def __init__(self, aborted: _Optional[bool] = ...) -> None: ...

class LoadVersionRequest(_message.Message):
    __slots__ = ("version", "weights_path", "epoch", "weights_digest")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    weights_path: str
    epoch: int
    weights_digest: str
    def __init__(self, version: _Optional[int] = ..., weights_path: _Optional[str] = ..., epoch: _Optional[int] = ..., weights_digest: _Optional[str] = ...) -> None: ...

class LoadVersionResponse(_message.Message):
    __slots__ = ("version", "carried_over")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CARRIED_OVER_FIELD_NUMBER: _ClassVar[int]
    version: int
    carried_over: int
    def __init__(self, version: _Optional[int] = ..., carried_over: _Optional[int] = ...) -> None: ...

class RegisterSessionsRequest(_message.Message):
    __slots__ = ("worker_token", "address", "opens")
    WORKER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    OPENS_FIELD_NUMBER: _ClassVar[int]
    worker_token: str
    address: str
    opens: bool
    def __init__(self, worker_token: _Optional[str] = ..., address: _Optional[str] = ..., opens: _Optional[bool] = ...) -> None: ...

class RegisterSessionsResponse(_message.Message):
    __slots__ = ("lives_ms",)
    LIVES_MS_FIELD_NUMBER: _ClassVar[int]
    lives_ms: int
    def __init__(self, lives_ms: _Optional[int] = ...) -> None: ...
