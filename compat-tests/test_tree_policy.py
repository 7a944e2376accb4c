"""Authority flows down: an agent or a relay that lies is refused with a reply and a line in the log, and harms only itself."""

import pytest

from harness import traitor

TITLE = 'hopvine:tree'
STRANGER, SIBLING = 'local:z', 'local:s'
# The first hops of the traitor and of its sibling; at depth one the stranger is the sibling.
DEPTHS = {1: '', 3: 'local:a/local:b/'}
AT_EACH_DEPTH = pytest.mark.parametrize('depth', DEPTHS)


class Betrayed:
    """A call at the traitor's place, and the same at others, that wait for a gate until the lie has been told."""

    def __init__(self, tree, fifo, how, depth, behind='', patience='5s'):
        self.bell, self.gate, self.lied = fifo('bell'), fifo('gate'), fifo('lied')
        place = DEPTHS[depth]
        way = tree.way_by(traitor, how, self.lied, name='traitor')
        self.traitor = f'{place}{way}{behind}'
        self.others = [STRANGER, f'{place}{SIBLING}'] if place else [STRANGER]
        self.live = tree.start('call', ','.join([*self.others, self.traitor]), '--path', tree.hop.remote, '--json',
                               '--name', TITLE, '-t', patience, '--connect-timeout', patience, 'branches:waiting', self.bell, self.gate, TITLE)
        self.lines = self.bell.read_lines(len(self.others))

    def until_told(self):
        """Its own end has been told; the others go on."""
        self.live.until(f'{{"target":"{self.traitor}"'.encode(), timeout=10)
        return self

    def until_lied(self):
        """All of the lie is on its way, or its link is gone."""
        self.lied.read_lines(1)
        return self

    def finish(self):
        self.gate.write(b'now\n' * len(self.others))
        result = self.live.finish(10)
        assert 'panicked' not in result.said and set(result.json) == {*self.others, self.traitor}, result
        assert [result.json[other].get('value') for other in self.others] == ['well'] * len(self.others), result
        return result, result.json[self.traitor]


@pytest.fixture
def betrayed(tree, fifo):
    return lambda *words, **options: Betrayed(tree, fifo, *words, **options)


def warnings(result):
    return [line for line in result.said.splitlines() if 'refused: ' in line]


# What is skipped as noise, or waited for, until the call is out of time.
SILENT = 'more than was granted', 'noise for ever', 'a flood of streams'


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
    assert warnings(result) and all(case.traitor in line for line in warnings(result)), result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.LOST)
def test_what_breaks_the_protocol_costs_the_one_who_does_it(betrayed, depth, how):
    case = betrayed(how, depth, patience='1s' if how in SILENT else '5s')
    result, told = (case.until_lied() if how in SILENT else case.until_told()).finish()
    assert lost(told, how), result
    if depth > 1:
        assert told['error']['message'].startswith('exec:traitor: '), told
    assert len(result.said.splitlines()) < 150, result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.HARMLESS)
def test_what_means_nothing_changes_nothing(betrayed, depth, how):
    result, told = betrayed(how, depth).until_told().finish()
    assert told['ok'] and told['value'] == 'heard by nobody', result


@AT_EACH_DEPTH
@pytest.mark.parametrize('how', traitor.RELAY)
def test_a_relay_that_lies_harms_only_what_is_behind_it(betrayed, tree, depth, how):
    if tree.relay != 'python':
        pytest.skip('the relay that lies stands in for an agent, and does not make room for a native one')
    case = betrayed(how, depth, '/local:x', patience='1s')
    # What claims a sibling beside the controller loses its link before all of the lie is told.
    early = how == 'a sibling as its child' and depth == 1
    result, told = (case.until_told() if early else case.until_lied()).finish()
    assert not told['ok'] or how.startswith('words'), result
    assert b'\033' not in result.out + result.err and len(result.said.splitlines()) < 150, result
