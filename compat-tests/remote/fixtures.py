"""Reads the golden bytes with the agent's own code: fixtures.py BOOTSTRAP FIXTURES. Runs on every Python from 2.4 on."""

import binascii
import datetime
import decimal
import os
import sys

bootstrap, fixtures = sys.argv[1:3]
agent = {}
for name in ('compat', 'frame', 'value'):
    exec(open(os.path.join(bootstrap, 'core', name + '.py')).read(), agent)
exec(open(os.path.join(bootstrap, 'parts', 'rich.py')).read(), agent)
agent['part'] = agent.get


def unhex(text):
    return binascii.a2b_hex(text.encode('ascii'))


def text(digits):
    return agent['native'](unhex(digits))


def shared():
    inner = []
    return [inner, inner]


def circular():
    value = []
    value.append(value)
    return value


def rows(name):
    data = open(os.path.join(fixtures, name), 'rb').read().decode('utf-8')
    for line in data.splitlines():
        if line and not line.startswith('#'):
            yield [str(column.encode('ascii', 'replace').decode('ascii')) for column in line.split(' | ')]


def check(ok, *what):
    if not ok:
        sys.exit('differs: %r' % (what,))


names = {'datetime': datetime, 'decimal': decimal, 'text': text, 'data': unhex, 'shared': shared, 'circular': circular}
for encoding, expression, json in rows('values.txt'):
    value = eval(expression, names)
    dumped = agent['dump'](value)
    # Before 2.7 repr writes more digits of the same float.
    check(dumped == unhex(encoding) or type(value) is float and agent['load'](dumped)[0] == value, 'dump', expression, dumped)
    loaded, end = agent['load'](unhex(encoding))
    check(end == len(unhex(encoding)) and type(loaded) in (type(value),) + agent['Int'], 'load', expression, loaded)
    if expression == 'circular()':
        check(loaded[0] is loaded, 'load', expression)
    elif expression == 'shared()':
        check(loaded[0] is loaded[1], 'load', expression)
    else:
        check(loaded == value, 'load', expression, loaded)

for name, header, body, whole in rows('frames.txt'):
    kind, flags, to, source, number = [int(word) for word in header.split()]
    got = []
    rest = agent['frames'](unhex(whole) + unhex(whole)[:9], lambda *frame: got.append(frame))
    check(got == [(kind, flags, to, source, number, unhex(body))], name, got)
    check(rest == unhex(whole)[:9], name, rest)
    agent['me'] = source
    check(agent['frame'](kind, flags, to, number, unhex(body)) == unhex(whole), name)
