"""`hopvine facts`: what is there, under every Python, in places where little can be known."""

import grp
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

import pytest

from harness.binary import REPO
from harness.places import install
from harness.pythons import discover, starts_itself_again

KEYS = {
    'addresses', 'arch', 'container', 'cpus', 'default_route', 'encoding', 'hostname', 'init', 'ip', 'is_root',
    'kernel', 'load', 'locale', 'memory_bytes', 'os', 'path', 'python', 'routes', 'selinux', 'time', 'timezone',
    'uptime_seconds', 'user'}
EVERY_PYTHON = pytest.mark.parametrize('python', discover(), ids=repr)
# A Python may have been built without them; then it can tell less.
MODULES = 'import _socket, array, grp, pwd'

# Nothing but what the agent needs to be found; "$1" starts it.
NO_PROC = 'mount -t tmpfs none /proc\nexec sh -c "$1"\n'
NO_ETC = '''
mount -t tmpfs none /etc
[ ! -f /usr/lib/os-release ] || mount --bind /dev/null /usr/lib/os-release
'''
# A wire to itself: two ends in one network.
WIRE = 'ip link set lo up; ip link add a0 type veth peer name b0; ip link set b0 up; ip link set a0 up; '
EDGE_FILES = {
    'redhat-release': ('CentOS release 5.11 (Final)', 'CentOS', 'centos', '5.11'),
    'SuSE-release': ('SUSE Linux Enterprise Server 11 (x86_64)', 'SUSE Linux Enterprise Server', 'suse', '11'),
    'alpine-release': ('3.18.4', 'Alpine Linux', 'alpine', '3.18.4'),
    'debian_version': ('6.0.10', 'Debian GNU/Linux', 'debian', '6.0.10')}


def facts(hop, target, *options, **more):
    result = hop('facts', '-w', target, '--json', *options, **more)
    assert result.rc == 0 and result.err == b'', result
    assert set(result.only['value']) == KEYS, result
    return result.only['value']


@pytest.fixture
def complete():
    """Skips where an interpreter lacks what a fact is found with."""
    def check(python):
        missing = subprocess.run([python.path, '-S', '-E', '-c', MODULES], capture_output=True, text=True)
        if missing.returncode:
            pytest.skip(f'{python}: {missing.stderr.splitlines()[-1]}')
    return check


@pytest.fixture
def behind(hop, site):
    """Facts of this machine from behind a script that has made a namespace of its own."""
    if not site.accounts.private:
        pytest.skip('a namespace of its own needs root and unshare')

    def ask(script, *options, unshare='-m --propagation private'):
        path = hop.scratch / 'place.sh'
        path.write_text(script)
        return facts(hop, hop.way_in(f'unshare {unshare} sh {path} {{}}'), *options)
    return ask


@pytest.mark.parametrize('target', ['local:', 'h1'])
@EVERY_PYTHON
def test_every_python_knows_where_it_is(hop, ssh, python, target):
    before = time.time()
    found = facts(hop, target, '--python', python.path)
    uname = os.uname()
    assert (found['hostname'], found['arch']) == (uname.nodename, uname.machine)
    assert found['kernel'] == {'name': uname.sysname, 'release': uname.release, 'version': uname.version}
    assert (found['python']['version'], found['python']['implementation']) == (python.version, 'cpython')
    assert found['python']['bits'] == sys.maxsize.bit_length() + 1
    assert found['cpus'] == os.sysconf('SC_NPROCESSORS_ONLN') and set(found['load']) == {'1', '5', '15'}
    assert found['memory_bytes']['total'] == memory('MemTotal')
    assert 0 < found['memory_bytes']['available'] <= found['memory_bytes']['total']
    assert before - 1 <= found['time'] <= time.time() + 1
    assert found['timezone']['offset_seconds'] == time.localtime().tm_gmtoff
    assert 0 < found['uptime_seconds'] <= time.clock_gettime(time.CLOCK_BOOTTIME) + 1


def memory(field):
    line = next(line for line in open('/proc/meminfo') if line.startswith(f'{field}:'))
    return int(line.split()[1]) * 1024


