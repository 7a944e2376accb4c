"""How tunnels of a script connect and end, and what becomes of its controller, by every Python."""

import os
import subprocess
import time

import pytest

from harness.privileges import PASSWORD
from harness.process import exits
from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
PYTHON = oldest_and_newest()[-1]

# Connecting

@EVERY
@pytest.mark.parametrize('tunnel', ['here("a")', 'Sudo(python=PYTHON)', 'Tunnel("h1", python=sys.argv[1])'],
                         ids=['local', 'sudo', 'ssh'])
def test_a_call_runs_in_another_process_of_that_python(scripts, site, ssh, need, python, tunnel):
    if 'Sudo' in tunnel and os.getuid():
        pytest.skip('sudo without a password is for root here')
    reachable = site.accounts.reachable(python) or python.path
    lines = scripts.told(python, f'''
        import platform
        tunnel = {tunnel}
        print(tunnel.connected, tunnel.call(os.getpid) != os.getpid(), tunnel.connected)
        print(tunnel.call(platform.python_version))
        tunnel.close()
    ''', reachable)
    assert lines == ['False True True', python.version]


@ENDS
def test_importing_it_starts_nothing(scripts, python):
    assert scripts.told(python, '''
        before = os.listdir('/proc/self/fd')
        tunnels = here('a'), Tunnel('h1'), Docker('d'), Group(['web1', 'web2'])
        print(before == os.listdir('/proc/self/fd'))
    ''') == ['True']


@EVERY
def test_what_is_closed_is_gone_and_the_next_use_connects_anew(scripts, python):
    pids = scripts.told(python, '''
        tunnel = here('a')
        print(tunnel.call(os.getpid))
        tunnel.call(os.chdir, '/')
        assert tunnel.call(os.getcwd) == '/'
        tunnel.close()
        print(tunnel.connected)
        assert tunnel.call(os.getcwd) != '/'
        print(tunnel.call(os.getpid))
        tunnel.close()
        tunnel.close()
    ''')
    assert pids[1] == 'False' and pids[0] != pids[2], pids


@EVERY
def test_close_returns_when_the_process_has_gone(scripts, python):
    assert scripts.told(python, '''
        tunnel = here('a')
        pid = tunnel.call(os.getpid)
        print(os.path.exists('/proc/%d' % pid))
        tunnel.close()
        print(os.path.exists('/proc/%d' % pid))
    ''') == ['True', 'False']


@EVERY
def test_a_with_block_connects_and_closes(scripts, python):
    assert scripts.told(python, '''
        with here('a') as tunnel:
            print(tunnel.connected)
            tunnel.call(os.getpid)
        print(tunnel.connected)
        try:
            with tunnel:
                raise KeyError(1)
        except KeyError:
            print(tunnel.connected)
    ''') == ['True', 'False', 'False']


@ENDS
def test_what_nobody_refers_to_is_closed_without_a_wait(scripts, python):
    live = scripts.start(python, '''
        tunnel = here('a')
        print(tunnel.call(os.getpid))
        sys.stdout.flush()
        del tunnel
        sys.stdin.readline()
    ''', stdin=subprocess.PIPE)
    live.until(b'\n')
    assert exits(int(live.outputs['out']), time.monotonic() + 5)
    live.end_input()
    assert live.finish().rc == 0


@ENDS
def test_a_generator_keeps_its_tunnel_until_it_is_let_go(scripts, python):
    assert scripts.told(python, '''
        import gc
        def counted(to):
            for number in range(to):
                yield number
        items = here('a').call(counted, 20000)
        gc.collect()
        print(sum(items))
        later = here('b').call_async(counted, 20000).get()
        gc.collect()
        print(sum(later))
    ''') == ['199990000', '199990000']


@ENDS
def test_a_missing_interpreter_is_named_at_once(scripts, python):
    lines = scripts.told(python, '''
        began = time.time()
        try:
            Local('a', python='/no/such/python').call(os.getpid)
        except ConnectionFailed:
            error = sys.exc_info()[1]
        print(time.time() - began < 1, '/no/such/python' in str(error), error.kind, error.host)
        print(isinstance(error, HostError), isinstance(error, HopvineError))
    ''')
    assert lines == ['True True no_python a', 'True True']


@ENDS
def test_one_that_never_answers_is_given_up_at_its_time(scripts, python):
    lines = scripts.told(python, '''
        class Mute(SubprocessTunnel):
            host = 'mute'
            def cmd_args(self):
                return ['sh', '-c', 'exec sleep 1000']
        tunnel = Mute(connect_timeout=.5)
        began = time.time()
        try:
            tunnel.connect()
        except ConnectionFailed:
            print(sys.exc_info()[1].kind, time.time() - began < 3)
    ''')
    assert lines == ['connect_timeout True']


