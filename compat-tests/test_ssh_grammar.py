"""`hopvine ssh` reads a command line as ssh does: what it makes of one, and how it refuses one, beside the real ssh."""

import re
import shlex
import shutil

import pytest

from harness.ssh_lines import CORPUS

REAL = shutil.which('ssh') or ''
# What a command line says; the rest of `ssh -G` are names of algorithms, and what a distribution adds.
TOLD = '''
    host hostname user port requesttty sessiontype stdinnull forkafterauthentication remotecommand setenv sendenv
    addressfamily batchmode compression connecttimeout connectionattempts stricthostkeychecking loglevel escapechar
    identityfile proxyjump proxycommand controlmaster controlpath forwardagent forwardx11 identitiesonly bindaddress
    bindinterface serveraliveinterval serveralivecountmax tcpkeepalive passwordauthentication pubkeyauthentication
    kbdinteractiveauthentication numberofpasswordprompts preferredauthentications clearallforwardings gatewayports
    exitonforwardfailure hostkeyalias identityagent checkhostip canonicalizehostname canonicaldomains ignoreunknown
    permitlocalcommand tunnel visualhostkey updatehostkeys syslogfacility logverbose certificatefile pkcs11provider
'''.split()


@pytest.fixture
def real(hop):
    """`real(words)` is the real ssh; without it on this machine there is nothing to compare with."""
    if not REAL:
        pytest.skip('no ssh to compare with')
    return lambda *words: hop.program(REAL, *words).finish(20)


@pytest.fixture
def ours(hop):
    """The same of ours, where no other ssh can be found."""
    alone = hop.scratch / 'alone'
    alone.mkdir()
    return lambda *words: hop('ssh', *words, env={'PATH': str(alone)})


def told(result):
    """What is said of each keyword, in one order, and without what is different from one build of ssh to the next."""
    lines = [line.partition(' ')[::2] for line in result.text.splitlines()]
    said = {key: [value for each, value in lines if each == key] for key in TOLD}
    said['identityfile'] = [file for file in said['identityfile'] if not file.startswith('~/.ssh/id_')]
    said['loglevel'] = [level.replace('SILENT', 'QUIET') for level in said['loglevel']]  # Debian's name for it
    if said['batchmode'] == ['yes']:
        del said['serveraliveinterval']  # Debian has another default then
    return said


def first_line(result):
    """What is said first; how ssh is called is told by each in its own words, and its functions are its own."""
    aside = 'Pseudo-terminal', 'parse_jump:'
    lines = [line for line in result.said.splitlines() if line and not line.startswith(aside)]
    return re.sub(r'^usage: .*', 'usage', lines[0]) if lines else ''


def differences(result, expected):
    if result.rc != expected.rc:
        return [f'status {result.rc}, not {expected.rc}: {first_line(result)!r}, not {first_line(expected)!r}']
    if expected.rc:
        said = first_line(result), first_line(expected)
        return [f'{said[0]!r}, not {said[1]!r}'] if said[0] != said[1] else []
    mine, theirs = told(result), told(expected)
    return [f'{key} {mine[key]}, not {theirs[key]}' for key in theirs if mine.get(key) != theirs[key]]


def test_the_corpus_is_read_as_ssh_reads_it(ours, real):
    assert len(CORPUS) >= 300
    wrong, refused = [], 0
    for words in CORPUS:
        words = '-G', '-F', 'none', *words
        expected = real(*words)
        refused += expected.rc != 0
        wrong += [f'{shlex.join(words)}: {each}' for each in differences(ours(*words), expected)]
    assert not wrong, f'{len(wrong)} of {len(CORPUS)}:\n' + '\n'.join(wrong)
    assert 100 < refused < len(CORPUS) - 200


def stand_in(folder, text):
    folder.mkdir()
    (folder / 'ssh').write_text(f'#!/bin/sh\n{text}\n')
    (folder / 'ssh').chmod(0o755)
    return folder


def path(*folders):
    return {'PATH': ':'.join(map(str, folders))}


