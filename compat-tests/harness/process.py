"""A child process in its own session, and what it left behind. Everything waits for bytes, end of file or exit."""

import json
import os
import select
import selectors
import shlex
import signal
import subprocess
import time


class Result:
    """How a process ended: status (negative: killed by that signal), both outputs, and the seconds it took."""

    def __init__(self, argv, rc, out, err, seconds):
        self.argv, self.rc, self.out, self.err, self.seconds = argv, rc, out, err, seconds

    @property
    def text(self):
        return self.out.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def said(self):
        """stderr as text; it may hold anything a remote printed."""
        return self.err.decode(errors='replace')

    @property
    def json(self):
        """The JSON objects printed, by target. Two objects for one target would be an error of ours."""
        objects = [self._parsed(line) for line in self.lines]
        by_target = {each['target']: each for each in objects}
        assert len(by_target) == len(objects), self
        return by_target

    @property
    def only(self):
        """The single JSON object printed."""
        assert len(self.json) == 1, self
        return next(iter(self.json.values()))

    @property
    def value(self):
        """What a single call without --json printed."""
        return self._parsed(self.text)

    def _parsed(self, text):
        try:
            return json.loads(text)
        except ValueError as error:
            raise AssertionError(f'{error}\n{self!r}') from None

    def __repr__(self):
        def shown(data):
            text = data.decode(errors='backslashreplace')
            return text if len(text) < 6000 else text[:3000] + '\n[...]\n' + text[-3000:]
        command = shlex.join(str(word) for word in self.argv)
        return (f'$ {command}\nrc {self.rc} after {self.seconds:.2f} s\n'
                f'--- stdout\n{shown(self.out)}\n--- stderr\n{shown(self.err)}\n---')


class Process:
    """Started at once. `stdin` is None (/dev/null), bytes (a pipe, then end of file), or PIPE to `feed` it by hand."""

    def __init__(self, argv, env=None, cwd=None, stdin=None, **popen):
        self.argv = [str(word) for word in argv]
        self.started = time.monotonic()
        self.outputs = {'out': bytearray(), 'err': bytearray()}
        popen.setdefault('stdout', subprocess.PIPE)
        popen.setdefault('stderr', subprocess.PIPE)
        source = {type(None): subprocess.DEVNULL, bytes: subprocess.PIPE}.get(type(stdin), stdin)
        self.popen = subprocess.Popen(self.argv, env=env, cwd=cwd, stdin=source, start_new_session=True,
                                      bufsize=0, **popen)
        self.pid = self.popen.pid
        self._selector = selectors.DefaultSelector()
        for name, stream in (('out', self.popen.stdout), ('err', self.popen.stderr)):
            if stream:
                self._selector.register(stream, selectors.EVENT_READ, name)
        self._unsent = memoryview(b'')
        if isinstance(stdin, bytes):
            self._unsent = memoryview(stdin)
            os.set_blocking(self.popen.stdin.fileno(), False)
            self._selector.register(self.popen.stdin, selectors.EVENT_WRITE, 'in')

    @property
    def result(self):
        return Result(self.argv, self.popen.returncode, bytes(self.outputs['out']), bytes(self.outputs['err']),
                      time.monotonic() - self.started)

    def feed(self, data):
        self.popen.stdin.write(data)

    def until(self, marker, stream='out', timeout=30):
        """Read until `marker` (b'': anything) has been printed; return the seconds since the start."""
        deadline = time.monotonic() + timeout
        while marker not in self.outputs[stream] or not self.outputs[stream]:
            if not self._pump(deadline):
                raise AssertionError(f'{marker!r} did not come on std{stream}\n{self.finish(1)!r}')
        return time.monotonic() - self.started

    def end_input(self):
        self.popen.stdin.close()

    def signal(self, number):
        self.popen.send_signal(number)

    def finish(self, timeout=60):
        """Read both outputs to their ends and reap; a process that is late is killed and fails the test."""
        deadline = time.monotonic() + timeout
        while self._selector.get_map() and self._pump(deadline):
            pass
        late = bool(self._selector.get_map()) or not exits(self.pid, deadline)
        if late:
            os.killpg(self.pid, signal.SIGKILL)
        self.close()
        if late:
            raise AssertionError(f'not over after {timeout} s\n{self.result!r}')
        return self.result

    def close(self):
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()
        self._selector.close()
        self.popen.wait()

    def _pump(self, deadline):
        """One turn: False when nothing is left to wait for, or the deadline has passed."""
        left = deadline - time.monotonic()
        if left <= 0 or not self._selector.get_map():
            return False
        for key, _ in self._selector.select(left):
            if key.data == 'in':
                self._send(key.fileobj)
                continue
            data = os.read(key.fd, 65536)
            self.outputs[key.data] += data
            if not data:
                self._selector.unregister(key.fileobj)
        return True

    def _send(self, stdin):
        try:
            self._unsent = self._unsent[os.write(stdin.fileno(), self._unsent[:65536]):]
        except BrokenPipeError:
            self._unsent = memoryview(b'')
        if not self._unsent:
            self._selector.unregister(stdin)
            stdin.close()


def exits(pid, deadline):
    """Whether `pid` ends before `deadline` (a zombie has ended)."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(watch, select.POLLIN)
        return bool(poller.poll(max(0, deadline - time.monotonic()) * 1000))
    finally:
        os.close(watch)


def peak_bytes(pid):
    """The most memory that it has had at a time."""
    with open(f'/proc/{pid}/status') as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith('VmHWM:'))
