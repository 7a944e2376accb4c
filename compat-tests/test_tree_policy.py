"""Authority flows down: an agent or a relay that lies is refused with a reply and a line in the log, and harms only itself."""

import pytest

from harness import traitor

TITLE = 'hopvine:tree'
STRANGER, SIBLING = 'local:z', 'local:s'
# The first hops of the traitor and of its sibling; at depth one the stranger is the sibling.
DEPTHS = {1: '', 3: 'local:a/local:b/'}
AT_EACH_DEPTH = pytest.mark.parametrize('depth', DEPTHS)


class Betrayed:
    """A call at the places of traitors, and the same at others, that wait for a gate until all lies have been told."""

    def __init__(self, tree, fifo, lies, depth, behind='', patience='20s'):
        self.bell, self.gate, self.lied = fifo('bell'), fifo('gate'), fifo('lied')
        place = DEPTHS[depth]
        ways = [tree.way_by(traitor, how, self.lied, name=f'traitor{n or ""}') for n, how in enumerate(lies)]
        self.traitors = [f'{place}{way}{behind}' for way in ways]
        self.others = [STRANGER, f'{place}{SIBLING}'] if place else [STRANGER]
        self.live = tree.start('call', ','.join(self.others + self.traitors), '--path', tree.hop.remote, '--json',
                               '--name', TITLE, '-t', patience, '--connect-timeout', patience, 'branches:waiting', self.bell, self.gate, TITLE)
        self.lines = self.bell.read_lines(len(self.others))

    def until_told(self):
        """Their own ends have been told; the others go on."""
        for each in self.traitors:
            self.live.until(f'{{"target":"{each}"'.encode(), timeout=20)
        return self

    def until_lied(self):
        """All of the lies are on their way, or their links are gone."""
        self.lied.read_lines(len(self.traitors))
        return self

    def finish(self):
        """The result, and what was told of each traitor."""
        self.gate.write(b'now\n' * len(self.others))
        result = self.live.finish(20)
        assert 'panicked' not in result.said and set(result.json) == {*self.others, *self.traitors}, result
        assert [result.json[other].get('value') for other in self.others] == ['well'] * len(self.others), result
        return result, *[result.json[each] for each in self.traitors]


@pytest.fixture
def betrayed(tree, fifo):
    return lambda how, *words, **options: Betrayed(tree, fifo, [how], *words, **options)


@pytest.fixture(scope='module')
def seen():
    return {}


@pytest.fixture
def together(tree, fifo, seen):
    """`together(lies, how, depth)`: how one of these lies fared, where all have been told in one tree: each of them is waited
    for, and once is enough."""
    def together(lies, how, depth, **options):
        key = tree.relay, depth, lies
        if key not in seen:
            result, *told = Betrayed(tree, fifo, lies, depth, **options).until_lied().finish()
            seen[key] = result, dict(zip(lies, told))
        result, told = seen[key]
        return result, told[how]
    return together


def warnings(result):
    return [line for line in result.said.splitlines() if 'refused: ' in line]


# What is skipped as noise, or waited for, until the call is out of time.
SILENT = 'more than was granted', 'noise for ever', 'a flood of streams'


# These are told of at once. The others are waited for, and harm only what is behind them also where they are many.
CLAIMS = 'a sibling as its child', 'a stranger as its child'
OTHERS = tuple(how for how in traitor.RELAY if how not in CLAIMS)


def lost(told, how):
    kinds = ('link_lost', 'bad_value') + (('timed_out',) if how in SILENT else ())
    return not told['ok'] and told['error']['kind'] in kinds


@AT_EACH_DEPTH
def test_an_honest_stand_in_is_believed(betrayed, depth):
    result, told = betrayed('honest', depth).until_told().finish()
    assert told['value'] == 'heard by nobody' and result.err == b'', result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.REFUSED)
def test_what_may_not_be_asked_is_refused_with_a_reply_and_a_line_in_the_log(betrayed, depth, how):
    if depth == 1 and how == 'a call of a sibling':
        pytest.skip('at depth one the sibling is the stranger')
    case = betrayed(how, depth).until_told()
    result, told = case.finish()
    assert told['ok'] and told['value'].startswith('reset by '), result
    assert warnings(result) and all(case.traitors[0] in line for line in warnings(result)), result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.LOST)
def test_what_breaks_the_protocol_costs_the_one_who_does_it(betrayed, together, depth, how):
    if how in SILENT:
        result, told = together(SILENT, how, depth, patience='5s')
    else:
        result, told = betrayed(how, depth).until_told().finish()
    assert lost(told, how), result
    if depth > 1:
        assert told['error']['message'].startswith('exec:traitor'), told
    assert len(result.said.splitlines()) < 150, result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.HARMLESS)
def test_what_means_nothing_changes_nothing(betrayed, depth, how):
    result, told = betrayed(how, depth).until_told().finish()
    assert told['ok'] and told['value'] == 'heard by nobody', result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.RELAY)
def test_a_relay_that_lies_harms_only_what_is_behind_it(betrayed, together, tree, depth, how):
    if tree.relay != 'python':
        pytest.skip('the relay that lies stands in for an agent, and does not make room for a native one')
    if how in CLAIMS:
        # It may lose its link before all of the lie is on its way.
        result, told = betrayed(how, depth, '/local:x').until_told().finish()
    else:
        result, told = together(OTHERS, how, depth, behind='/local:x', patience='6s')
    assert not told['ok'] or how.startswith('words'), result
    assert b'\033' not in result.out + result.err and len(result.said.splitlines()) < 150, result
