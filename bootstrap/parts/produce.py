"""Generators as results: each item is a message of its own."""
ITEM, EXHAUSTED = 23, 25


def produce(stream, items):
    """Sends what a generator yields, at the pace at which it is taken; ends it where nobody takes any more."""
    try:
        for item in items:
            part('offer')(stream, ITEM, dump(item))
            if stream.gone:
                break
    finally:
        getattr(items, 'close', int)()
    return EXHAUSTED, EMPTY, END
