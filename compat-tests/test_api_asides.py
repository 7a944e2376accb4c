"""What belongs to no call: output and records of what calls have left behind; orders that have no answer."""

import pytest

from harness.pythons import oldest_and_newest

ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
BEHIND = '''
import logging, threading
def leaves(gate):
    def says():
        open(gate).read()
        print('printed')
        sys.stdout.flush()
        logging.getLogger('app').warning('logged')
        os.system('echo by a child')
        open(gate, 'w').close()
    threading.Thread(target=says).start()
class Shown(logging.Handler):
    def emit(self, record):
        print('record %s %s' % (record.hopvine_host, record.getMessage()))
logging.getLogger('app').addHandler(Shown())
def goes_on(gate):
    open(gate, 'w').close()
    open(gate).read()
gate = sys.argv[1] + '/gate'
os.mkfifo(gate)
'''


@ENDS
def test_what_a_call_has_left_behind_is_shown_while_another_tunnel_is_waited_for(scripts, python):
    lines = scripts.told(python, BEHIND + '''
a, b = here('a'), here('b')
a.call(leaves, gate)
b.call(goes_on, gate)
b.close()
a.close()
''', scripts.hop.scratch)
    assert sorted(lines) == ['a: by a child', 'a: printed', 'record a logged'], lines


@ENDS
def test_it_is_no_part_of_a_commands_output(scripts, python):
    lines = scripts.told(python, BEHIND + '''
a = here('a')
a.call(leaves, gate)
done = a.run('echo >%s; cat %s; echo mine' % (gate, gate)).check()
print('mine' in done.stdout.decode(), len(done.stdout), done.stderr == b'')
a.close()
''', scripts.hop.scratch)
    assert 'True 5 True' in lines and 'a: printed' in lines, lines


@ENDS
def test_grants_leave_nothing(scripts, python):
    """More of them than there may be open streams."""
    lines = scripts.told(python, '''
from hopvine import local
def nothing(other):
    return other.host
a, b = here('a'), here('b')
b.connect()
for turn in range(4200):
    a.connection().granted.clear()
    a.connection().grant(b)
print(a.call(nothing, b))
''')
    assert lines == ['b']


@ENDS
def test_a_time_to_connect_may_be_longer_than_any(scripts, python):
    assert scripts.told(python, 'print(here("a", connect_timeout=1e8).call(abs, -1))') == ['1']
