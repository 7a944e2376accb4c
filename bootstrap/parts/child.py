"""Children that user code asks for: the controller decides, and starts them below this context."""


def child(target):
    """Returns the number of a context at the end of that path from here, once it runs; raises RuntimeError with what
    is in the way. Never from the loop's thread."""
    answer = ask(NEED, utf8('child:' + target))
    if not answer:
        raise RuntimeError('the controller does not start children')
    value = load(answer[1])[0]
    if type(value) in Int:
        return value
    raise RuntimeError(value)
