"""An agent that lies harms its own host's result and nobody else's."""

import pathlib
import shlex
import sys

import pytest

LIAR = pathlib.Path(__file__).with_name('harness') / 'liar.py'
LOST = ['another source', 'a wrong checksum', 'an unknown kind', 'a second hello',
        'another version']
REFUSED = ['an unknown message', 'no message', 'a request as an answer', 'a value cut short', 'a deep value',
           'a reference to nothing', 'a pickle', 'a marshalled code', 'a type nobody knows',
    'a type within a type', 'a time that is no number', 'a log record of one piece', 'too much credit']


def result_with(hop, how, limit='5'):
    line = shlex.join([sys.executable, str(LIAR), how])
    hop.write('hopvine.toml', f"[exec]\nliar = '''{line}'''\n")
    result = hop('call', '-w', 'exec:liar,local:', '--json', '-t', limit, 'time:time', timeout=20)
    assert 'panicked' not in result.said and result.json['local']['ok'], result
    return result


def call_with(hop, how):
    return result_with(hop, how).json['exec:liar']


def test_an_honest_stand_in_is_believed(hop):
    assert call_with(hop, 'honest')['value'] is None


@pytest.mark.parametrize('how', LOST)
def test_a_link_that_breaks_the_protocol_is_ended(hop, how):
    assert call_with(hop, how)['error']['kind'] == 'link_lost'


def test_a_frame_for_a_sibling_is_refused_with_a_line(hop):
    result = result_with(hop, 'a sibling as destination', limit='1')
    assert result.json['exec:liar']['error']['kind'] == 'timed_out', result
    assert 'exec:liar: refused: context 1 addressed context 2, which it may not' in result.said, result


@pytest.mark.parametrize('how', REFUSED)
def test_an_answer_that_is_none_fails_its_call(hop, how):
    assert call_with(hop, how)['error']['kind'] == 'bad_value'


@pytest.mark.parametrize('how', ['noise', 'more than was granted'])
def test_a_flood_ends_in_an_error(hop, how):
    assert result_with(hop, how, limit='1').json['exec:liar']['error']['kind'] in ('bad_value', 'link_lost', 'timed_out')
