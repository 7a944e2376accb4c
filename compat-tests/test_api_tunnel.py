"""What tunnels do, from a script of one's own, by every Python: calls, commands, files, output, names."""

import pytest

from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)

# Calls

@EVERY
def test_functions_of_the_script_itself(scripts, python):
    assert scripts.told(python, '''
        def doubled(number, plus=0):
            return number * 2 + plus
        tunnel = here('a')
        print(tunnel.call(doubled, 4), tunnel.call(doubled, 4, plus=1), tunnel.call(len, [1, 2]))
        print(tunnel.call(sorted, {'b': 1, 'a': (2, [3])}))
    ''') == ['8 9 2', "['a', 'b']"]


@EVERY
def test_an_exception_comes_back_with_all_that_is_known(scripts, python):
    lines = scripts.told(python, '''
        class Own(Exception):
            def __init__(self, number):
                Exception.__init__(self, 'own', number)
                self.number = number
        def fails():
            raise Own(7)
        try:
            here('a').call(fails)
        except RemoteException:
            error = sys.exc_info()[1]
        print(error.type.split('.')[-1], error.arguments, error.attributes, error.host)
        print('raise Own(7)' in error.traceback, 'in fails' in str(error))
        import pickle
        print(pickle.loads(pickle.dumps(error)).attributes)
    ''')
    assert lines == ["Own ('own', 7) {'number': 7} a", 'True True', "{'number': 7}"]


@ENDS
def test_a_call_that_takes_too_long_is_stopped_and_the_next_runs(scripts, python):
    lines = scripts.told(python, '''
        tunnel = here('a')
        pid = tunnel.call(os.getpid)
        began = time.time()
        try:
            tunnel.call(time.sleep, 1000, timeout=.3)
        except TimedOut:
            print(sys.exc_info()[1].kind, time.time() - began < 3)
        print(tunnel.call(os.getpid) == pid)
        print(issubclass(TimedOut, getattr(__builtins__, 'TimeoutError', HostError)))
    ''')
    assert lines == ['timed_out True', 'True', 'True']


@ENDS
def test_a_timeout_of_the_functions_own_goes_by_partial(scripts, python):
    assert scripts.told(python, '''
        import functools
        def waits(timeout):
            return timeout
        print(here('a').call(functools.partial(waits, timeout=5)))
    ''') == ['5']


@ENDS
def test_what_cannot_be_sent_is_named_and_harms_nothing(scripts, python):
    lines = scripts.told(python, '''
        import threading
        def gives():
            return sys.stdout
        def takes(thing):
            return 1
        tunnel = here('a')
        for function, args in ((gives, ()), (takes, (threading.Lock(),))):
            try:
                tunnel.call(function, *args)
            except Unsendable:
                print(type(sys.exc_info()[1]).__name__, isinstance(sys.exc_info()[1], TypeError))
        print(tunnel.call(takes, 2))
    ''')
    assert lines == ['Unsendable True', 'Unsendable True', '1']


@ENDS
def test_calls_without_waiting(scripts, python):
    lines = scripts.told(python, '''
        tunnel = here('a')
        def fails():
            raise ValueError('no')
        first, second = tunnel.call_async(os.getpid), tunnel.call_async(fails)
        seen = []
        print(first.get() == tunnel.call(os.getpid), first.value == first.get())
        second.with_callback(lambda value: seen.append(value.msg))
        try:
            second.get()
        except RemoteException:
            print(sys.exc_info()[1].message, second.value.tb is not None)
        second.with_callback(lambda value: seen.append('again'))
        print(seen)
        third = tunnel.call_async(time.sleep, 1000)
        try:
            third.value
        except NotCompleted:
            print('not yet')
        third.cancel()
        print(third.value.kind, tunnel.call(len, 'ab'))
    ''')
    assert lines == ['True True', 'no True', "['ValueError: no', 'again']", 'not yet', 'interrupted 2']


# Commands

@EVERY
def test_commands(scripts, python):
    lines = scripts.told(python, r'''
        tunnel = here('a')
        result = tunnel.run('echo out; echo err >&2; exit 3')
        print(result.status, result.stdout == b'out\n', result.stderr == b'err\n')
        print(tunnel.run(['printf', '%s|', 'a b', '$HOME']).stdout == b'a b|$HOME|')
        print(tunnel.run('cat', input=bytes(bytearray(range(256)) * 1000)).stdout == bytes(bytearray(range(256)) * 1000))
        print(tunnel.run('true').check().status, tunnel.run('kill -9 $$').status)
        try:
            tunnel.run('echo why >&2; exit 5').check()
        except CommandFailed:
            error = sys.exc_info()[1]
        print(error.result.status, 'status 5' in str(error) and 'why' in str(error))
        try:
            tunnel.run('sleep 1000', timeout=.3)
        except TimedOut:
            print('late')
    ''')
    assert lines == ['3 True True', 'True', 'True', lines[3], '5 True', 'late'] and lines[3].startswith('0 '), lines
    assert lines[3].split()[1] in ('-9', '137'), lines