@EVERY_PYTHON
def test_every_python_knows_user_and_addresses(hop, complete, python):
    complete(python)
    found = facts(hop, 'local:', '--python', python.path)
    me = pwd.getpwuid(os.geteuid())
    user = {name: found['user'][name] for name in ('name', 'uid', 'gid', 'home', 'shell')}
    assert user == {'name': me.pw_name, 'uid': me.pw_uid, 'gid': me.pw_gid, 'home': me.pw_dir, 'shell': me.pw_shell}
    groups = {os.getegid(), *os.getgroups()}
    assert set(found['user']['groups']) == {grp.getgrgid(gid).gr_name for gid in groups}
    assert found['is_root'] == (os.geteuid() == 0)
    every = [address for addresses in found['addresses'].values() for address in addresses]
    assert found['ip'] in [*every, None] and '127.0.0.1' not in every and '::1' not in every
    for address in every:
        if not address.startswith('fe80:'):
            family = socket.AF_INET6 if ':' in address else socket.AF_INET
            with socket.socket(family) as ours:
                ours.bind((address, 0))  # only an address of this machine can be


@EVERY_PYTHON
def test_a_machine_without_proc_is_known_as_far_as_can_be(behind, python):
    if not starts_itself_again(python):
        pytest.skip('this interpreter runs only by a wrapper that it does not know of')
    found = behind(NO_PROC, '--python', python.path)
    assert found['memory_bytes']['total'] == os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    assert found['uptime_seconds'] is None and found['routes'] == [] and found['default_route'] is None
    assert found['hostname'] == os.uname().nodename and found['cpus']
    assert found['user']['name'] == pwd.getpwuid(os.geteuid()).pw_name


@EVERY_PYTHON
def test_a_machine_without_etc_has_numbers_for_names(behind, python):
    found = behind(NO_ETC + 'exec sh -c "$1"\n', '--python', python.path)
    assert found['os'] == {'name': None, 'id': None, 'like': [], 'version': None, 'codename': None}
    assert found['user']['name'] is None and found['user']['uid'] == os.geteuid()
    assert str(os.getegid()) in found['user']['groups']


@pytest.mark.parametrize('name', EDGE_FILES)
def test_an_older_system_says_what_it_is_in_a_file_of_its_own(behind, name):
    text, title, kind, version = EDGE_FILES[name]
    system = behind(f'{NO_ETC}echo "{text}" >/etc/{name}\nexec sh -c "$1"\n')['os']
    assert (system['name'], system['version']) == (title, version), system
    assert system['id'] in (kind, 'redhat'), system


def test_an_os_release_is_read_with_its_quotes(behind):
    lines = ['# a comment', 'NAME="Some Linux"', "ID='some'", 'ID_LIKE="rhel fedora"', 'VERSION_ID=9.3', 'BROKEN', '=x']
    written = ''.join(f'echo {shlex.quote(line)} >>/etc/os-release\n' for line in lines)
    system = behind(NO_ETC + written + 'exec sh -c "$1"\n')['os']
    assert system == {'name': 'Some Linux', 'id': 'some', 'like': ['rhel', 'fedora'], 'version': '9.3', 'codename': None}


@EVERY_PYTHON
def test_no_network_at_all_is_no_error(behind, python):
    found = behind('exec sh -c "$1"\n', '--python', python.path, unshare='-n')
    assert (found['addresses'], found['ip'], found['routes'], found['default_route']) == ({}, None, [], None)


@EVERY_PYTHON
def test_a_host_that_has_ipv6_only_is_known_by_it(behind, complete, python):
    complete(python)
    script = WIRE + 'ip -6 addr add fd00:5::5/64 dev a0 nodad; ip -6 route add default via fd00:5::1; exec sh -c "$1"\n'
    found = behind(script, '--python', python.path, unshare='-n')
    assert found['ip'] == 'fd00:5::5' and 'fd00:5::5' in found['addresses']['a0'], found
    assert found['default_route'] == {'gateway': 'fd00:5::1', 'interface': 'a0'}, found


@EVERY_PYTHON
def test_every_address_and_route_of_an_interface_is_there(behind, complete, python):
    complete(python)
    found = behind(WIRE + '''
ip addr add 10.1.2.3/24 dev a0; ip addr add 10.1.2.4/24 dev a0 label a0:1; ip addr add 10.9.0.1/32 dev lo
ip route add default via 10.1.2.1 metric 50; ip route add default via 10.1.2.2 metric 7
ip route add 172.16.0.0/12 via 10.1.2.9; ip route add blackhole 192.168.0.0/16
exec sh -c "$1"
''', '--python', python.path, unshare='-n')
    assert [each for each in found['addresses']['a0'] if '.' in each] == ['10.1.2.3', '10.1.2.4'], found
    assert found['addresses']['lo'] == ['10.9.0.1'] and found['ip'] == '10.1.2.3', found
    assert found['default_route'] == {'gateway': '10.1.2.2', 'interface': 'a0'}, found
    routes = {route['destination']: route for route in found['routes'] if route['destination'] != '0.0.0.0/0'}
    assert routes['172.16.0.0/12'] == {
        'destination': '172.16.0.0/12', 'gateway': '10.1.2.9', 'interface': 'a0', 'metric': 0}
    assert routes['10.1.2.0/24']['gateway'] is None and '192.168.0.0/16' not in routes


