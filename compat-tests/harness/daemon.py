"""A server of ours that stays up for the whole run, and the wait until it answers."""

import os
import select
import socket
import subprocess
import time


class Daemon:
    """Started in its own session; its words go to a file, which is shown when it does not come up."""

    def __init__(self, argv, log, addresses, env):
        self.log = log
        with open(log, 'wb') as words:
            self.popen = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=words,
                                          stderr=words, env=env, start_new_session=True)
        self.pid = self.popen.pid
        try:
            for address in addresses:
                self._answers(address, time.monotonic() + 20)
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.popen.poll() is None:
            self.popen.terminate()
        self.popen.wait()

    def _answers(self, address, deadline):
        watch = os.pidfd_open(self.pid)
        try:
            while time.monotonic() < deadline:
                try:
                    return connect(address).close()
                except (ConnectionRefusedError, FileNotFoundError):
                    # A listening socket announces itself to nobody; the daemon's death does, and ends the wait.
                    if select.select([watch], [], [], 0.02)[0]:
                        break
        finally:
            os.close(watch)
        raise AssertionError(f'{self.popen.args} does not answer at {address}:\n{self.log.read_text()}')


def connect(address):
    """`address`: host and port, or the path of a socket."""
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=1)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection


def free_port():
    """A port that is free at every loopback address, as far as can be known."""
    with socket.create_server(('0.0.0.0', 0)) as listener:
        return listener.getsockname()[1]