# Files

@EVERY
def test_files(scripts, python):
    lines = scripts.told(python, r'''
        import hashlib, stat
        tunnel = here('a').connect()
        os.chdir(sys.argv[1])
        open('a file', 'wb').write(b'content')
        there = os.path.join(sys.argv[1], 'copy')
        told = tunnel.put('a file', there)
        print(sorted(told.items()) == sorted({'remote_path': there, 'size': 7, 'files': 1,
                                              'sha1sum': hashlib.sha1(b'content').hexdigest()}.items()) or told)
        print(oct(stat.S_IMODE(os.stat(there).st_mode))[-3:])
        tunnel.put('a file', there, 0o750)
        print(oct(stat.S_IMODE(os.stat(there).st_mode))[-3:])
        back = tunnel.fetch(there, os.path.join(sys.argv[1], 'back'))
        print(back['local_path'] == os.path.join(sys.argv[1], 'back'), back['remote_path'] == there, back['size'])
        fresh = tunnel.fetch(there)['local_path']
        print(open(fresh, 'rb').read() == b'content')
        os.remove(fresh)
        os.remove(tunnel.put('a file')['remote_path'])
        try:
            tunnel.fetch('/no/such/file', back['local_path'])
        except FileError:
            print(sys.exc_info()[1].kind, open(back['local_path'], 'rb').read() == b'content')
        try:
            tunnel.put('no such file', there)
        except FileError:
            print('no such file' in str(sys.exc_info()[1]))
    ''', scripts.hop.scratch)
    assert lines == ['True', '644', '750', 'True True 7', 'True', 'file True', 'True'], lines


@ENDS
def test_trees(scripts, python):
    tree = scripts.hop.scratch / 'tree'
    (tree / 'below').mkdir(parents=True)
    (tree / 'below/one').write_text('1')
    scripts.told(python, '''
        tunnel = here('a')
        tunnel.put(sys.argv[1], sys.argv[1] + '-there', recursive=True, keep=True, compress=True)
        tunnel.fetch(sys.argv[1] + '-there', sys.argv[1] + '-back', recursive=True)
    ''', tree)
    assert (scripts.hop.scratch / 'tree-back/below/one').read_text() == '1'


# Output

@EVERY
def test_output_is_shown_by_line_with_its_host(scripts, python):
    result = scripts(python, r'''
        import logging
        logging.basicConfig(format='%(levelname)s %(name)s %(hopvine_host)s %(message)s')
        def speaks():
            import logging
            sys.stdout.write('one\ntwo\nno end')
            sys.stdout.flush()
            os.write(1, b'\xff\n')
            sys.stderr.write('complaint\n')
            logging.getLogger('my.app').warning('logged %s', 1)
        here('a').call(speaks)
        print('after')
    ''')
    assert result.rc == 0, result
    assert result.out.decode() == 'a: one\na: two\na: no end\ufffd\nafter\n', result
    assert sorted(result.said.splitlines()) == ['WARNING my.app a logged 1', 'a: complaint'], result


@ENDS
def test_output_goes_where_it_is_wanted(scripts, python):
    assert scripts.told(python, r'''
        seen = []
        tunnel = here('a')
        tunnel.output = lambda host, stream, line: seen.append((host, stream, str(line)))
        tunnel.call(os.system, 'printf "x\ny"; echo z >&2')
        print(sorted(seen))
    ''') == ["[('a', 'stderr', 'z'), ('a', 'stdout', 'x'), ('a', 'stdout', 'y')]"]


@ENDS
def test_what_shows_output_may_fail(scripts, python):
    result = scripts(python, r'''
        tunnel = here('a')
        def broken(host, stream, line):
            raise ValueError('broken display')
        tunnel.output = broken
        print(tunnel.call(os.system, 'echo x'), tunnel.call(len, 'abc'))
    ''')
    assert (result.rc, result.lines) == (0, ['0 3']) and 'broken display' in result.said, result


# Names

