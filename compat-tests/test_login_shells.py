"""The start command survives every login shell, over both servers, with whatever their profiles print."""

import pytest

from harness.accounts import SHELLS

SERVERS = {'ssh': '', 'drop': 'drop-'}
# The file that each reads even for a single command; ksh, dash and ash read none.
PROFILES = {'bash': '.bashrc', 'zsh': '.zshenv', 'fish': '.config/fish/config.fish', 'tcsh': '.tcshrc'}

every_shell = pytest.mark.parametrize('shell', SHELLS)
every_server = pytest.mark.parametrize('server', SERVERS)


@every_server
@every_shell
def test_a_call_returns_its_value(hop, need, server, shell):
    need(server, shell)
    result = hop.call(SERVERS[server] + shell, 'operator:add', '20', '22')
    assert (result.rc, result.out) == (0, b'42\n'), result


@every_server
@every_shell
def test_a_command_keeps_its_input_output_and_status(hop, need, server, shell):
    need(server, shell)
    result = hop.run(SERVERS[server] + shell, "cat; sh -c 'echo err >&2'; exit 7", stdin=b'in\n')
    assert (result.rc, result.out) == (7, b'in\n') and b'err\n' in result.err, result


@every_shell
def test_an_interpreter_with_an_odd_path_is_found(hop, ssh, need, site, shell):
    need(shell)
    odd = site.accounts.home(f'hv{shell}') / 'my python & more'
    if not odd.is_symlink():
        odd.symlink_to(hop.run('h1', 'command -v python3').text.strip())
    result = hop.call(shell, 'operator:add', '1', '2', '--python', odd)
    assert result.out == b'3\n', result


@every_shell
def test_an_odd_title_is_shown_as_given(hop, ssh, need, shell):
    need(shell)
    name = 'a \'b\' "c" $HOME `id` !! \\ %s;&|<>*?~#'
    result = hop.call(shell, 'presence:title', '--name', name, '--json')
    assert result.only['value'][0].startswith(name), result


@pytest.mark.parametrize('shell', PROFILES)
def test_a_profile_that_prints_does_no_harm(hop, ssh, need, profile, shell):
    need(shell)
    profile(shell, PROFILES[shell], """echo "Welcome to the machine"; sh -c 'echo and its errors >&2'\n""")
    result = hop.call(shell, 'operator:add', '20', '22', '--json')
    assert result.only['value'] == 42 and result.only['stdout'] == '', result


def test_dropbear_is_refused_like_any_other_server_without_our_key(hop, site, need):
    need('drop')
    drop = next(server for server in site.servers if server is not site.sshd)
    target = site.client.alias('drop-stranger', HostName='127.0.0.1', Port=drop.port, User='hv',
                               HostKeyAlias='hopvine-drop', PubkeyAuthentication='no')
    result = hop.call(target, 'time:time', '--json')
    assert result.rc == 255 and result.only['error']['kind'] == 'auth_failed', result
