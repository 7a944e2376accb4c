"""What the documents of Chopsticks and Mitogen show first, as scripts of our own: each does what its reader would expect.

What tails a log is among the tests of channels.
"""

import os

import pytest

from harness.pythons import oldest_and_newest

ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)


@pytest.fixture
def reachable(site):
    """The path by which accounts of the ssh server start that Python."""
    return lambda python: site.accounts.reachable(python) or python.path


# Chopsticks

@ENDS
def test_the_time_of_a_host(scripts, ssh, reachable, python):
    lines = scripts.told(python, '''
        with SSHTunnel('h1', python=sys.argv[1]) as tun:
            print(abs(tun.call(time.time) - time.time()) < 60)
            print(tun.host)
    ''', reachable(python))
    assert lines == ['True', 'h1']


@ENDS
def test_the_time_of_several_hosts_at_once(scripts, ssh, python):
    lines = scripts.told(python, '''
        group = Group(['h1', 'h2', Local('here', python=PYTHON)])
        for host, t in group.call(time.time).successful():
            print('Time on %s: %s' % (host, abs(t - time.time()) < 60))
        group.close()
    ''')
    assert lines == ['Time on h1: True', 'Time on h2: True', 'Time on here: True']


@ENDS
def test_a_group_connects_reconnects_and_goes(scripts, ssh, python):
    lines = scripts.told(python, '''
        group = Group([here('a'), here('b')])
        group.connect()
        first = group.call(os.getpid)
        group.close()
        with group:
            second = group.call(os.getpid)
        third = group.call(os.getpid)
        print(len(set([tuple(result.values()) for result in (first, second, third)])))
        del group
    ''')
    assert lines == ['3']


@ENDS
def test_facts_of_hosts(scripts, ssh, reachable, python):
    lines = scripts.told(python, '''
        from hopvine.facts import ip, python_version
        print(here('a').call(python_version)[:2])
        for host, address in Group([Tunnel('h1', python=sys.argv[1])]).call(ip).items():
            print(host, address.count('.') == 3 or ':' in address)
    ''', reachable(python))
    assert lines == [str(python.version)[:2], 'h1 True']


@ENDS
def test_a_configuration_goes_out_and_a_service_is_told(scripts, python):
    """put to all, then a function of the standard library with arguments, whose failures are raised."""
    scripts.hop.write('app.ini', '[app]\n')
    lines = scripts.told(python, '''
        import subprocess
        webservers = Group([here('www1'), here('www2'), here('www3')])
        webservers.put('app.ini', os.path.join(sys.argv[1], 'app.ini'))
        restarted = webservers.call(subprocess.check_output, 'wc -c < app.ini', shell=True, cwd=sys.argv[1]).raise_failures()
        print([int(count) for count in restarted.values()])
        try:
            webservers.call(subprocess.check_output, 'exit 3', shell=True).raise_failures()
        except RemoteException:
            print(str(sys.exc_info()[1]).splitlines()[0])
        webservers.close()
    ''', scripts.hop.scratch)
    assert lines == ['[6, 6, 6]', '3/3 hosts had failures']


@ENDS
def test_three_files_to_three_hosts_by_a_queue(scripts, python):
    for name in 'abc':
        scripts.hop.write(f'{name}.txt', name * 1000)
        (scripts.hop.scratch / f'host{"abc".index(name) + 1}').mkdir()
    assert scripts.told(python, '''
        group = Group([here('host1'), here('host2'), here('host3')])
        for tunnel in group:
            tunnel.call(os.chdir, os.path.join(sys.argv[1], tunnel.host))
        queue = Queue()
        results = [queue.put(group, f, f) for f in ('a.txt', 'b.txt', 'c.txt')]
        queue.run()
        print([sorted(value['size'] for value in result.value.values()) for result in results])
    ''', scripts.hop.scratch) == ['[[1000, 1000, 1000], [1000, 1000, 1000], [1000, 1000, 1000]]']
    assert {path.read_text() for path in scripts.hop.scratch.glob('host*/b.txt')} == {'b' * 1000}


@ENDS
@pytest.mark.parametrize('guarded', [True, False], ids=['guarded', 'unguarded'])
def test_a_script_in_one_file(scripts, python, guarded):
    use = "with here('remote') as tun:\n        print(tun.call(do_it, 'now'))"
    text = f'''
import json
GREETING = 'done'
def wrapped(text):
    return json.dumps([text, GREETING])
def do_it(when):
    return wrapped(when)
if {'__name__ == "__main__"' if guarded else 'True'}:
    {use}
'''
    assert scripts.told(python, text) == ['["now", "done"]']


