from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JudgedComponent(_message.Message):
    __slots__ = ("name", "judge", "grade", "rubric")
    NAME_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    RUBRIC_FIELD_NUMBER: _ClassVar[int]
    name: str
    judge: str
    grade: Grade
    rubric: Rubric
    def __init__(self, name: _Optional[str] = ..., judge: _Optional[str] = ..., grade: _Optional[_Union[Grade, _Mapping]] = ..., rubric: _Optional[_Union[Rubric, _Mapping]] = ...) -> None: ...

class Grade(_message.Message):
    __slots__ = ("not_attempted",)
    NOT_ATTEMPTED_FIELD_NUMBER: _ClassVar[int]
    not_attempted: float
    def __init__(self, not_attempted: _Optional[float] = ...) -> None: ...

class Rubric(_message.Message):
    __slots__ = ("criteria",)
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    criteria: _containers.RepeatedCompositeFieldContainer[Criterion]
    def __init__(self, criteria: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ...) -> None: ...

class Criterion(_message.Message):
    __slots__ = ("name", "description", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...
