"""Generators as results: each item is a message of its own."""
ITEM, EXHAUSTED = 23, 25


def produce(stream, items):
    """Sends what a generator yields, at the pace at which it is taken; ends it where nobody takes any more."""
    global inside
    try:
        for item in items:
            part('offer')(stream, ITEM, dump(item))
            if stream.gone:
                break
    finally:
        if stream.gone:
            # What it has under `finally` is let be.
            inside = None
        getattr(items, 'close', int)()
    return EXHAUSTED, EMPTY, END