def test_another_user_is_told_as_it_is(hop, ssh, need, site):
    need('bash')
    found = facts(hop, 'bash')
    assert found['is_root'] is False and found['user']['name'] == 'hvbash', found
    assert found['user']['home'] == str(site.accounts.home('hvbash')) and found['user']['groups'] == ['hvbash'], found


def test_a_user_that_nobody_has_named_is_a_number(hop, site):
    if not site.accounts.private:
        pytest.skip('another user needs root')
    found = facts(hop, hop.way_in('setpriv --reuid 54321 --regid 54322 --clear-groups sh -c {}'))
    user = found['user']
    assert (user['name'], user['uid'], user['gid'], user['groups']) == (None, 54321, 54322, ['54322']), user


@pytest.mark.parametrize('marks, name', [
    ('mkdir -p /run/systemd; echo lxc >/run/systemd/container', 'lxc'), ('touch /run/.containerenv', 'podman'),
    ('export container=oci', 'oci')])
def test_a_container_is_known_by_its_marks(behind, marks, name):
    assert behind(f'mount -t tmpfs none /run\n{marks}\nexec sh -c "$1"\n')['container'] == name


def test_a_virtual_environment_is_the_prefix_of_its_interpreter(hop):
    venv = hop.scratch / 'venv'
    newest = [python for python in discover() if python.number >= (3, 4) and starts_itself_again(python)][-1]
    (venv / 'bin').mkdir(parents=True)
    (venv / 'bin/python').symlink_to(newest.path)
    (venv / 'pyvenv.cfg').write_text('home = /usr/bin\n')
    found = facts(hop, 'local:', '--python', venv / 'bin/python')['python']
    assert (found['prefix'], found['executable']) == (str(venv), str(venv / 'bin/python')), found


@pytest.fixture
def natively(hop, site):
    """Facts as this program tells them, and as Python does at the same place."""
    install(site, hop)

    def both(target, **more):
        native = facts(hop, target, '--agent', 'native', **more)
        return native, facts(hop, target, **more)
    return both


def are_alike(native, python):
    """All that does not change from one moment to the next, and is not about Python."""
    assert native['python'] is None and native['encoding'] == 'utf-8', native
    assert abs(native['time'] - python['time']) < 60 and abs(native['uptime_seconds'] - python['uptime_seconds']) < 60
    assert set(native['load']) == set(python['load']) and native['memory_bytes']['available'] > 0
    for found in native, python:
        for name in 'python', 'encoding', 'time', 'uptime_seconds', 'load':
            del found[name]
        del found['memory_bytes']['available']
    assert list(native) == list(python) and native == python
    assert [list(each) for each in native.values() if type(each) is dict] == [
        list(each) for each in python.values() if type(each) is dict]


def test_this_program_tells_the_same_as_python(natively):
    are_alike(*natively('local:'))


@pytest.mark.parametrize('ids', ['--reuid 54321 --regid 54322 --clear-groups', '--reuid 65534 --regid 65534 --groups 1,54321'])
def test_this_program_tells_the_same_of_another_user(natively, hop, site, ids):
    if not site.accounts.private:
        pytest.skip('another user needs root')
    are_alike(*natively(hop.way_in(f'setpriv {ids} sh -c {{}}')))


@pytest.mark.parametrize('zone', ['UTC', 'Europe/Berlin', 'America/St_Johns', 'XYZ-3:30'])
def test_this_program_knows_the_time_zone(natively, zone):
    are_alike(*natively('local:', env={'TZ': zone}))


