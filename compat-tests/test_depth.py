"""How deep code may lead: the controller counts who has had whom started, whatever that code and what runs it say."""

import json

import pytest

from harness import wisher
from harness.tree import Tree, chain

# The first has the second started, which is the user's too; then, when it may go, the second has a third started.
ASKING = '''\
import os
import hopvine_core as core
depth = len(core.ancestors)
if depth == 2:
    open(go).readline()
heard = core.thread.allocate_lock()
heard.acquire()
child = core.part('child')(b'local:' + b'abc'[depth:depth + 1], lambda: heard.locked() and heard.release())
child.begin()
heard.acquire()
told = child.why and child.why['message'] or 'granted'
with open(bell, 'w') as end:
    end.write(told + '\\n')
os.read(os.open(gate, os.O_RDONLY), 4)
'''
REFUSED = 'code may lead {} levels deep (--depth-limit)'


class Descent:
    """A call at a first hop, whose code has the rest of a path started from one to the next; `told`: how far it got."""

    def __init__(self, tree, fifo):
        self.tree, self.bell, self.gate = tree, fifo('bell'), fifo('gate')
        self.source = (tree.hop.remote / 'descending.py').read_text()

    def start(self, target, *path, options=()):
        names = {'bell': str(self.bell), 'gate': str(self.gate), 'path': path, 'source': self.source}
        self.live = self.tree.start('call', target, *options, 'builtins:exec', self.source, json.dumps(names))
        return self

    def told(self):
        return self.bell.read_lines(1)[0]

    def end(self):
        """Lets all of them return."""
        self.gate.write(b'now\n' * 10)
        return self.live.finish()

    def __call__(self, target, *path, options=()):
        told = self.start(target, *path, options=options).told()
        return told, self.end()


@pytest.fixture
def descent(hop, fifo):
    """From an agent that nothing leads to: what relays is an agent too, as its code is called there."""
    return Descent(Tree(hop, 'python'), fifo)


@pytest.fixture
def deep(tree, fifo):
    """From behind each kind of relay."""
    return Descent(tree, fifo)


# Remote code that leads on to itself

def test_code_has_a_context_started_and_calls_there(descent):
    told, result = descent('local:a', 'local:b')
    assert told == 'at the end' and result.rc == 0 and result.err == b'', result


def test_a_third_level_is_refused_and_its_path_is_shown(descent):
    told, result = descent('local:a', 'local:b', 'local:c')
    assert told == 'refused: local:a -> local:b -> local:c: ' + REFUSED.format(2), result
    assert result.said == f'hopvine: local:a/local:b: {told}\n' and result.rc == 0, result


def test_a_third_level_is_for_who_asks_for_it_and_a_fourth_is_not(descent):
    limit = '--depth-limit', '3'
    told, result = descent('local:a', 'local:b', 'local:c', 'local:d', options=limit)
    assert told == 'refused: local:a -> local:b -> local:c -> local:d: ' + REFUSED.format(3), result


def test_no_level_of_code_s_own_where_none_is_allowed(descent):
    told, result = descent('local:a', 'local:b', options=['--depth-limit', '1'])
    assert told == 'refused: local:a -> local:b: ' + REFUSED.format(1), result


def test_what_the_user_asked_for_is_one_level_however_deep_it_is(deep):
    assert deep('local:a/local:b/local:c', 'local:d')[0] == 'at the end'


def test_a_level_of_many_hops_is_refused_as_one(deep):
    told, result = deep('local:a/local:b', 'local:c/local:d', 'local:e/local:f')
    assert told == f'refused: {" -> ".join(["local:" + x for x in "abcdef"])}: ' + REFUSED.format(2), result


def test_levels_are_hops_too(deep):
    told, result = deep(chain(6), 'local:a', 'local:b', 'local:c', options=['--depth-limit', '9'])
    assert told.startswith('9 hops, and the limit is 8: local:h1 -> ') and told.endswith(' -> local:b -> local:c'), result


def test_more_hops_are_for_who_asks_for_them(descent):
    limits = '--depth-limit', '9', '--max-hops', '9'
    assert descent(chain(6), 'local:a', 'local:b', 'local:c', options=limits)[0] == 'at the end'


@pytest.mark.parametrize('path', ['local:b', 'local:b/local:c'])
def test_fewer_hops_hold_for_code_as_for_the_user(descent, path):
    told, result = descent('local:a', path, options=['--max-hops', '1'])
    assert f'hops, and the limit is 1: local:a -> {" -> ".join(path.split("/"))}' in told, result


def test_code_between_two_hops_leads_no_deeper_than_code_behind_them(descent):
    """What stands on the way to a context is as deep as that context."""
    told, result = descent('local:a', '!local:b/local:x', 'local:c')
    assert told == 'refused: local:a -> local:b -> local:c: ' + REFUSED.format(2), result


def test_code_that_asks_for_a_context_of_the_user_s_takes_nothing_from_it(descent, fifo):
    """The user has asked for both; what the first asks for is the second."""
    go = fifo('go')
    names = {'bell': str(descent.bell), 'gate': str(descent.gate), 'go': str(go)}
    live = descent.tree.start('call', 'local:a,local:a/local:b', 'builtins:exec', ASKING, json.dumps(names))
    assert descent.told() == 'granted'
    go.write(b'now\n')
    told = descent.told()
    descent.gate.write(b'now\n' * 2)
    assert live.finish().rc == 0
    assert told == 'granted'


# Wishes that cannot be

@pytest.mark.parametrize('wish', ['', '/', 'local:x/', 'local:x//local:y', 'nothing:x', 'exec:unknown',
                                  'ssh:-oProxyCommand=x', 'local:x?python=a;b', 'local:\x1b[2J\n'])
def test_a_wish_that_cannot_be_meant_is_an_error_of_the_code(descent, wish):
    told, result = descent('local:a', wish)
    assert told != 'at the end' and '\x1b' not in result.said and 'panicked' not in result.said, result
    assert result.rc == 0 and result.seconds < 10, result


def test_what_fails_on_the_way_is_told_to_the_code(hop, descent):
    way = hop.way_through('echo no >&2; exit 3\n')
    told, result = descent('local:a', f'{way}/local:b')
    assert told.startswith(f'{way}: ended with status 3') and result.rc == 0, result


# A relay that plays its children, and asks in their names

@pytest.fixture
def liar(tree):
    def play(how, *options, behind=''):
        way = tree.way_by(wisher, how)
        return tree('call', f'{behind}{way}', *options, 'os:getpid')
    return play


@pytest.mark.parametrize('limit', [1, 2, 5])
@pytest.mark.parametrize('behind', ['', 'local:r/'])
def test_a_relay_that_speaks_for_its_children_leads_no_deeper(liar, behind, limit):
    result = liar('down', '--depth-limit', str(limit), behind=behind)
    path = ' -> '.join([*(['local:r'] if behind else []), 'exec:way', *(f'local:c{101 + 2 * n}' for n in range(limit))])
    assert result.value == f'after {limit - 1}: refused: {path}: ' + REFUSED.format(limit), result


def test_a_relay_that_speaks_for_its_children_has_no_more_hops(liar):
    result = liar('down', '--depth-limit', '99')
    assert result.value.startswith('after 7: 9 hops, and the limit is 8: exec:way -> '), result


@pytest.mark.parametrize('words', [['--depth-limit', '0'], ['--depth-limit', 'x'], ['--depth-limit=-1']])
def test_a_limit_that_is_no_number_of_levels_is_wrong_usage(hop, words):
    assert hop('run', '-w', 'local:', *words, '--', 'true').rc == 2
