"""An exception as a value: what it is, what it says, where it was, what caused it."""


# What raised is in the agent itself only where a result cannot be sent.
dump_code = getattr(dump, 'func_code', None) or dump.__code__


def sendable(value):
    try:
        dump(value)
        return True
    except (TypeError, ValueError):
        return False


def shown(value):
    """The value itself, or what it says of itself, or what it is."""
    if sendable(value):
        return value
    try:
        return repr(value)
    except:
        return '<%s>' % type(value).__name__


def failure(info):
    """Returns the encoded description of sys.exc_info()."""
    return dump(describe(info, 0))


def describe(info, depth):
    import traceback
    kind, error, trace = info
    try:
        message = str(error)
    except:
        message = '<str() of %s failed: %r>' % (kind.__name__, sys.exc_info()[0].__name__)
    ours = None
    while trace and trace.tb_frame.f_globals is globals():
        ours = trace.tb_frame.f_code
        trace = trace.tb_next
    name = kind.__name__
    if kind.__module__ not in ('builtins', 'exceptions', None):
        name = kind.__module__ + '.' + name
    try:
        text = ''.join(traceback.format_exception(kind, error, trace))
    except:
        text = '%s: %s\n' % (name, message)
    attributes = {}
    for key, value in getattr(error, '__dict__', {}).items():
        if sendable(value):
            attributes[key] = value
    args = getattr(error, 'args', ())
    cause = getattr(error, '__cause__', None)
    if cause is None and not getattr(error, '__suppress_context__', False):
        cause = getattr(error, '__context__', None)
    if cause is not None:
        if depth < 8:
            cause = describe((type(cause), cause, cause.__traceback__), depth + 1)
        else:
            cause = None
    return {
        'unsendable': not trace and ours is dump_code,
        'type': name,
        'message': message,
        'args': tuple([shown(arg) for arg in args]),
        'attributes': attributes,
        'traceback': text,
        'cause': cause,
    }
