"""Commands whose streams lead to another context than the one that orders them: by two splices, in and out."""


class Wire(Stream):
    """One direction of it: a joined stream, which nothing opens."""
    opening, ends = DATA, 1


def crossed(stream, body):
    order = load(body)[0]
    lanes = order.get('lanes')
    if not lanes:
        return ordered(stream, order)
    peer, input, output = lanes
    lock.acquire()
    stream.input, stream.output = Wire(peer, input), Wire(peer, output)
    stream.input.cancel = stream.output.cancel = lambda: stream.cancel()
    lock.release()
    ordered(stream, order)


handlers[RUN] = crossed
