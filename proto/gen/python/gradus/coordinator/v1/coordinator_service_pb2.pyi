from gradus.access.v1 import access_pb2 as _access_pb2
from gradus.coordinator.v1 import coordinator_pb2 as _coordinator_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
