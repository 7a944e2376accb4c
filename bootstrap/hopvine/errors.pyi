from typing import Any

from .group import GroupResult
from .operation import Result

class HopvineError(Exception): ...
class NotCompleted(HopvineError): ...

class HostError(HopvineError):
    message: str
    kind: str
    host: str | None
    hop: str | None
    said: list[str]
    def __init__(self, message: str, kind: str = ..., host: str | None = ..., hop: str | None = ...,
                 said: list[str] | tuple[str, ...] = ...) -> None: ...

class Cancelled(HostError): ...
class DepthLimitExceeded(HostError): ...
class FileError(HostError): ...

class CommandFailed(HostError):
    result: Result

class ConnectionFailed(HostError, ConnectionError): ...
class TimedOut(HostError, TimeoutError): ...
class Unsendable(HopvineError, TypeError): ...

class RemoteException(HopvineError):
    type: str | None
    message: str
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]
    traceback: str | None
    host: str | None
    cause: RemoteException | None
    results: GroupResult[Any]
