"""The start of an agent in odd places: no disk, no folder, no locale, a spoilt environment, one interpreter or none."""

import re
import shutil

import pytest

from harness.pythons import discover

# Every file system of this namespace, but those that are not disks, becomes read-only.
READ_ONLY = '''
mount --make-rprivate /
while read -r _ point type _; do
    case $type in proc|sysfs|devpts|devtmpfs|cgroup*|mqueue) continue ;; esac
    mount -o remount,bind,ro "$point" 2>/dev/null
done </proc/self/mounts
touch "$0.written" 2>/dev/null && exit 9
exec sh -c "$1"
'''
FULL = '''
export HOME=/tmp TMPDIR=/tmp
for point in /tmp /var/tmp /dev/shm; do
    mount -t tmpfs -o size=4k tmpfs $point && cat /dev/zero >$point/full
done 2>/dev/null
echo x 2>/dev/null >/tmp/written && [ -s /tmp/written ] && exit 9
cd /tmp
exec sh -c "$1"
'''
CREATING = 'open,openat,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,renameat,renameat2'


def works(hop, target, *options, **more):
    """A call with everything that starts late: printing, a child process, a module from us, an exception's source."""
    result = hop.call(target, 'output:both_ways', '--json', *options, **more)
    assert result.rc == 0 and result.only['value'] == 1, result
    assert result.only['stdout'] == 'printed\nfrom a shell\n', result
    assert 'raise ValueError(message)' in hop.call(target, 'failing:with_value_error', *options, **more).said


@pytest.mark.parametrize('script', [READ_ONLY, FULL], ids=['read-only', 'full'])
def test_a_disk_that_takes_nothing_is_not_missed(hop, site, script):
    if not site.accounts.private:
        pytest.skip('a disk of its own needs root and unshare')
    path = hop.scratch / 'place.sh'
    path.write_text(script)
    works(hop, hop.way_in(f'unshare -m --propagation private sh {path} {{}}'))


def test_no_file_is_created(hop):
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    trace = hop.scratch / 'trace'
    works(hop, hop.way_in(f'strace -f -qq -o {trace} -e trace={CREATING} sh -c {{}}'))
    calls = trace.read_text().splitlines()
    assert len(calls) > 50
    created = [line for line in calls if re.search(r'O_CREAT|\b(?!open)\w+\("|\b(?!open)\w+at2?\(', line)]
    assert [line for line in created if '"/dev/null"' not in line] == []


def into_a_deleted_folder(hop):
    gone = hop.scratch / 'gone'
    return f'mkdir {gone}; cd {gone}; rmdir {gone}'


def test_a_folder_that_has_been_deleted_is_no_obstacle(hop):
    works(hop, hop.way_through(f'{into_a_deleted_folder(hop)}; exec sh -c "$1"'))


def test_a_folder_that_cannot_be_read_is_no_obstacle(hop, site):
    if not site.accounts.private:
        pytest.skip('another user needs root')
    closed = hop.scratch / 'closed'
    closed.mkdir(mode=0o700)
    works(hop, hop.way_through(f'cd {closed}; exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "$1"'))


def test_the_program_itself_runs_in_a_folder_that_has_been_deleted(hop):
    prefix = ['sh', '-c', f'{into_a_deleted_folder(hop)}; exec "$@"', 'sh']
    assert hop.start('call', '-w', 'local:', 'operator:add', '1', '2', prefix=prefix).finish().out == b'3\n'


LOCALES = ['LANG=C', 'LC_ALL=POSIX', 'LC_ALL=xx_XX.bogus', 'LC_ALL=de_DE.ISO-8859-1', 'PYTHONIOENCODING=ascii']


@pytest.mark.parametrize('where', ['here', 'there'])
@pytest.mark.parametrize('locale', LOCALES)
def test_text_is_the_same_in_every_locale(hop, locale, where):
    words = 'h\xe9 \u20ac \U0001f600'
    target = hop.way_in(f'env {locale} sh -c {{}}') if where == 'there' else 'local:'
    env = dict([locale.split('=')]) if where == 'here' else None
    result = hop.call(target, 'answers:echo', words, env=env)
    assert result.value['args'] == [words], result
    said = hop.call(target, 'failing:with_value_error', words, '--json', env=env)
    assert words in said.only['error']['message'], said


@pytest.mark.parametrize('variables', [
    {'PYTHONHOME': '/nonexistent'}, {'PYTHONSTARTUP': '{rubbish}/sitecustomize.py'}, {'PYTHONPATH': '{rubbish}'},
    {'PYTHONINSPECT': '1', 'PYTHONVERBOSE': '1', 'PYTHONWARNINGS': 'error', 'PYTHONOPTIMIZE': '2', 'PYTHONDEBUG': '1'}],
    ids=lambda variables: '+'.join(variables))
def test_an_environment_that_spoils_python_does_not_spoil_us(hop, variables):
    rubbish = hop.scratch / 'rubbish'
    rubbish.mkdir()
    for name in ('sitecustomize', 'usercustomize', 'os', 'posix', 'zlib', 'struct', 'select', 'traceback', 'linecache'):
        (rubbish / f'{name}.py').write_text('print("rubbish")\nraise SystemExit("rubbish")\n')
    works(hop, 'local:', env={name: value.format(rubbish=rubbish) for name, value in variables.items()})


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_the_only_interpreter_in_path_is_found_by_its_versioned_name(hop, python):
    only = hop.folder_with(python.path, python.versioned_command)
    target = hop.way_in(f'env PATH={only} sh -c {{}}')
    assert hop.call(target, 'operator:add', '1', '2').out == b'3\n'


def test_the_newest_python_3_is_chosen_from_several(hop):
    for python in discover():
        several = hop.folder_with(python.path, python.versioned_command)
    target = hop.way_in(f'env PATH={several} sh -c {{}}')
    newest = discover()[-1]
    result = hop.call(target, 'answers:evaluate', '__import__("sys").version_info[:2]')
    assert result.value == list(newest.number[:2]), result


@pytest.mark.parametrize('path', ['/nonexistent', '', 'a folder with sh alone'])
def test_no_interpreter_at_all_is_said_within_a_second(hop, path):
    path = hop.folder_with('/bin/sh', 'sh') if path.startswith('a folder') else path
    target = hop.way_in(f'env PATH={path} /bin/sh -c {{}}')
    result = hop.call(target, 'time:time', '--json')
    assert result.rc == 255 and result.only['error']['kind'] == 'no_python', result
    assert 'python3' in result.only['error']['message'] and result.seconds < 1, result
