class Result:
    host: str
    command: str | bytes | list[str | bytes]
    status: int
    stdout: bytes
    stderr: bytes
    def check(self) -> Result: ...
