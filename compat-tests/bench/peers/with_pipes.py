"""The physical baseline: two processes, two pipes, messages of one size, and nothing that knows what they mean."""

import subprocess
import threading

import measure

MESSAGE = b'x' * 64
ECHO = '''
import sys
source, sink = sys.stdin.buffer, sys.stdout.buffer
while True:
    message = source.read(64)
    if not message:
        break
    sink.write(message)
    sink.flush()
'''


class Echo:
    def __init__(self, python):
        self.process = subprocess.Popen([python, '-S', '-E', '-c', ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self):
        self.process.stdin.write(MESSAGE)
        self.process.stdin.flush()

    def receive(self):
        return self.process.stdout.read(len(MESSAGE))

    def one(self):
        self.send()
        return self.receive()

    def at_once(self, count):
        # Pipes hold less than all messages, so somebody else has to fill them.
        sender = threading.Thread(target=lambda: [self.send() for _ in range(count)])
        sender.start()
        for _ in range(count):
            self.receive()
        sender.join()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def calls(python):
    echo = Echo(python)
    measure.calls(echo.one, echo.at_once)
    echo.close()


def contexts(python, count):
    echoes = []

    def connect_and_call(count):
        echoes.extend(Echo(python) for _ in range(count))
        for echo in echoes:
            echo.send()
        for echo in echoes:
            echo.receive()
        return [echo.process.pid for echo in echoes]

    measure.contexts(int(count), connect_and_call)
    for echo in echoes:
        echo.process.stdin.close()
    for echo in echoes:
        echo.process.wait()


if __name__ == '__main__':
    measure.main(calls=calls, contexts=contexts)
