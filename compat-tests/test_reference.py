"""What other programs read of the command line: completions by the shells themselves, pages by man."""

import re
import shutil
import subprocess

import pytest

from harness.binary import REPO
from harness.process import Process

BASH = '''source <("$0" completions bash)
COMP_WORDS=(hopvine "${@:1}") COMP_CWORD=$#
_hopvine hopvine "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"'''
FISH = '"$argv[1]" completions fish | source\ncomplete -C "hopvine $argv[2..]" | string split -f 1 \\t'
OF_OURS = ['api', 'session', 'through']


@pytest.fixture
def completed(hop):
    """What a shell offers for the words, the last of which is being typed."""
    def ask(shell, *words):
        if not shutil.which(shell):
            pytest.skip(f'{shell} is not here')
        argv = ['bash', '-c', BASH] if shell == 'bash' else ['fish', '--no-config', '-c', FISH]
        # fish makes folders in its home.
        shown = Process([*argv, hop.path, *words], env={**hop.env, 'HOME': str(hop.scratch)}, cwd=hop.cwd).finish()
        assert shown.rc == 0 and not shown.err, shown
        return shown.text.split()
    return ask


def verbs(hop):
    listed = hop('--help').text.partition('Commands:\n')[2].partition('\n\n')[0]
    return set(re.findall(r'^  (\w+)', listed, re.M)) - {'help'}


@pytest.mark.parametrize('shell', ['bash', 'fish'])
def test_a_shell_completes_commands_and_options(hop, completed, shell):
    offered = completed(shell, '')
    assert verbs(hop) <= set(offered) and not set(OF_OURS) & set(offered)
    assert completed(shell, 'ru') == ['run']
    assert completed(shell, 'run', '--connect') == ['--connect-timeout']
    assert set(completed(shell, 'relay', 'ins')) == {'install'}


def test_zsh_takes_what_is_for_it(hop):
    if not shutil.which('zsh'):
        pytest.skip('zsh is not here')
    script = 'autoload -U compinit; compinit -D -u; source <("$1" completions zsh); print ${+functions[_hopvine]} $_comps[hopvine]'
    shown = Process(['zsh', '-fc', script, 'zsh', hop.path], env=hop.env, cwd=hop.cwd).finish()
    assert (shown.rc, shown.out, shown.err) == (0, b'1 _hopvine\n', b''), shown


def test_each_command_has_a_page_that_formats_without_a_warning(hop):
    if not shutil.which('groff'):
        pytest.skip('groff is not here')
    folder = hop.scratch / 'man1'
    folder.mkdir()
    assert hop('man', '--outdir', folder).rc == 0
    names = {path.name for path in folder.iterdir()}
    assert names >= {'hopvine.1', 'hopvine-relay-install.1', *(f'hopvine-{verb}.1' for verb in verbs(hop))}
    assert not {f'hopvine-{verb}.1' for verb in OF_OURS} & names
    for path in folder.iterdir():
        shown = subprocess.run(['groff', '-man', '-ww', '-Tutf8', path], capture_output=True, text=True)
        assert shown.returncode == 0 and not shown.stderr and shown.stdout, (path, shown)


def test_a_page_says_what_help_says(hop):
    page, told = hop('man', 'queue'), hop('queue', '--help')
    assert page.rc == 0 and page.text.startswith('.ie') and '--timeline' in page.text.replace('\\-', '-')
    # The lines behind the options are as they are there.
    for line in told.text.partition('One JSON object a line')[2].splitlines()[1:5]:
        assert line.strip() in page.text.replace('\\-', '-').replace('\\e', '\\'), page
    assert hop('man', 'relay', 'install').text.count('.SH NAME') == 1


def test_what_has_no_page_is_named(hop):
    wrong = hop('man', 'relay', 'nowhere')
    assert wrong.rc == 2 and not wrong.out and '"relay nowhere"' in wrong.said and '--help' in wrong.said, wrong
    wrong = hop('man', '--outdir', hop.scratch / 'nowhere')
    assert wrong.rc == 1 and str(hop.scratch / 'nowhere') in wrong.said and 'No such file' in wrong.said, wrong
    assert hop('completions', 'tcsh').rc == 2


def test_install_puts_all_where_it_is_looked_for(hop, tmp_path):
    words = ['make', '--no-print-directory', '-o', 'build', 'install', f'DESTDIR={tmp_path}', 'PREFIX=/usr']
    shown = subprocess.run(['sh', '-c', 'umask 077; exec "$@"', 'sh', *words], cwd=REPO, capture_output=True, text=True)
    assert shown.returncode == 0, shown
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file()}
    assert there >= {'usr/bin/hopvine', 'usr/share/man/man1/hopvine-run.1', 'usr/share/bash-completion/completions/hopvine',
                     'usr/share/fish/vendor_completions.d/hopvine.fish', 'usr/share/zsh/site-functions/_hopvine'}, there
    for path in tmp_path.rglob('*'):
        everybody = 0o755 if path.is_dir() or path.name == 'hopvine' and path.parent.name == 'bin' else 0o644
        assert path.stat().st_mode & 0o777 == everybody, path
