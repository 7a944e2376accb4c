"""An exception as a value: what it is, what it says, where it was, what caused it."""


dump_code = getattr(dump, 'func_code', None) or dump.__code__


def attempt(otherwise, action, *args):
    """What user code's own objects do when they are looked at is theirs: whatever it is, it must not matter."""
    try:
        return action(*args)
    except:
        return otherwise


def sendable(value):
    return attempt(None, dump, value) is not None


def shown(value):
    """The value itself, or what it says of itself, or what it is."""
    if sendable(value):
        return value
    return attempt('<%s>' % name_of(type(value)), repr, value)


def name_of(kind):
    """Its name with its module, unless built in; an exception of Python 2.4 may be a text."""
    name = attempt(None, lambda: str(kind.__name__)) or attempt('?', str, kind)
    module = attempt(None, lambda: kind.__module__)
    if type(module) is str and module not in ('builtins', 'exceptions', '__builtin__'):
        name = module + '.' + name
    return name


def failure(info):
    """Returns the encoded description of sys.exc_info()."""
    told = describe(info, 0)
    trace = info[2]
    while trace.tb_next:
        trace = trace.tb_next
    # What raised is in the agent itself only where a result cannot be sent.
    ours = trace.tb_frame.f_globals is globals()
    told['unsendable'] = ours and (trace.tb_frame.f_code is dump_code or hasattr(info[1], 'unsendable'))
    return attempt(None, dump, told) or dump({'type': told['type'], 'message': 'it cannot be described'})


def said(error):
    """Its message; Python 2 cannot make a str of every text."""
    try:
        return str(error)
    except UnicodeError:
        return Text(error)


def describe(info, depth):
    kind, error, trace = info
    name = name_of(kind)
    message = attempt(None, said, error)
    if not isinstance(message, (str, Text)):
        message = '<str() of %s failed>' % name
    while trace and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    text = attempt('%s: %s\n' % (name, message), formatted, kind, error, trace)
    attributes = {}
    for key, value in attempt([], lambda: list(error.__dict__.items())):
        # Python 2.4 has it there; what they are is told below.
        if key != 'args' and sendable((key, value)):
            attributes[key] = value
    args = attempt((), lambda: tuple(error.args))
    cause = attempt(None, caused_by, error)
    if cause is not None:
        cause = depth < 8 and describe((type(cause), cause, cause.__traceback__), depth + 1) or None
    return {
        'type': name,
        'message': message,
        'args': tuple([shown(arg) for arg in args]),
        'attributes': attributes,
        'traceback': text,
        'cause': cause,
    }


def formatted(kind, error, trace):
    import traceback
    return ''.join(traceback.format_exception(kind, error, trace))


def caused_by(error):
    cause = getattr(error, '__cause__', None)
    if cause is None and not getattr(error, '__suppress_context__', False):
        cause = getattr(error, '__context__', None)
    return cause
