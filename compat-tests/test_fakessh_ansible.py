"""Ansible over `hopvine ssh` and `hopvine fakessh`: by its own ssh connection, with the arguments that it passes by default.

Each test runs by the real ssh too. ansible-core has no synchronize: provision.sh takes ansible.posix from Galaxy or PyPI.
"""

import json
import re

import pytest

from harness.binary import REPO
from harness.far import NAME, by
from harness.files import contents, noise
from harness.privileges import PASSWORD

ANSIBLE = REPO / 'target/ansible'
COLLECTIONS = ANSIBLE / 'collections'
SYNCHRONIZE = COLLECTIONS / 'ansible_collections/ansible/posix/plugins/action/synchronize.py'
# In the place of what whoever runs the tests has.
CONFIGURATION = '''\
[defaults]
inventory = {inventory}
collections_path = {collections}
interpreter_python = /usr/bin/python3
remote_tmp = {folder}/.ansible
localhost_warning = False
deprecation_warnings = False
'''
RECAP = re.compile(rf'^{NAME} +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 ', re.M)
pytestmark = pytest.mark.skipif(not (ANSIBLE / 'bin/ansible-playbook').exists(),
                                reason=f'{ANSIBLE} is not there: ansible-core could not be installed')


class Ansible:
    """`ansible.play(...)` runs a playbook at `far` by that way, which Ansible is told by its variable
    `ansible_ssh_executable`, or by fakessh's environment."""

    def __init__(self, remote, hop):
        self.remote, self.hop = remote, hop
        self.masters = hop.scratch / 'masters'
        hosts, configuration = hop.scratch / 'hosts', hop.scratch / 'ansible.cfg'
        # Its sftp would call ssh by the path that was built into it.
        said = '' if remote.stands_in else f' ansible_ssh_executable={remote.ssh} ansible_sftp_executable={remote.sftp}'
        hosts.write_text(f'{NAME}{said}\n')
        configuration.write_text(CONFIGURATION.format(inventory=hosts, collections=COLLECTIONS, folder=remote.folder))
        hop.env.update(ANSIBLE_CONFIG=str(configuration), ANSIBLE_NOCOLOR='1', ANSIBLE_HOME=f'{hop.scratch}/ansible',
                       ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.masters))

    def __call__(self, *words, **options):
        return self.remote(ANSIBLE / 'bin/ansible', NAME, *words, **options)

    def play(self, tasks, *words, env=None, **settings):
        """Returns the tasks that went well, and those that changed something."""
        book = self.hop.scratch / 'play.yml'
        book.write_text(json.dumps([{'hosts': NAME, 'gather_facts': False, 'tasks': tasks, **settings}]))
        ended = self.remote(ANSIBLE / 'bin/ansible-playbook', book, *words, env=env, timeout=120)
        found = RECAP.search(ended.out.decode())
        assert ended.rc == 0 and found, ended
        return tuple(map(int, found.groups()))

    def close(self):
        """Ends the connections that the real ssh keeps for it; ours are the session's."""
        for path in self.masters.glob('*') if self.remote.real else ():
            self.hop.program(self.remote.ssh, '-o', f'ControlPath={path}', '-O', 'exit', NAME).finish()


@pytest.fixture
def ansible(remote, hop):
    ansible = Ansible(remote, hop)
    yield ansible
    ansible.close()


def tasks_for(folder, here):
    """Twenty, of which fourteen change something when they are done first."""
    at = str(folder)
    return [
        {'ping': {}},
        {'setup': {'gather_subset': ['!all', '!min', 'user']}},
        {'file': {'path': f'{at}/made/deep', 'state': 'directory', 'mode': '0750'}},
        {'copy': {'src': f'{here}/large', 'dest': f'{at}/large', 'mode': '0640'}},
        {'copy': {'content': 'gr\u00fc\u00df {{ 6 * 7 }}\n', 'dest': f'{at}/made/a b'}},
        {'copy': {'src': f'{here}/folder', 'dest': f'{at}/made/'}},
        {'template': {'src': f'{here}/template.j2', 'dest': f'{at}/made/rendered', 'mode': '0600'}, 'vars': {'mine': "it's"}},
        {'lineinfile': {'path': f'{at}/made/rendered', 'line': 'a last line'}},
        {'blockinfile': {'path': f'{at}/made/rendered', 'block': 'one\ntwo\n'}},
        {'replace': {'path': f'{at}/made/rendered', 'regexp': '^one$', 'replace': 'three'}},
        {'command': {'argv': ['printf', '%s|', 'a b', '*', "'"]}, 'register': 'printed'},
        {'assert': {'that': ["printed.stdout == \"a b|*|'|\""]}},
        {'shell': {'cmd': f'cat >{at}/made/typed; echo said >&2', 'stdin': 'to be typed'}, 'register': 'said'},
        {'assert': {'that': ["said.stderr == 'said'"]}},
        {'stat': {'path': f'{at}/large'}, 'register': 'large'},
        {'assert': {'that': ['large.stat.size == 3000000']}},
        {'fetch': {'src': f'{at}/large', 'dest': f'{here}/fetched', 'flat': True}},
        {'file': {'path': f'{at}/made/link', 'src': 'rendered', 'state': 'link'}},
        {'unarchive': {'src': f'{here}/packed.tar.gz', 'dest': f'{at}/made'}},
        {'script': f'{here}/script.sh one two', 'args': {'creates': f'{at}/scripted'}},
    ]


