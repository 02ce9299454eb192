from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PendingWait(_message.Message):
    __slots__ = ("what", "task_id", "detail", "waited_ms", "expected_ms")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    WAITED_MS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_MS_FIELD_NUMBER: _ClassVar[int]
    what: str
    task_id: str
    detail: str
    waited_ms: int
    expected_ms: int
    def __init__(self, what: _Optional[str] = ..., task_id: _Optional[str] = ..., detail: _Optional[str] = ..., waited_ms: _Optional[int] = ..., expected_ms: _Optional[int] = ...) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("worker_id", "at_ms", "held", "limit", "waits", "overdue")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    at_ms: int
    held: int
    limit: int
    waits: _containers.RepeatedCompositeFieldContainer[PendingWait]
    overdue: int
    def __init__(self, worker_id: _Optional[str] = ..., at_ms: _Optional[int] = ..., held: _Optional[int] = ..., limit: _Optional[int] = ..., waits: _Optional[_Iterable[_Union[PendingWait, _Mapping]]] = ..., overdue: _Optional[int] = ...) -> None: ...