@ENDS
def test_an_interpreter_that_ends_says_its_last_words(scripts, python):
    lines = scripts.told(python, '''
        class Ending(SubprocessTunnel):
            host = 'ending'
            def cmd_args(self):
                return ['sh', '-c', 'echo first >&2; echo the last word >&2; exit 3']
        try:
            Ending().call(os.getpid)
        except ConnectionFailed:
            error = sys.exc_info()[1]
        print(error.said[-1], 'status 3' in error.message, 'the last word' in str(error))
    ''')
    assert lines == ['the last word True True']


@ENDS
def test_a_connection_that_is_lost_is_told_once_and_then_made_anew(scripts, python):
    lines = scripts.told(python, '''
        tunnel = here('a')
        pid = tunnel.call(os.getpid)
        os.kill(pid, 9)
        try:
            while True:
                tunnel.call(os.getpid)
        except ConnectionFailed:
            print(sys.exc_info()[1].kind)
        print(tunnel.call(os.getpid) != pid)
    ''')
    assert lines == ['link_lost', 'True']


@ENDS
def test_a_command_line_of_ones_own(scripts, python):
    assert scripts.told(python, '''
        class Odd(SubprocessTunnel):
            python = PYTHON
            def __init__(self, host):
                self.host = host
            def cmd_args(self):
                return ['env', 'ODD=%s' % self.host]
        group = Group([Odd('a b'), Odd('c/d')])
        print([group.call(os.getenv, 'ODD')[host] for host in ('a b', 'c/d')], repr(group))
    ''') == ["['a b', 'c/d'] Group([Odd('a b'), Odd('c/d')])"]


# The controller

@ENDS
def test_a_missing_program_is_an_error_that_says_where_it_was_looked_for(scripts, python):
    lines = scripts.told(python, '''
        for value in ('/no/such/program', None):
            os.environ.pop('HOPVINE', None)
            if value:
                os.environ['HOPVINE'] = value
            os.environ['PATH'] = '/usr/sbin'
            try:
                here('a').connect()
            except HopvineError:
                print(str(sys.exc_info()[1])[:30])
    ''')
    assert lines == ['HOPVINE=/no/such/program: ther', 'the program hopvine is not the'], lines


@ENDS
def test_a_program_that_is_something_else_is_an_error_that_names_it(scripts, python):
    lines = scripts.told(python, '''
        os.environ['HOPVINE'] = '/bin/true'
        try:
            here('a').connect()
        except HopvineError:
            print(sys.exc_info()[1])
    ''')
    assert lines == ['the controller is gone: it has ended (/bin/true)'], lines


@EVERY
def test_the_controller_is_nobodys_child_and_ends_with_the_script(scripts, python):
    lines = scripts.told(python, '''
        import signal
        here('a').call(os.getpid)
        try:
            os.wait()
        except OSError:
            print('no child')
        print(open('/proc/self/task/%d/children' % os.getpid()).read() == '')
    ''')
    assert lines == ['no child', 'True']


@ENDS
def test_a_forked_child_has_a_controller_of_its_own(scripts, python):
    lines = scripts.told(python, '''
        tunnel = here('a')
        pid = tunnel.call(os.getpid)
        child = os.fork()
        if not child:
            try:
                print(tunnel.connected)
                tunnel.close()
                print(tunnel.call(os.getpid) != pid)
                sys.stdout.flush()
                tunnel.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        print(tunnel.call(os.getpid) == pid)
    ''')
    assert lines == ['False', 'True', 'True']


@ENDS
def test_a_script_that_is_killed_leaves_nothing(scripts, python):
    live = scripts.start(python, '''
        tunnel = here('a')
        print(tunnel.call(os.getpid), file=sys.stderr)
        sys.stderr.flush()
        tunnel.call(time.sleep, 1000)
    ''')
    live.until(b'\n', 'err')
    live.signal(9)
    live.finish(10)
    assert exits(int(live.outputs['err']), time.monotonic() + 5)


@pytest.mark.parametrize('right', [True, False], ids=['right', 'wrong'])
def test_a_password_is_given_where_it_is_asked_for(scripts, site, ssh, right):
    if not site.accounts.private:
        pytest.skip('accounts with passwords need root and unshare')
    user = 'hvask'
    lines = scripts.told(PYTHON, '''
        tunnel = Tunnel('h1', user=sys.argv[1], name='x').sudo('root', password=os.environ.pop('WORD'))
        print('canary' in repr(tunnel) + str(vars(tunnel).keys()))
        try:
            print(tunnel.call(os.getuid))
        except ConnectionFailed:
            print(sys.exc_info()[1].kind)
    ''', user, env={'WORD': PASSWORD if right else 'wrong'})
    assert lines == ['False', '0' if right else 'wrong_password'], lines