def test_this_program_tells_the_same_of_a_network(natively, hop, site):
    if not site.accounts.private:
        pytest.skip('a network of its own needs root')
    script = hop.scratch / 'net'
    script.write_text(WIRE + """
ip addr add 10.1.2.3/24 dev a0; ip addr add 10.1.2.4/24 dev a0 label a0:1; ip addr add 10.9.0.1/32 dev lo
ip -6 addr add fd00:5::5/64 dev a0 nodad; ip -6 route add default via fd00:5::1
ip route add default via 10.1.2.1 metric 50; ip route add default via 10.1.2.2 metric 7
ip route add 172.16.0.0/12 via 10.1.2.9; ip route add blackhole 192.168.0.0/16
exec sh -c "$1"
""")
    (native, python) = natively(hop.way_in(f'unshare -n sh {script} {{}}'))
    # The addresses that the kernel makes of random numbers are others each time.
    for found in native, python:
        for addresses in found['addresses'].values():
            addresses[:] = [each for each in addresses if not each.startswith('fe80:')]
        found['routes'] = [each for each in found['routes'] if not each['destination'].startswith('fe80:')]
    assert native['ip'] == '10.1.2.3' and native['addresses']['a0'] == ['10.1.2.3', '10.1.2.4', 'fd00:5::5']
    are_alike(native, python)


@pytest.mark.parametrize('name', EDGE_FILES)
def test_this_program_knows_older_systems(natively, hop, site, name):
    if not site.accounts.private:
        pytest.skip('another /etc needs root')
    script = hop.scratch / 'older'
    script.write_text(f'{NO_ETC}echo "{EDGE_FILES[name][0]}" >/etc/{name}\nexec sh -c "$1"\n')
    are_alike(*natively(hop.way_in(f'unshare -m --propagation private sh {script} {{}}')))


def test_this_program_needs_no_python(natively, hop):
    folder = hop.scratch / 'alone'
    folder.mkdir()
    for program in 'sh', hop.path:
        (folder / os.path.basename(program)).symlink_to(shutil.which(program))
    found = facts(hop, hop.way_in(f'env PATH={folder} {folder}/sh -c {{}}'), '--agent', 'native')
    assert found['hostname'] == os.uname().nodename and found['path'] == str(folder)


def test_no_program_is_started_and_nothing_is_sent(hop):
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    trace = hop.scratch / 'trace'
    facts(hop, hop.way_in(f'strace -f -qq -o {trace} -e trace=execve,sendto,sendmsg,connect sh -c {{}}'))
    lines = trace.read_text().splitlines()
    inside = lines[max(at for at, line in enumerate(lines) if 'execve(' in line and '= 0' in line):]
    assert 'python' in inside[0] and not [line for line in inside[1:] if 'execve(' in line], inside
    sent = [line for line in inside if re.search(r'send(to|msg)\(', line)]
    # the resolver of names may ask a daemon of this machine, by a file
    assert not [line for line in sent if 'AF_INET' in line], sent
    assert all('AF_UNIX' in line or ':53' in line or 'htons(53)' in line for line in inside if 'connect(' in line), inside


def test_one_host_has_a_line_for_each_leaf_in_order(hop):
    result = hop('facts', '-w', 'local:')
    keys = [line.split(': ', 1)[0] for line in result.lines]
    assert result.rc == 0 and result.err == b'' and all(': ' in line for line in result.lines), result
    assert {key.split('.')[0] for key in keys} == KEYS
    assert [key for key in keys if 'routes' not in key] == sorted(key for key in keys if 'routes' not in key), keys
    assert f'hostname: {os.uname().nodename}' in result.lines and 'is_root: ' in result.text
    assert f'python.bits: {sys.maxsize.bit_length() + 1}' in result.lines


def test_many_hosts_have_their_names_before_each_line(hop):
    result = hop('facts', '-w', 'local:c[1-2]')
    assert result.rc == 0 and {line.split(': ')[0] for line in result.lines} == {'local:c1', 'local:c2'}, result
    assert f'local:c2: hostname: {os.uname().nodename}' in result.lines


def test_what_others_say_cannot_look_like_a_line_of_ours(hop):
    target = hop.way_in("env LANG='\x1b[2J\nhostname: forged' sh -c {}")
    result = hop('facts', '-w', target, env={'LC_ALL': ''})
    assert 'locale: ^[[2J\\nhostname: forged' in result.lines and b'\x1b' not in result.out, result


def test_a_host_that_does_not_connect_is_as_for_other_verbs(hop, refusing):
    result = hop('facts', '-w', f'local:,{refusing}', '--json')
    assert result.rc == 4 and result.json['local']['value']['cpus'] and not result.json[refusing]['ok'], result


def test_the_guide_has_every_key(hop):
    guide = (REPO / 'docs/GUIDE.md').read_text()
    assert KEYS <= set(re.findall(r'`(\w+)`', guide)), KEYS - set(re.findall(r'`(\w+)`', guide))
