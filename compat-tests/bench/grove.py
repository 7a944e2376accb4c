"""A package that only the controller has: `grove`, 61 modules that are about as long as what people write.

    grove/__init__.py       total(): right only if each of the 61 has been imported
    grove/BRANCH/           four of these: __init__ and 8 modules
    grove/BRANCH/twigs/     in each, __init__ and 5 modules more

Imports are relative and absolute, of modules and of names in them, and some are of what is already there.
"""

import random
import textwrap

NAME, MODULES = 'grove', 61
BRANCHES = 'birch', 'cedar', 'maple', 'rowan'
WORDS = ('account amount archive batch bucket cache channel client column cursor digest entry event field filter '
         'folder handle header index label limit marker member message number option order owner packet parent pattern '
         'prefix record region report result schema section session source status stream suffix table target ticket '
         'token update value vendor version volume window worker').split()

FUNCTION = '''

def {verb}_{noun}({items}, {limit}={number}):
    """{Verb} the {noun} of each {thing}; one without {other} is left out.

{prose}
    """
    {found} = []
    for position, {thing} in enumerate({items}):
        if position >= {limit}:
            raise ValueError('more than %d: %r' % ({limit}, {thing}))
        {other} = {thing}.get('{other}')
        if {other} is None or not re.match(r'{pattern}', str({other})):
            continue
        {found}.append(({other}, os.path.join('{noun}', str(position))))
    return sorted({found})
'''
CLASS = '''

class {Noun}{Thing}(object):
    """The {noun} of one {thing}, which knows its {other}.

{prose}
    """

    {limit} = {number}

    def __init__(self, {thing}, {other}='{noun}'):
        self.{thing} = {thing}
        self._{other} = {other}

    @property
    def {other}(self):
        return '%s/%s' % (self._{other}, self.{thing})

    def {verb}(self, *{items}):
        """As a dict, by {thing}; what has been there before stays."""
        {found} = dict(({noun}, len({noun})) for {noun} in {items})
        if len({found}) > self.{limit}:
            {found} = json.loads(json.dumps({found}))
        {found}.setdefault(self.{thing}, {number})
        return {found}

    def __repr__(self):
        return '{Noun}{Thing}(%r, {other}=%r)' % (self.{thing}, self._{other})
'''


def make(folder):
    """Writes it below `folder`; the same bytes each time."""
    rng = random.Random(61)
    made = 0

    def write(name, imports, below=()):
        nonlocal made
        made += 1
        path = folder / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        total = ' + '.join(['NUMBER', *(f'{each}.total()' for each in below)])
        path.write_text(''.join([f'"""Generated: {name}."""\n\nimport json\nimport os\nimport re\n\n',
                                 *(f'{line}\n' for line in imports), f'\nNUMBER = {rng.randrange(10 ** 6)}\n',
                                 *(piece(rng) for _ in range(rng.randrange(2, 8))),
                                 f'\n\ndef total():\n    return {total}\n']))

    write('__init__.py', [f'from grove import {branch}' for branch in BRANCHES], BRANCHES)
    for branch in BRANCHES:
        write(f'{branch}/__init__.py', ['from . import m0'], ['m0'])
        write(f'{branch}/m0.py', ['from . import m1, m2', f'import grove.{branch}.m3 as m3'], ['m1', 'm2', 'm3'])
        write(f'{branch}/m1.py', [f'from grove.{branch} import m4, m5'], ['m4', 'm5'])
        write(f'{branch}/m2.py', ['from . import m6', 'from .m7 import NUMBER as SEVENTH'], ['m6'])
        write(f'{branch}/m3.py', ['from .twigs import t0', 'from . import m7', 'from .. import __name__ as GROVE'],
              ['t0', 'm7'])
        for leaf in 'm4', 'm5', 'm6':
            write(f'{branch}/{leaf}.py', [])
        write(f'{branch}/m7.py', [f'from grove.{branch}.m6 import NUMBER as SIXTH'])
        write(f'{branch}/twigs/__init__.py', [])
        write(f'{branch}/twigs/t0.py', ['from ..m7 import NUMBER as SEVENTH', 'from . import t1, t2'], ['t1', 't2'])
        write(f'{branch}/twigs/t1.py', [f'import grove.{branch}.twigs.t3 as t3'], ['t3'])
        write(f'{branch}/twigs/t2.py', [f'from grove.{branch}.twigs import t4'], ['t4'])
        for leaf in 't3', 't4':
            write(f'{branch}/twigs/{leaf}.py', [])
    assert made == MODULES, made


def piece(rng):
    noun, thing, other, items, found, limit, verb = rng.sample(WORDS, 7)
    # As unlike each other as what people write, for those who compress it.
    prose = textwrap.indent(textwrap.fill(' '.join(rng.choices(WORDS, k=rng.randrange(10, 50))), 100), '    ')
    names = {'noun': noun, 'thing': thing, 'other': other, 'verb': verb, 'prose': prose,
             'items': items + 's', 'found': found + '_found', 'limit': limit + '_limit',
             'Noun': noun.title(), 'Thing': thing.title(), 'Verb': verb.title(), 'number': rng.randrange(10, 10 ** 4),
             'pattern': r'\w{%d,%d}' % (rng.randrange(9), rng.randrange(9, 99))}
    return rng.choice((FUNCTION, CLASS)).format(**names)