def prepare(here, folder, hop):
    here.mkdir()
    (here / 'large').write_bytes(noise(3_000_000))
    (here / 'template.j2').write_text('I am {{ mine }} of {{ inventory_hostname }}\n')
    (here / 'folder').mkdir()
    (here / 'folder/in it').write_text('in it\n')
    (here / 'script.sh').write_text(f'#!/bin/sh\necho "$@" >{folder}/scripted\n')
    assert hop.program('tar', '-C', here, '-czf', here / 'packed.tar.gz', 'folder', 'large').finish().rc == 0


@pytest.mark.parametrize('remote, pipelining', [
    ('the real ssh', 'off'), ('hopvine ssh', 'on'), ('fakessh, requiretty', 'off'), ('fakessh, docker', 'on')], indirect=['remote'])
def test_a_playbook_of_twenty_tasks(ansible, remote, hop, pipelining):
    here = hop.scratch / 'here'
    prepare(here, remote.folder, hop)
    assert ansible.play(tasks_for(remote.folder, here), env={'ANSIBLE_PIPELINING': pipelining}) == (20, 14)
    made = remote.folder / 'made'
    assert (made / 'rendered').read_text().startswith("I am it's of far\na last line\n") and 'three\ntwo\n' in (made / 'rendered').read_text()
    assert (made / 'a b').read_text() == 'gr\u00fc\u00df 42\n' and (made / 'typed').read_text().strip() == 'to be typed'
    assert (remote.folder / 'scripted').read_text() == 'one two\n' and (made / 'link').readlink().name == 'rendered'
    assert (remote.folder / 'large').read_bytes() == (here / 'fetched').read_bytes() == (made / 'large').read_bytes() == noise(3_000_000)
    assert all(path.lstat().st_uid == remote.uid for path in remote.folder.rglob('*'))


@by('the real ssh', 'hopvine ssh', 'fakessh')
@pytest.mark.parametrize('pipelining', ['off', 'on'])
def test_sudo_there_is_asked_by_ansible(ansible, remote, site, hop, pipelining):
    """Without pipelining it has ssh make a terminal: -tt."""
    site.sshd.alias(NAME, User='hvask')
    (hop.scratch / 'secret.json').write_text(json.dumps({'ansible_become_password': PASSWORD}))
    remote.folder.chmod(0o777)
    tasks = [{'command': 'id -un', 'register': 'who'}, {'assert': {'that': ["who.stdout == 'root'"]}},
             {'copy': {'content': 'it\n', 'dest': f'{remote.folder}/of root', 'mode': '0600'}}]
    done = ansible.play(tasks, '-e', f'@{hop.scratch}/secret.json', env={'ANSIBLE_PIPELINING': pipelining}, become=True)
    assert done == (3, 2) and (remote.folder / 'of root').stat().st_uid == 0


@by('the real ssh', 'hopvine ssh', 'fakessh, sudo', 'fakessh, docker')
def test_folders_are_synchronized(ansible, remote, hop):
    if not SYNCHRONIZE.exists():
        pytest.skip('ansible.posix is not there: neither Galaxy nor PyPI gave it')
    here, back = hop.scratch / 'here', hop.scratch / 'back'
    prepare(here, remote.folder, hop)
    if not remote.stands_in:
        # It takes the ssh that is in PATH.
        hop.env['PATH'] = f'{remote.ssh.parent}:{hop.env["PATH"]}'
    paths = {'src': f'{here}/', 'dest': f'{remote.folder}/tree'}
    sync = {'ansible.posix.synchronize': {**paths, 'delete': True}}
    pull = {'ansible.posix.synchronize': {'src': f'{remote.folder}/tree/', 'dest': f'{back}/', 'mode': 'pull'}}
    assert ansible.play([sync, sync, pull]) == (3, 2)
    assert contents(here) == contents(remote.folder / 'tree') == contents(back)


@by('hopvine ssh')
def test_what_ansible_wants_to_be_kept_is_one_session(ansible, remote, hop):
    """ControlPersist: the way stays for the next, and `down` ends it; a `hopvine up` is not needed."""
    for _ in range(2):
        ended = ansible('-m', 'command', '-a', 'true')
        assert ended.rc == 0, ended
    branches = hop("ps", "--json").text
    assert f'"{NAME}"' in branches, branches
    again = ansible('-m', 'command', '-a', 'cat /proc/self/stat', env={'ANSIBLE_SSH_ARGS': '-o ControlPersist=no'})
    assert again.rc == 0, again
    assert hop('down').rc == 0 and hop('ps').rc != 0


@by('the real ssh', 'hopvine ssh', 'fakessh')
def test_a_host_that_cannot_be_reached_is_unreachable_to_ansible(ansible, remote, site):
    site.sshd.alias(NAME, User='hvbash', HostName='127.0.0.99')
    ended = ansible('-m', 'ping')
    assert ended.rc == 4 and 'UNREACHABLE!' in ended.text and 'Connection refused' in ended.text, ended
