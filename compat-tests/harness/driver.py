"""One thing asked of one context, and what comes of it, step by step, by `driver.rs`: what no verb asks for by itself.

Steps: ('type', bytes), ('fill', count): all bytes in turn, ('await', bytes): until the output has it, 'silence': until a connection's output has
ended, ('size', rows, columns), 'end', 'cancel'.
"""

import json
import pathlib
import tempfile

from .binary import BINARY
from .cargo import built

TERMINAL = (b'vt100', 24, 80)
NATIVE = 'native'
# What 'fill' sends.
ALL_BYTES = bytes(range(256))


class Ended:
    def __init__(self, folder, result):
        assert result.rc == 0, result
        read = lambda name: (folder / name).read_bytes()
        self.out, self.err, self.how = read('out'), read('err'), read('end').decode()

    def __repr__(self):
        return f'{self.how}\n--- out\n{self.out[:4000]!r}\n--- err\n{self.err[:4000]!r}'


class Driver:
    """`python` is the path of an interpreter, or NATIVE."""

    def __init__(self, hop, python):
        self.hop, self.python = hop, python
        # What it is started through, with all that a context at this place then has from there.
        self.through = []
        if python == NATIVE:
            hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'

    def start(self, *steps, **order):
        return Live(self, steps, order)

    def __call__(self, *steps, timeout=60, **order):
        return self.start(*steps, **order).finish(timeout)

    def shell(self, line, *steps, **order):
        return self(*steps, words=[line], **order)


class Live:
    def __init__(self, driver, steps, order):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=driver.hop.scratch))
        steps = [step if isinstance(step, str) else {step[0]: step[1] if len(step) == 2 else step[1:]} for step in steps]
        self.process = driver.hop.program(*driver.through, built('--example', 'driver'), 'local:', driver.python,
                                          _json(order), _json(steps), self.folder)

    def finish(self, timeout=60):
        return Ended(self.folder, self.process.finish(timeout))


def _json(value):
    return json.dumps(_plain(value))


def _plain(value):
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
