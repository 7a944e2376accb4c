"""Values of types beyond the plain ones, as plain ones say them (docs/PROTOCOL.md, "Values")."""


def rich(value, out, seen, depth):
    """Appends the encoding of a value that is not of a plain type itself."""
    kind = type(value)
    if depth >= 100:
        raise ValueError('nested more than 100 deep')
    if isinstance(value, dict):
        if id(value) in seen:
            return out.append(pack('>BI', 114, seen[id(value)][0]))
        seen[id(value)] = len(seen), value
        out.append(pack('>BI', 68, len(value)))
        # In its own order, which a dict of Python 2 would not keep.
        for key in value:
            dump(key, out, seen, depth + 1)
            dump(value[key], out, seen, depth + 1)
        return
    if hasattr(kind, '__members__') and hasattr(value, 'value'):
        return dump(value.value, out, seen, depth)
    tag, plain = tagged(value, kind)
    if tag:
        tag = utf8(tag)
        out.append(pack('>BI', 120, len(tag)) + tag)
        depth += 1
    dump(plain, out, seen, depth)


def tagged(value, kind):
    """Returns (the name of its type or None, the plain value that stands for it)."""
    fields = None
    if isinstance(value, tuple) and hasattr(value, '_fields'):
        fields = [(name, getattr(value, name)) for name in value._fields]
    elif hasattr(kind, '__dataclass_fields__'):
        fields = [(field.name, getattr(value, field.name)) for field in sys.modules['dataclasses'].fields(value)]
    if fields is not None:
        return 'record', (kind.__name__, Fields(fields))
    for plain in (Text, Bytes, float, list, tuple, set, frozenset) + Int:
        if isinstance(value, plain):
            if plain in (Text, Bytes):
                # Not what a __str__ of its own says.
                return None, plain().join([value])
            return None, plain(value)
    if kind.__name__ in VIEWS:
        return None, VIEWS[kind.__name__](value)
    if hasattr(value, '__fspath__'):
        return None, value.__fspath__()
    clock = sys.modules.get('datetime')
    if clock and isinstance(value, clock.timedelta):
        micros = (value.days * 86400 + value.seconds) * 1000000 + value.microseconds
        sign = '-'[:micros < 0]
        return 'timedelta', sign + ('%d.%06d' % divmod(abs(micros), 1000000)).rstrip('0').rstrip('.')
    for name in 'datetime', 'date', 'time':
        if clock and isinstance(value, getattr(clock, name)):
            return name, value.isoformat()
    if 'decimal' in sys.modules and isinstance(value, sys.modules['decimal'].Decimal):
        return 'decimal', str(value)
    error = TypeError('cannot send a value of type ' + kind.__name__)
    error.unsendable = True
    raise error


class Fields(dict):
    """A dict that lists what it was made of in the order in which it was given."""

    def __init__(self, pairs):
        dict.__init__(self, pairs)
        self.names = [name for name, value in pairs]

    def __iter__(self):
        return iter(self.names)


VIEWS = {
    'bytearray': Bytes, 'memoryview': lambda view: view.tobytes(),
    'deque': list, 'dict_keys': list, 'dict_values': list, 'dict_items': list,
}


def restore(data, at, size, seen):
    """Returns (the value of the type that is named there, where the next one begins)."""
    name = native(data[at:at + size])
    plain, at = load(data, at + size, seen)
    if name == 'record':
        return plain[1], at
    if name == 'decimal':
        import decimal
        return decimal.Decimal(plain), at
    import datetime
    if name == 'timedelta':
        seconds, micros = (plain.lstrip('-') + '.').split('.')[:2]
        value = datetime.timedelta(0, int(seconds), int((micros + '000000')[:6]))
        if plain[0] == '-':
            value = -value
        return value, at
    return moment(name, plain, datetime), at


def moment(name, text, datetime):
    """Reads ISO 8601 as isoformat writes it, where Python itself could not before 3.7."""
    import re
    found = re.match(r'(?:(\d{4})-(\d\d)-(\d\d))?[T ]?(?:(\d\d):(\d\d)(?::(\d\d)(?:[.](\d{1,6}))?)?)?'
                     r'(?:(Z)|([+-])(\d\d):?(\d\d))?$', text)
    if not found:
        raise ValueError('%r is not a %s of ISO 8601' % (text, name))
    groups = found.groups()
    day = [int(group) for group in groups[:3] if group]
    clock = [int(group or 0) for group in groups[3:6]] + [int((groups[6] or '').ljust(6, '0'))]
    zone = None
    if groups[7]:
        zone = offset(0, datetime)
    elif groups[8]:
        zone = offset(int(groups[8] + '1') * (int(groups[9]) * 60 + int(groups[10])), datetime)
    if name == 'date':
        return datetime.date(*day)
    if name == 'time':
        return datetime.time(*clock + [zone])
    return datetime.datetime(*day + clock + [zone])


def offset(minutes, datetime):
    """A time zone without a name; Python 2 has no class for it."""
    delta = datetime.timedelta(0, minutes * 60)
    known = getattr(datetime, 'timezone', None)
    if known:
        return known(delta)

    class Offset(datetime.tzinfo):
        def utcoffset(self, moment):
            return delta

        def dst(self, moment):
            return datetime.timedelta(0)

        def tzname(self, moment):
            return None
    return Offset()