@ENDS
def test_names_and_paths(scripts, python):
    assert scripts.told(python, '''
        Local.nearest_python = lambda self: None
        tunnels = [
            Tunnel('web1'), Tunnel('web1', user='me', port='2222'), Tunnel('10.0.0.1', sudo=True), Tunnel('fe80::1'),
            Local('a/b c'), Sudo(), Sudo('app', 'mine'), Docker('d', 'python:3.12'), Docker('d', 'i', rm=False, user='u'),
            Docker('d', running=True), Podman('p', 'i'), Kubectl('deploy/web', namespace='prod'), LXC('l'), LXD('l'),
            Incus('l'), Nsenter(12), Machinectl('m'), Jail('j'), Target('ssh:me@web1?port=22/sudo:app'),
            Tunnel('web1').sudo('root').ssh('db1').docker('app', running=True), Tunnel('db1', via=Tunnel('gate')),
            Local('x', python='/opt/py 3/bin/python'), Su('x', via=Tunnel('web1', port=22)), Doas(),
        ]
        for tunnel in tunnels:
            print(repr(tunnel), tunnel.path())
    ''') == [
        "SSHTunnel('web1') ssh:web1", "SSHTunnel('web1') ssh:web1?user=me&port=2222",
        "SSHTunnel('10.0.0.1') ssh:10.0.0.1/sudo:root", "SSHTunnel('fe80::1') ssh:fe80%3A%3A1",
        "Local('a/b c') local:a%2Fb%20c", "Sudo('root@localhost') sudo:root", "Sudo('mine') sudo:app",
        "Docker('d') docker:d?image=python%3A3.12", "Docker('d') docker:d?user=u&image=i&rm=no", "Docker('d') docker:d",
        "Podman('p') podman:p?image=i", "Kubectl('deploy/web') kubectl:deploy%2Fweb?namespace=prod", "LXC('l') lxc:l",
        "LXD('l') lxd:l", "Incus('l') incus:l", "Nsenter('nsenter:12') nsenter:12", "Machinectl('m') machinectl:m",
        "Jail('j') jail:j", "Target('me@web1/sudo:app') ssh:me@web1?port=22/sudo:app",
        "Docker('web1/sudo:root/db1/docker:app') ssh:web1/sudo:root/ssh:db1/docker:app",
        "SSHTunnel('db1') ssh:gate/ssh:db1", "Local('x') local:x?python=%2Fopt%2Fpy%203%2Fbin%2Fpython",
        "Su('x@web1') ssh:web1?port=22/su:x", "Doas('root@localhost') doas:root"]


@ENDS
def test_interpreters_by_class(scripts, python):
    major = python.number[0]
    assert scripts.told(python, f'''
        class Mine(Local):
            python{major} = '/my/python'
            python{5 - major} = '/other/python'
        print(Mine().path(), Mine(python='/third').path())
        Local.python{major} = PYTHON
        print(Local('b').path() == Local('b', python=PYTHON).path(), Local('b').call(os.getpid) > 0)
    ''') == ['local:localhost?python=%2Fmy%2Fpython local:localhost?python=%2Fthird', 'True True']


@ENDS
def test_what_is_wrong_with_arguments_is_said_with_their_names(scripts, python):
    lines = scripts.told(python, r'''
        wrong = [
            lambda: Tunnel(''), lambda: Tunnel('-oProxyCommand=x'), lambda: Tunnel('a b'), lambda: Tunnel('@web'),
            lambda: Tunnel('a', port=0), lambda: Tunnel('a', port='x'), lambda: Tunnel(1), lambda: Local(None),
            lambda: Nsenter('x'), lambda: Docker('d', 'i', running=True), lambda: Target('a,b'), lambda: Target('@web'),
            lambda: Local('a', via='b'), lambda: Local('a', connect_timeout=0), lambda: Local('a', python=3),
            lambda: Sudo(password=1), lambda: Local('a').call(len, timeout='x'), lambda: Local('a').run([]),
            lambda: Local('a').run(5), lambda: Local('a').put('/etc/hosts', mode='0644'), lambda: Local('a').fetch(None),
            lambda: Local('a\n'), lambda: Group('web1'), lambda: Group(['a', 'a']), lambda: Group([1]), lambda: Queue().call('a', len),
        ]
        for attempt in wrong:
            try:
                attempt()
                print('nothing')
            except (ValueError, TypeError):
                print(type(sys.exc_info()[1]).__name__, str(sys.exc_info()[1]).split(':')[0])
    ''')
    assert lines == [
        'ValueError host', 'ValueError host', 'ValueError host', 'ValueError host', 'ValueError port', 'ValueError port',
        'TypeError host', 'TypeError name', 'ValueError pid', 'ValueError running', 'ValueError target', 'ValueError target',
        'TypeError via', 'ValueError connect_timeout', 'TypeError python', 'TypeError password', 'TypeError timeout',
        'ValueError command', 'TypeError command', 'ValueError mode', 'TypeError remote_path', 'ValueError name', 'TypeError hosts',
        'ValueError hosts', 'TypeError hosts', 'TypeError target'], lines


@ENDS
def test_tunnels_are_equal_by_name(scripts, python):
    assert scripts.told(python, '''
        a, also, b = Local('a'), Sudo(name='a'), Local('b')
        print(a == also, a != b, len(set([a, also, b])), a + b, a - also, a & also, a ^ b, a == 'a')
    ''') == ["True True 2 Group([Local('a'), Local('b')]) Group([]) Group([Local('a')]) Group([Local('a'), Local('b')]) False"]


