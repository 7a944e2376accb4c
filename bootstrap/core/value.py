"""Values to bytes and back (docs/PROTOCOL.md, "Values")."""
NESTED = {list: 108, tuple: 117, set: 83, frozenset: 70, dict: 68}


def dump(value, out=None, seen=None, depth=0):
    """Appends the encoding of value to out, a list; returns all of it where out is not given."""
    if out is None:
        out, seen = [], {}
        dump(value, out, seen)
        return EMPTY.join(out)
    kind = type(value)
    if value is None:
        out.append(pack('B', 110))
    elif kind is bool:
        out.append(pack('B', value and 116 or 102))
    elif kind in Int:
        if -1 << 63 <= value < 1 << 63:
            out.append(pack('>Bq', 105, value))
        else:
            data = utf8('%x' % value)
            out.append(pack('>BI', 73, len(data)) + data)
    elif kind is float:
        data = pack('d', value)
        if sys.byteorder == 'little':
            data = data[::-1]
        out.append(pack('B', 100) + data)
    elif kind is Text or kind is Bytes:
        code = 98
        if kind is Text:
            value = utf8(value)
            code = 115
        elif Bytes is str:
            try:
                value.decode('utf-8')
                code = 115
            except UnicodeError:
                pass
        out.append(pack('>BI', code, len(value)) + value)
    elif kind in NESTED:
        if id(value) in seen:
            out.append(pack('>BI', 114, seen[id(value)][0]))
            return
        if depth == 100:
            raise ValueError('nested more than 100 deep')
        seen[id(value)] = len(seen), value
        out.append(pack('>BI', NESTED[kind], len(value)))
        if kind is dict:
            for item in value.items():
                dump(item[0], out, seen, depth + 1)
                dump(item[1], out, seen, depth + 1)
        else:
            for item in value:
                dump(item, out, seen, depth + 1)
    else:
        raise TypeError('cannot send a value of type ' + kind.__name__)


def load(data, at=0, seen=None):
    """Returns (value, where the next one begins)."""
    if seen is None:
        seen = []
    code, = unpack('B', data[at:at + 1])
    at += 1
    if code in (110, 116, 102):
        return {110: None, 116: True, 102: False}[code], at
    if code == 105:
        return unpack('>q', data[at:at + 8])[0], at + 8
    if code == 100:
        data = data[at:at + 8]
        if sys.byteorder == 'little':
            data = data[::-1]
        return unpack('d', data)[0], at + 8
    size, = unpack('>I', data[at:at + 4])
    at += 4
    if code == 114:
        return seen[size], at
    if code in (73, 98, 115):
        data = data[at:at + size]
        if code == 73:
            data = int(data, 16)
        elif code == 115:
            data = native(data)
        return data, at + size
    place = len(seen)
    value = items = []
    if code == 68:
        value = {}
        size *= 2
    elif code == 83:
        value = set()
    seen.append(value)
    while size:
        item, at = load(data, at, seen)
        items.append(item)
        if code == 68 and size & 1:
            value[items.pop(0)] = items.pop()
        elif code == 83:
            value.add(items.pop())
        size -= 1
    if code == 117:
        value = seen[place] = tuple(items)
    elif code == 70:
        value = seen[place] = frozenset(items)
    return value, at