@pytest.fixture
def disguises(hop):
    """Folders whose ssh is ours: a link, a copy, a script that becomes ours, one that waits for it."""
    link, copy = hop.scratch / 'link', hop.scratch / 'copy'
    for folder in link, copy:
        folder.mkdir()
    (link / 'ssh').symlink_to(hop.path)
    shutil.copy(hop.path, copy / 'ssh')
    return [link, copy, stand_in(hop.scratch / 'script', f'exec {hop.path} ssh "$@" # hopvine'),
            stand_in(hop.scratch / 'waiting', f'{hop.path} ssh "$@" # hopvine\nexit $?')]


@pytest.fixture
def known(hop):
    """The folder of an ssh that says what it was called with."""
    return stand_in(hop.scratch / 'known', 'printf "<%s>" "$@"; exit 7')


@pytest.mark.parametrize('words, expected', [
    (['-V'], '<-V>'), (['-vV', 'h'], '<-V>'), (['-Q', 'cipher'], '<-Q><cipher>'), (['h', '-Qmac'], '<-Q><mac>'),
    (['-G', '-p', '22', 'h', '-t', 'a b'], '<-G><-p><22><h><-t><a b>'),
])
def test_what_only_ssh_knows_is_asked_of_ssh(hop, known, disguises, words, expected):
    result = hop('ssh', *words, env=path(*disguises, known))
    assert (result.text, result.rc) == (expected, 7)


def test_a_program_whose_file_is_called_ssh_is_an_ssh(hop, known, disguises):
    for folder in disguises[:2]:
        result = hop.program(folder / 'ssh', '-V', env=path(*disguises, known)).finish(20)
        assert (result.text, result.rc) == ('<-V>', 7)


def test_another_build_of_ours_is_not_called_for_ever(hop):
    other = hop.scratch / 'other'
    other.mkdir()
    (other / 'ssh').write_bytes(hop.path.read_bytes() + b'another')
    (other / 'ssh').chmod(0o755)
    third = shutil.copytree(other, hop.scratch / 'third')
    (third / 'ssh').write_bytes(hop.path.read_bytes() + b'third')
    result = hop('ssh', '-V', env=path(other, third))
    assert result.rc == 255 and 'cannot be started' in result.said, result


def test_folders_that_are_anywhere_are_not_looked_into(hop, known):
    result = hop('ssh', '-V', env=path('.', '', 'known', hop.scratch / 'nothing'))
    assert result.rc == 0 and result.said.startswith('hopvine '), result


def test_without_an_ssh_it_says_what_it_is(ours):
    version, query = ours('-V'), ours('-Q', 'cipher')
    assert version.rc == 0 and version.said.startswith('hopvine ') and not version.out
    assert query.rc == 255 and 'Unsupported query "cipher"' in query.said


@pytest.mark.parametrize('words, word', [
    ('-L 1:h:1 h', '-L'), ('h -R 1:h:1', '-R'), ('-D 1080 h', '-D'), ('-w 0 h', '-w'), ('-o LocalForward="1 h:1" h', 'localforward'),
    ('-o Tunnel=yes h', '-w'), ('-o PermitLocalCommand=yes -o LocalCommand=id h', 'LocalCommand'),
    ('-O forward h', '-O forward'), ('-O proxy h', '-O proxy'), ('-o RemoteCommand=%d h', '%d in RemoteCommand'),
])
def test_what_cannot_be_done_is_refused_by_its_name(ours, words, word):
    result = ours(*shlex.split(words))
    assert result.rc == 255 and word in result.said and 'use ssh itself' in result.said and not result.out, result


def test_the_whole_configuration_of_a_real_ssh_is_told(hop):
    first = shutil.which('ssh', path=hop.env['PATH'])
    if not first:
        pytest.skip('no ssh is installed')
    for words in (['h'], ['-tt', 'me@h', '-p', '22', 'true'], ['-o', 'SetEnv=A=1', '-M', '-S', '/tmp/c', 'h']):
        assert hop('ssh', '-G', *words).out == hop.program(first, '-G', *words).finish(20).out != b''


def test_a_key_that_is_not_there_is_told_and_left_out(ours, real):
    words = '-G', '-T', '-F', 'none', '-i', '/nosuch/key', '-i', '/dev/null', 'h'
    result, expected = ours(*words), real(*words)
    assert result.said == expected.said == 'Warning: Identity file /nosuch/key not accessible: No such file or directory.\n'
    assert told(result)['identityfile'] == told(expected)['identityfile'] == ['/dev/null']
