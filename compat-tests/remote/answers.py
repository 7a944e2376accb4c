"""Values on their way back. Runs on every Python from 2.4 on."""


def text(ascii_escapes):
    return ascii_escapes.encode('ascii').decode('unicode-escape')


def echo(*args, **kw):
    return {text('args'): list(args), text('kw'): kw}


def evaluate(expression):
    import datetime
    return eval(expression, {'datetime': datetime, 'text': text})


def type_name(value):
    return type(value).__name__


def text_and_bytes():
    return [text('h\\u00e9 \\u20ac'), text('\\x00\\x7f\\xff').encode('latin-1')]


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def ring():
    value = []
    value.append(value)
    return value


def unsendable():
    return open


def loaded(name):
    import sys
    return name in sys.modules
