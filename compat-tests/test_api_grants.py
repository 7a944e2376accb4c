"""A tunnel as an argument: files go between where code runs and another tunnel, no higher than they must, and nothing else."""

import pytest

from harness import counter
from harness.files import noise, sha1
from harness.pythons import oldest_and_newest
from harness.tree import Tree

ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
SIZE = 3_000_000
# What a link carries beside contents: agents, parts, orders.
OVERHEAD_BYTES = 200_000
HEAD = '''
folder = sys.argv[1]
def share(other):
    there = other.put(folder + '/source', folder + '/there')
    back = other.fetch(folder + '/there', folder + '/back')
    return other.host, there, back
'''


@pytest.fixture
def folder(hop):
    folder = hop.scratch / 'place'
    folder.mkdir()
    (folder / 'source').write_bytes(noise(SIZE))
    return folder


def shared(folder):
    there, back, source = (sha1((folder / name).read_bytes()) for name in ('there', 'back', 'source'))
    return there == back == source


@ENDS
@pytest.mark.parametrize('other', ["here('b')", "here('b', via=a)", "here('b').connect()", 'a'])
def test_files_go_between_both(scripts, folder, python, other):
    lines = scripts.told(python, HEAD + f'''
a = here('a')
host, there, back = a.call(share, {other})
print(host == {other}.host, there['size'], back['size'], there['sha1sum'] == back['sha1sum'])
print(os.path.basename(there['remote_path']), os.path.basename(back['local_path']))
''', folder)
    assert lines == [f'True {SIZE} {SIZE} True', 'there back'] and shared(folder)


@ENDS
def test_they_pass_no_higher_than_the_nearest_that_is_above_both(scripts, folder, python):
    way = Tree(scripts.hop, 'python').way_by(counter, folder / 'counted')
    scripts.told(python, HEAD + f'''
relay = Target({way!r}, python=PYTHON)
a, b = here('a', via=relay), here('b', via=relay)
print(a.call(share, b)[0])
for each in a, b, relay:
    each.close()
''', folder, timeout=90)
    assert shared(folder)
    assert all(int(number) < OVERHEAD_BYTES for number in (folder / 'counted').read_text().split())


@ENDS
def test_it_goes_no_further(scripts, folder, python):
    lines = scripts.told(python, HEAD + '''
def passes(other, name):
    from hopvine import Local
    below = Local('below', python=sys.executable)
    try:
        return below.call(len, [other])
    except TypeError:
        return type(sys.exc_info()[1]).__name__, str(sys.exc_info()[1])
    finally:
        below.close()
print(*here('a').call(passes, here('b'), 1))
''', folder)
    assert lines[0].startswith('Unsendable b: a tunnel that was given as an argument goes no further'), lines


@ENDS
def test_it_is_given_once(scripts, folder, python):
    assert scripts.told(python, HEAD + '''
from hopvine import local
told = []
known = local.inform
def inform(link, tag, order):
    told.append(tag)
    known(link, tag, order)
local.inform = inform
a, b, c = here('a'), here('b'), here('c')
for number in range(3):
    a.call(share, b)
print(told.count(local.GRANT))
a.close()
a.call(share, b)
c.call(share, b)
print(told.count(local.GRANT))
''', folder) == ['1', '3']


@ENDS
def test_what_fails_is_told_where_it_was_asked(scripts, folder, python):
    lines = scripts.told(python, HEAD + '''
def fails(other, source, target):
    try:
        other.put(source, target)
    except EnvironmentError:
        return str(sys.exc_info()[1])
def calls(other):
    try:
        other.call(os.getpid)
    except AttributeError:
        return str(sys.exc_info()[1])
a, b = here('a'), here('b')
print('no such' in a.call(fails, b, folder + '/no such', folder + '/x'))
print('/no/such/folder' in a.call(fails, b, folder + '/source', '/no/such/folder/x'))
print(a.call(calls, b))
''', folder)
    assert lines[:2] == ['True', 'True'] and lines[2].startswith('b: call() is not for a tunnel that was given'), lines


@ENDS
def test_it_is_given_to_one_and_is_over_with_the_tunnel(scripts, folder, python):
    """A token is no secret: what counts is who was given it."""
    lines = scripts.told(python, HEAD + '''
def forges(token):
    core = sys.modules['hopvine_core']
    order = {'token': token, 'put': True, 'from': folder + '/source', 'path': folder + '/stolen'}
    return core.load(core.ask(40, core.dump(order))[1])[0]
kept = []
def keeps(other):
    kept.append(other)
    return other.token
def uses():
    try:
        kept[0].put(folder + '/source', folder + '/stolen')
    except EnvironmentError:
        return str(sys.exc_info()[1])
a, b, c = here('a'), here('b'), here('c')
token = a.call(keeps, b)
for number in token, token + 1, 0, 1 << 40, None:
    well, told = c.call(forges, number)
    print(well, told['message'])
b.close()
print(a.call(uses))
''', folder)
    assert lines[:5] == ['False refused: it has not been given such a tunnel'] * 5, lines
    assert 'not been given such a tunnel' in lines[5] and not (folder / 'stolen').exists(), lines