@ENDS
def test_times_that_are_none_or_no_time(scripts, python):
    lines = scripts.told(python, '''
        a, none, odd = here('a'), float('inf'), float('nan')
        print(a.call(len, 'abc', timeout=none), a.run('exit 3', timeout=none).status, a.call(len, 'abc', timeout=10 ** 400))
        for asked in (lambda: a.call(len, '', timeout=odd), lambda: a.run('', timeout=odd), lambda: here('b', connect_timeout=odd),
                      lambda: here('b', connect_timeout=none), lambda: here('b', connect_timeout=11 * 365 * 86400)):
            try:
                asked()
            except ValueError:
                print(sys.exc_info()[1])
    ''')
    assert lines[:3] == ['3 3 3'] + ['timeout: a number of seconds above 0, and not nan'] * 2, lines
    assert lines[3] == 'connect_timeout: a number of seconds above 0, and not nan', lines
    assert [line.split(',')[0] for line in lines[4:]] == ['connect_timeout: a number of seconds up to 315360000'] * 2, lines


@ENDS
def test_what_a_large_call_brings_is_there_for_those_that_overtake_it(scripts, python):
    """And is made once."""
    assert scripts.told(python, '''
        kept, large = [], 'y' * 200000
        def adds(text):
            kept.append(len(text))
            return sorted(kept)
        def own(text):
            return adds(text), len(large)
        a = here('a')
        for function in adds, own:
            calls = [a.call_async(function, 'x' * size) for size in (3000000, 1, 300000, 2)]
            results = [call.get() for call in calls]
            print(len(str(results)) > 0, a.call(function, ''))
        class Own(object):
            pass
        def ignores(channel, gate):
            open(gate).read()
            return channel.open()
        def is_own(thing):
            return isinstance(thing, Own)
        channel = Channel()
        os.mkfifo('gate')
        result = a.call_async(ignores, channel, os.path.abspath('gate'))
        channel.send(Own())
        open('gate', 'w').close()
        os.remove('gate')
        print(result.get(), a.call(is_own, Own()))
    ''') == ['True [0, 1, 2, 300000, 3000000]', 'True ([0, 0, 1, 1, 2, 2, 300000, 300000, 3000000, 3000000], 200000)', 'True True']


@ENDS
def test_what_is_too_large_for_a_message_is_named(scripts, python):
    lines = scripts.told(python, '''
        def shows(*args, **named):
            pass
        def uses():
            return len(big)
        a, big = here('a'), b'x' * 68 * 1024 * 1024
        for asked in (lambda: a.call(len, big), lambda: a.call(shows, 1, k=big), lambda: a.call(uses), lambda: a.run(['true', big])):
            try:
                asked()
            except Unsendable:
                print(sys.exc_info()[1])
        big = b'small'
        print(a.call(uses))
    ''')
    for line, what in zip(lines, ['argument 1 of len (of type ', 'argument k of shows (of type ', 'big of __main__, which uses uses', 'command']):
        assert line.startswith(what) and 'cannot be sent: the message is 71303' in line and 'and may be 67104768; put()' in line, lines
    assert lines[4:] == ['5'], lines


@ENDS
def test_no_text_from_there_is_a_command_to_a_terminal(scripts, python):
    lines = scripts.told(python, r'''
        def fails():
            raise ValueError(u'a\tb\x1b]0;title\x07\x9b1m\r\nlast')
        from hopvine.errors import HostError
        errors = [HostError(u'\x9b1m\u20ac', said=[u'\x1bc']), Unsendable(u'\x1b\u20ac')]
        try:
            here('a').call(fails)
        except RemoteException:
            errors.append(sys.exc_info()[1])
        for error in errors:
            text = str(error)
            if not isinstance(text, type(u'')):
                text = text.decode('utf-8')
            print([char for char in text if ord(char) < 32 and char not in u'\t\n' or 126 < ord(char) < 160], u'\u20ac' in text)
        print('\x1b' in errors[2].message, '\x1b' in errors[2].traceback, '\\x1b]0;title' in str(errors[2]))
    ''')
    assert lines == ['[] True', '[] True', '[] False', 'True True True'], lines


@ENDS
def test_modules_of_the_users_own_are_not_taken_for_pythons(scripts, python):
    """What Python 2 has and Python 3 has not."""
    if python.version[0] == '2':
        pytest.skip('there they are modules of its own')
    for name in ('thread', 'cPickle', 'StringIO', 'Queue'):
        scripts.hop.write(name + '.py', 'raise SystemExit("%s was imported")' % name)
    assert scripts.told(python, '''
        def own():
            return os.getpid()
        print(here('a').call(own) != os.getpid())
    ''') == ['True']
