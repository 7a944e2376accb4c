"""Commands with a terminal, an environment, a login shell; connections from there. By every Python, and by this program itself."""

import os
import pwd
import socket
import threading

import pytest

from harness.driver import ALL_BYTES, NATIVE, TERMINAL, Driver
from harness.namespace import missing
from harness.pythons import discover, oldest_and_newest

EVERY = [*discover(), NATIVE]
SOME = [*oldest_and_newest(), NATIVE]
MUCH = 10 << 20
CTRL_C, CTRL_D = b'\x03', b'\x04'


@pytest.fixture
def driver(hop, request):
    return Driver(hop, getattr(request.param, 'path', request.param))


every = pytest.mark.parametrize('driver', EVERY, ids=repr, indirect=True)
some = pytest.mark.parametrize('driver', SOME, ids=repr, indirect=True)


# Terminals

@every
def test_a_terminal_has_a_name_a_kind_and_a_size_that_changes(driver):
    line = (b'test -t 0 && test -t 1 && test -t 2 && tty </dev/tty; stty size; echo $TERM; read x; stty size;'
            b' trap "stty size; exit 7" WINCH; echo wait; while :; do read x; done')
    ended = driver.shell(line, ('await', b'vt100\r\n'), ('size', 30, 101), ('type', b'well\n'), ('await', b'wait\r\n'),
                         ('size', 65535, 1), ('type', b'\n'), terminal=TERMINAL)
    lines = ended.out.decode().split()
    assert lines[0].startswith('/dev/'), ended
    assert lines[1:7] == ['24', '80', 'vt100', 'well', '30', '101'] and lines[-2:] == ['65535', '1'], ended
    assert (ended.err, ended.how) == (b'', 'exit 7'), ended


@every
def test_keys_mean_what_they_mean_on_a_terminal(driver):
    typed = driver.shell(b'cat; echo status $?', ('type', b'abc\n'), ('await', b'abc\r\nabc\r\n'), ('type', CTRL_D),
                         terminal=TERMINAL)
    assert (typed.out, typed.how) == (b'abc\r\nabc\r\nstatus 0\r\n', 'exit 0'), typed
    stopped = driver.shell(b'echo at it; exec cat', ('await', b'at it'), ('type', CTRL_C), terminal=TERMINAL)
    assert (stopped.out, stopped.how) == (b'at it\r\n^C', 'signal 2'), stopped


@some
def test_the_end_of_input_is_none_of_the_terminal(driver):
    ended = driver.shell(b'echo at it; timeout --foreground .2 cat; echo status $?', ('await', b'at it'), 'end', terminal=TERMINAL)
    assert (ended.out, ended.how) == (b'at it\r\nstatus 124\r\n', 'exit 0'), ended


@some
def test_keyboard_signals_work_though_who_started_us_ignores_them(driver):
    """As from a shell without job control, which ignores them for what it starts in the background."""
    driver.through = ['sh', '-c', 'trap "" INT QUIT TSTP HUP; exec "$@"', 'deaf']
    # Not by a shell, some of which ignore SIGQUIT themselves.
    ended = driver(('type', b'x\n'), ('await', b'x\r\nx\r\n'), ('type', b'\x1c'), words=[b'cat'], exact=True, terminal=TERMINAL)
    assert ended.how == 'signal 3', ended