@ENDS
def test_sets_of_tunnels(scripts, python):
    assert scripts.told(python, '''
        webservers, workers = Group([here('web1'), here('web2')]), Group([here('worker1')])
        def install():
            return os.getpid()
        print(len(set((webservers + workers).call(install).values())))
        dck1, dck2 = Docker('docker1'), Docker('docker2')
        print(dck1 + dck2)
    ''') == ['3', "Group([Docker('docker1'), Docker('docker2')])"]


@ENDS
def test_tunnels_out_of_remote_code_to_a_depth(scripts, python):
    result = scripts(python, '''
        def deeper(levels):
            from hopvine import Local
            with Local('below', python=PYTHON) as tun:
                if levels > 1:
                    return tun.call(deeper, levels - 1)
                return tun.call(os.getpid) != os.getpid()
        print(here('a').call(deeper, 1))
        try:
            here('b').call(deeper, 2)
        except RemoteException:
            print('may lead 2 levels deep' in str(sys.exc_info()[1]))
        hopvine.DEPTH_LIMIT = 3
        print(here('c').call(deeper, 2))
    ''')
    assert (result.rc, result.lines) == (0, ['True', 'True', 'True']), result
    assert 'local:b -> local:below -> local:below' in result.said, result


@pytest.mark.skipif(os.getuid() != 0, reason='sudo without a password is for root here')
@ENDS
def test_another_user_of_a_host_from_code_that_runs_there(scripts, python):
    assert scripts.told(python, '''
        def as_nobody():
            from hopvine import Sudo
            with Sudo('root', python=PYTHON) as sudo:
                return sudo.call(os.geteuid)
        print(here('a').call(as_nobody))
    ''') == ['0']


# Mitogen

@pytest.mark.skipif(os.getuid() != 0, reason='sudo without a password is for root here')
@ENDS
def test_a_chain_of_ways(scripts, ssh, reachable, python):
    assert scripts.told(python, '''
        bastion = Tunnel('h1')
        account = bastion.sudo()
        inner = Local('leaf', via=account, python=sys.argv[1])
        print(account.host, account.call(os.system, 'true'), inner.host, inner.call(os.system, 'exit 3') >> 8)
        print(inner.call(os.getppid) != account.call(os.getpid), bastion.run('echo $USER').status)
    ''', reachable(python)) == ['h1/sudo:root 0 leaf 3', 'True 0']


@ENDS
def test_a_package_is_there_as_in_the_local_code(scripts, far, python):
    files = {'__init__.py': 'from .first import name', 'first.py': 'from . import second\nname = second.NAME',
             'second.py': 'import json\nNAME = json.dumps("deep")', 'sub/__init__.py': '', 'sub/mod.py': 'from ..first import name as n\n'
             'def where():\n    return n, __name__'}
    scripts.hop.write_all('mypkg', files)
    assert scripts.told(python, '''
        import mypkg.sub.mod
        class Far(SubprocessTunnel):
            host, python = 'far', PYTHON
            def cmd_args(self):
                return ['unshare', '-m', '--propagation', 'private', 'sh', '-c',
                        'mount -t tmpfs tmpfs "$1" && cd / && exec sh -c "$2"', 'hide', os.getcwd(), '{}']
        tunnel = Far() if sys.argv[1] == 'exec:far' else here('a')
        name, module = tunnel.call(mypkg.sub.mod.where)
        print(str(name), str(module))
    ''', far) == ['"deep" mypkg.sub.mod']


@ENDS
def test_what_is_printed_and_logged_there_is_seen_here(scripts, python):
    result = scripts(python, r'''
        import logging
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter('%(levelname)s %(hopvine_host)s: %(name)s: %(message)s'))
        logging.getLogger().addHandler(handler)
        def work():
            import logging
            logging.getLogger('mitogen.ctx').error('step %d', 2)
            return os.system('echo from a child')
        print(here('k3').call(work))
    ''')
    assert (result.rc, result.err) == (0, b''), result
    assert sorted(result.lines) == ['0', 'ERROR k3: mitogen.ctx: step 2', 'k3: from a child'], result


@ENDS
def test_an_installer_that_takes_its_host_as_an_argument(scripts, ssh, reachable, python):
    text = '''
def install_app(where):
    os.makedirs(where)
    return os.system('touch %s/app' % where)
def main():
    if len(sys.argv) != 4:
        print(__doc__)
        sys.exit(1)
    tunnel = Tunnel(sys.argv[1], python=sys.argv[3])
    assert tunnel.call(install_app, sys.argv[2], timeout=60) == 0
if __name__ == '__main__':
    main()
'''
    place = scripts.hop.scratch / 'installed'
    scripts.hop.scratch.chmod(0o777)
    assert scripts.told(python, text, 'h1', place, reachable(python)) == []
    assert (place / 'app').exists()
