from gradus.rollout.v1 import judged_pb2 as _judged_pb2
from gradus.rollout.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Turn(_message.Message):
    __slots__ = ("text", "tool_call", "answer", "violation", "truncated", "role")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    VIOLATION_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    text: str
    tool_call: ToolCall
    answer: Answer
    violation: Violation
    truncated: bool
    role: str
    def __init__(self, text: _Optional[str] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., violation: _Optional[_Union[Violation, _Mapping]] = ..., truncated: _Optional[bool] = ..., role: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("name", "succeeded", "error", "facts_json", "arguments_json", "result")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FACTS_JSON_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    name: str
    succeeded: bool
    error: str
    facts_json: str
    arguments_json: str
    result: str
    def __init__(self, name: _Optional[str] = ..., succeeded: _Optional[bool] = ..., error: _Optional[str] = ..., facts_json: _Optional[str] = ..., arguments_json: _Optional[str] = ..., result: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Violation(_message.Message):
    __slots__ = ("code", "was_call")
    CODE_FIELD_NUMBER: _ClassVar[int]
    WAS_CALL_FIELD_NUMBER: _ClassVar[int]
    code: str
    was_call: bool
    def __init__(self, code: _Optional[str] = ..., was_call: _Optional[bool] = ...) -> None: ...

class ScoreItem(_message.Message):
    __slots__ = ("id", "row", "turns", "scorers", "tokens", "given", "judged")
    class GivenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    SCORERS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    id: str
    row: _task_pb2.Row
    turns: _containers.RepeatedCompositeFieldContainer[Turn]
    scorers: _containers.RepeatedCompositeFieldContainer[_task_pb2.ScorerSettings]
    tokens: TokenCounts
    given: _containers.ScalarMap[str, float]
    judged: _containers.RepeatedCompositeFieldContainer[_judged_pb2.JudgedComponent]
    def __init__(self, id: _Optional[str] = ..., row: _Optional[_Union[_task_pb2.Row, _Mapping]] = ..., turns: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., scorers: _Optional[_Iterable[_Union[_task_pb2.ScorerSettings, _Mapping]]] = ..., tokens: _Optional[_Union[TokenCounts, _Mapping]] = ..., given: _Optional[_Mapping[str, float]] = ..., judged: _Optional[_Iterable[_Union[_judged_pb2.JudgedComponent, _Mapping]]] = ...) -> None: ...

class TokenCounts(_message.Message):
    __slots__ = ("prompt", "model", "environment")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    prompt: int
    model: int
    environment: int
    def __init__(self, prompt: _Optional[int] = ..., model: _Optional[int] = ..., environment: _Optional[int] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("id", "components", "absent", "judgements", "detectors", "threw", "absent_details")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class AbsentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class JudgementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Judgement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Judgement, _Mapping]] = ...) -> None: ...
    class DetectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ThrewEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AbsentDetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    THREW_FIELD_NUMBER: _ClassVar[int]
    ABSENT_DETAILS_FIELD_NUMBER: _ClassVar[int]
    id: str
    components: _containers.ScalarMap[str, float]
    absent: _containers.ScalarMap[str, str]
    judgements: _containers.MessageMap[str, Judgement]
    detectors: _containers.ScalarMap[str, float]
    threw: _containers.ScalarMap[str, str]
    absent_details: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., components: _Optional[_Mapping[str, float]] = ..., absent: _Optional[_Mapping[str, str]] = ..., judgements: _Optional[_Mapping[str, Judgement]] = ..., detectors: _Optional[_Mapping[str, float]] = ..., threw: _Optional[_Mapping[str, str]] = ..., absent_details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("reply_id", "source", "grade", "criteria")
    class CriteriaEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    REPLY_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    reply_id: str
    source: str
    grade: str
    criteria: _containers.ScalarMap[str, float]
    def __init__(self, reply_id: _Optional[str] = ..., source: _Optional[str] = ..., grade: _Optional[str] = ..., criteria: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("scores",)
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("custom_settings",)
    CUSTOM_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    custom_settings: _containers.RepeatedCompositeFieldContainer[_task_pb2.ScorerSettings]
    def __init__(self, custom_settings: _Optional[_Iterable[_Union[_task_pb2.ScorerSettings, _Mapping]]] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("scorers", "judges", "custom", "detectors", "settings_problems")
    class SettingsProblemsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    SCORERS_FIELD_NUMBER: _ClassVar[int]
    JUDGES_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    scorers: _containers.RepeatedScalarFieldContainer[str]
    judges: _containers.RepeatedCompositeFieldContainer[JudgeState]
    custom: _containers.RepeatedCompositeFieldContainer[CustomScorerState]
    detectors: _containers.RepeatedScalarFieldContainer[str]
    settings_problems: _containers.ScalarMap[int, str]
    def __init__(self, scorers: _Optional[_Iterable[str]] = ..., judges: _Optional[_Iterable[_Union[JudgeState, _Mapping]]] = ..., custom: _Optional[_Iterable[_Union[CustomScorerState, _Mapping]]] = ..., detectors: _Optional[_Iterable[str]] = ..., settings_problems: _Optional[_Mapping[int, str]] = ...) -> None: ...

class CustomScorerState(_message.Message):
    __slots__ = ("name", "kind", "source", "calls", "absences", "restarts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    ABSENCES_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    source: str
    calls: int
    absences: int
    restarts: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., source: _Optional[str] = ..., calls: _Optional[int] = ..., absences: _Optional[int] = ..., restarts: _Optional[int] = ...) -> None: ...

class JudgeState(_message.Message):
    __slots__ = ("name", "model", "circuit", "running_calls", "waiting", "calls", "retries", "retry_budget", "cache_hits", "absences", "prompt_tokens", "completion_tokens", "cost")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_CALLS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_BUDGET_FIELD_NUMBER: _ClassVar[int]
    CACHE_HITS_FIELD_NUMBER: _ClassVar[int]
    ABSENCES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    circuit: str
    running_calls: int
    waiting: int
    calls: int
    retries: int
    retry_budget: float
    cache_hits: int
    absences: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., circuit: _Optional[str] = ..., running_calls: _Optional[int] = ..., waiting: _Optional[int] = ..., calls: _Optional[int] = ..., retries: _Optional[int] = ..., retry_budget: _Optional[float] = ..., cache_hits: _Optional[int] = ..., absences: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cost: _Optional[float] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: ScoreItem
    def __init__(self, item: _Optional[_Union[ScoreItem, _Mapping]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("components", "detectors")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[Explanation]
    detectors: _containers.RepeatedCompositeFieldContainer[Explanation]
    def __init__(self, components: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., detectors: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("name", "value", "reasons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...