@some
def test_every_byte_passes_a_raw_terminal_both_ways(driver):
    ended = driver.shell(b'stty raw -echo; echo go; head -c %d' % MUCH, ('await', b'go\n'), ('fill', MUCH), terminal=TERMINAL)
    assert ended.out.removeprefix(b'go\n') == ALL_BYTES * (MUCH // 256) and ended.how == 'exit 0', ended


@some
def test_a_program_that_does_not_read_its_terminal_goes_on_writing(driver):
    line = b'stty raw -echo; echo go; head -c 1 >/dev/null; head -c %d /dev/zero; echo written; head -c %d | wc -c' % (MUCH, MUCH - 1)
    ended = driver.shell(line, ('await', b'go\n'), ('fill', MUCH), terminal=TERMINAL)
    assert ended.out.split() == [b'go', bytes(MUCH) + b'written', b'%d' % (MUCH - 1)] and ended.how == 'exit 0', ended.how


@some
def test_what_is_written_last_is_not_lost(driver):
    ended = driver.shell(b'head -c 60000 /dev/zero; echo last', terminal=TERMINAL, no_input=True)
    assert ended.out == bytes(60000) + b'last\r\n' and ended.how == 'exit 0', ended


@some
def test_what_keeps_the_terminal_in_the_background_does_not_keep_the_command(driver, fifo):
    gate = fifo('gate')
    ended = driver.shell(b'(trap "" HUP; read x <%s) & echo left' % str(gate).encode(), terminal=TERMINAL)
    gate.write(b'\n')
    assert (ended.out, ended.how) == (b'left\r\n', 'exit 0'), ended


@every
def test_what_is_cancelled_is_hung_up_and_ended_with_all_it_has_started(driver):
    """That nothing is left is what every test ends with."""
    line = b'(trap "" HUP; exec sleep 1000) & setsid sleep 1000 & echo at it; cat'
    ended = driver.shell(line, ('await', b'at it'), 'cancel', terminal=TERMINAL)
    assert ended.how == 'error interrupted', ended


@some
@pytest.mark.skipif(bool(missing()), reason=str(missing()))
def test_without_terminals_there_the_command_is_not_run(driver):
    driver.through = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs tmpfs /dev/pts; exec "$@"', 'bare']
    ended = driver.shell(b'echo no', terminal=TERMINAL)
    assert ended.err.startswith(b'hopvine: no terminal can be had: ') and ended.err.count(b'\n') == 1, ended
    assert (ended.out, ended.how) == (b'', 'exit 126'), ended


@some
def test_a_program_that_is_not_there_says_so_on_the_terminal(driver):
    ended = driver(words=[b'/no/such\xff'], exact=True, terminal=TERMINAL)
    assert b'hopvine: cannot run /no/such' in ended.out + ended.err and ended.how == 'exit 127', ended


# What is not the terminal's

@every
def test_the_login_shell_knows_that_it_is_one(driver):
    asked = ('type', b'case $0 in -*) echo a login shell;; esac\nexit 3\n')
    ended = driver(asked, 'end', login=True)
    assert (ended.out, ended.err, ended.how) == (b'a login shell\n', b'', 'exit 3'), ended
    shown = driver(asked, login=True, terminal=TERMINAL, env=[(b'HISTFILE', b'/dev/null')])
    assert shown.out.count(b'a login shell\r\n') == 1 and shown.how == 'exit 3', shown


@every
def test_an_environment_of_any_bytes_is_added_to_that_of_the_agent(driver):
    wanted = {b'ODD': b'\xfe\xff\n "x', b'PLAIN': b'y', b'TERM': b'given'}
    ended = driver(words=[b'printenv', b'ODD', b'PLAIN', b'TERM', b'USER'], exact=True, env=list(wanted.items()))
    assert (ended.out, ended.how) == (b'\xfe\xff\n "x\ny\ngiven\ntester\n', 'exit 0'), ended


@some
def test_what_the_environment_lacks_is_as_at_a_login(driver):
    driver.through = ['env', '-u', 'HOME', '-u', 'SHELL', '-u', 'USER', '-u', 'LOGNAME']
    user = pwd.getpwuid(os.getuid())
    ended = driver(words=[b'printenv', b'HOME', b'SHELL', b'USER', b'LOGNAME'], exact=True)
    assert ended.out.decode().splitlines() == [user.pw_dir, user.pw_shell, user.pw_name, user.pw_name], ended


@some
def test_the_home_folder_is_where_a_command_starts_where_that_is_wanted(driver):
    assert driver.shell(b'pwd').out.decode() == f'{driver.hop.cwd}\n'
    assert driver.shell(b'pwd', home=True).out.decode() == f'{driver.hop.env["HOME"]}\n'
    lost = driver.shell(b'pwd', home=True, env=[(b'HOME', b'/no/such')])
    assert lost.err == b'hopvine: cannot change to the home folder /no/such: No such file or directory\n', lost
    assert (lost.out.decode(), lost.how) == (f'{driver.hop.cwd}\n', 'exit 0'), lost


@every
def test_the_end_of_input_and_every_byte_of_it_arrive_without_a_terminal(driver):
    ended = driver.shell(b'cat; echo over >&2', ('fill', MUCH), 'end')
    assert ended.out == ALL_BYTES * (MUCH // 256) and (ended.err, ended.how) == (b'over\n', 'exit 0'), ended


@some
def test_an_end_by_a_signal_is_no_status(driver):
    assert driver.shell(b'kill -9 $$').how == 'signal 9'
    assert driver.shell(b'exit 137').how == 'exit 137'


# Connections

class Server:
    """Takes one connection, and does with it what it is told."""

    def __init__(self, serve):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, args=(serve,))
        self.thread.start()

    def _serve(self, serve):
        connection, _ = self.listener.accept()
        with connection:
            serve(connection)

    def close(self):
        self.thread.join(30)
        self.listener.close()


@pytest.fixture
def served():
    servers = []

    def start(serve):
        servers.append(Server(serve))
        return servers[-1].port
    yield start
    for server in servers:
        server.close()


def all_of(connection):
    return b''.join(iter(lambda: connection.recv(65536), b''))


@every
def test_a_connection_carries_every_byte_both_ways_until_both_ends_are_through(driver, served):
    port = served(lambda connection: connection.sendall(all_of(connection)))
    ended = driver(('fill', MUCH), 'end', dial=('localhost', port))
    assert ended.out == ALL_BYTES * (MUCH // 256) and (ended.err, ended.how) == (b'', 'exit 0'), ended


@every
def test_who_has_said_all_may_still_listen(driver, served):
    """The other end is through first: an empty output tells, and what is sent then still arrives."""
    heard = []

    def serve(connection):
        connection.sendall(b'hello')
        connection.shutdown(socket.SHUT_WR)
        heard.append(all_of(connection))
    ended = driver('silence', ('type', b'late'), 'end', dial=('127.0.0.1', served(serve)))
    assert (ended.out, ended.how, heard) == (b'hello', 'exit 0', [b'late']), ended


@every
def test_a_connection_that_cannot_be_made_says_why(driver):
    with socket.socket() as held:
        held.bind(('127.0.0.1', 0))
        port = held.getsockname()[1]
        refused = driver(dial=('127.0.0.1', port))
    assert refused.err == b'hopvine: connect to 127.0.0.1 port %d: Connection refused\n' % port, refused
    assert (refused.out, refused.how) == (b'', 'exit 255'), refused
    unknown = driver(dial=('no.such.host.invalid', 1))
    assert unknown.err.startswith(b'hopvine: connect to no.such.host.invalid port 1: ') and unknown.how == 'exit 255', unknown


@every
def test_a_connection_that_is_cancelled_is_closed(driver, served):
    closed = []

    def serve(connection):
        connection.sendall(b'at it')
        closed.append(all_of(connection))
    ended = driver(('await', b'at it'), 'cancel', dial=('127.0.0.1', served(serve)))
    assert ended.how == 'error interrupted', ended


@some
def test_who_does_not_read_stops_a_connection_and_nothing_else(driver, served):
    """It sends before it takes: both directions are full then, and neither waits for the other."""
    def serve(connection):
        connection.sendall(ALL_BYTES * (MUCH // 256))
        connection.shutdown(socket.SHUT_WR)
        all_of(connection)
    ended = driver(('fill', MUCH), 'silence', 'end', dial=('127.0.0.1', served(serve)))
    assert ended.out == ALL_BYTES * (MUCH // 256) and ended.how == 'exit 0', ended
