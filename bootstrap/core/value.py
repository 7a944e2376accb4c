"""Values to bytes and back (docs/PROTOCOL.md, "Values")."""
NESTED = {list: 108, tuple: 117, set: 83, frozenset: 70, dict: 68}


def dump(value, out=None, seen=None, depth=0):
    """Appends the encoding of value to out, a list; returns all of it where out is not given."""
    if out is None:
        out, seen = [], {}
        dump(value, out, seen)
        return EMPTY.join(out)
    kind = type(value)
    if value is None or kind is bool:
        # n, t or f.
        out.append(utf8(repr(value)[0].lower()))
    elif kind in NESTED:
        if id(value) in seen:
            out.append(pack('>BI', 114, seen[id(value)][0]))
            return
        if depth == 100:
            raise ValueError('nested more than 100 deep')
        seen[id(value)] = len(seen), value
        out.append(pack('>BI', NESTED[kind], len(value)))
        for item in value:
            dump(item, out, seen, depth + 1)
            if kind is dict:
                dump(value[item], out, seen, depth + 1)
    else:
        code = 115
        if kind in Int:
            code, value = 105, utf8('%x' % value)
        elif kind is float:
            code, value = 100, utf8(repr(value))
        elif kind is Text:
            value = utf8(value)
        elif kind is not Bytes:
            return part('rich')(value, out, seen, depth)
        elif not is_text(value):
            code = 98
        out.append(pack('>BI', code, len(value)) + value)


def load(data, at=0, seen=None):
    """Returns (value, where the next one begins)."""
    if seen is None:
        seen = []
    code, = unpack('B', data[at:at + 1])
    at += 1
    if code in (110, 116, 102):
        return {110: None, 116: True, 102: False}[code], at
    size, = unpack('>I', data[at:at + 4])
    at += 4
    if code == 114:
        return seen[size], at
    if code == 120:
        part('rich')
        return restore(data, at, size, seen)
    if code in (98, 100, 105, 115):
        data = data[at:at + size]
        if code == 100:
            data = float(data)
        elif code == 105:
            data = int(data, 16)
        elif code == 115:
            data = native(data)
        return data, at + size
    place = len(seen)
    items = []
    value = {68: {}, 83: set()}.get(code, items)
    seen.append(value)
    if code == 68:
        size *= 2
    while len(items) < size:
        item, at = load(data, at, seen)
        items.append(item)
    if code == 68:
        items = zip(items[::2], items[1::2])
    if code in (68, 83):
        value.update(items)
    elif code != 108:
        value = seen[place] = {117: tuple, 70: frozenset}[code](items)
    return value, at
