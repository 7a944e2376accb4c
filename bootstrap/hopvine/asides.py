"""What is written and logged in contexts beside all calls: by threads and processes that calls have left behind."""
from hopvine import operation, output
from hopvine.backend import wire


class Asides(object):
    """Shows what comes on one stream for all tunnels. `tunnels`: (host, what shows its lines or None) by number."""

    def __init__(self, stream, tunnels):
        self.stream, self.tunnels, self.outputs = stream, tunnels, {}

    def heard(self, tag, body, end):
        if tag is None:
            return
        number, message = wire.load(body)[0]
        self.stream.used(len(body) + 1)
        if number not in self.tunnels:
            return
        host, show = self.tunnels[number]
        tag, = wire.unpack('B', message[:1])
        if tag == operation.LOG:
            operation.guarded(output.log, host, wire.load(message[1:])[0])
        elif tag in operation.STREAMS:
            if number not in self.outputs:
                self.outputs[number] = operation.Outputs(host, show)
            self.outputs[number].show(tag, message[1:])
