"""`--rerun failed`: once more where it did not end well, whatever has been done in between."""


def run(hop, hosts, *words, **options):
    """The last word is the command."""
    return hop('run', '-w', hosts, *words[:-1], '--', words[-1], **options)


def remembered(hop, hosts, verb='run', words=('--', 'true')):
    result = hop(verb, '-w', hosts, '--rerun', 'failed', '--list-hosts', *words)
    return result.lines if result.rc == 0 else []


def ways(hop, *names):
    """Hosts that know who they are."""
    return {name: hop.way_in(f'env NAME={name} sh -c {{}}', name) for name in names}


def test_what_failed_last_can_be_run_again(hop):
    hosts = ways(hop, 'web1', 'web2', 'web3', 'web4')
    every = ','.join(hosts.values())
    assert run(hop, every, '--rerun', 'failed', 'true').rc == 2
    run(hop, every, 'case $NAME in web[24]) exit 1; esac')
    assert remembered(hop, every) == [hosts['web2'], hosts['web4']]
    again = run(hop, every, '--rerun', 'failed', '--json', f'mkdir {hop.scratch}/once')
    assert set(again.json) == {hosts['web2'], hosts['web4']}, again
    result = run(hop, every, '--rerun', 'failed', 'true')
    assert result.rc == 0 and result.err == b'', result
    result = run(hop, every, '--rerun', 'failed', 'true')
    assert result.rc == 2 and 'none of these hosts failed' in result.said, result


def test_a_run_over_others_changes_nothing_of_what_is_remembered(hop):
    run(hop, 'local:c[1-4]', 'false')
    assert run(hop, 'local:c1,local:d[1-2]', 'true').rc == 0
    assert remembered(hop, 'local:c[1-4]') == ['local:c2', 'local:c3', 'local:c4']
    run(hop, 'local:c1,local:d1', 'false')
    assert remembered(hop, 'local:c[1-4],local:d[1-2]') == ['local:c1', 'local:c2', 'local:c3', 'local:c4', 'local:d1']
    assert run(hop, 'local:c[1-4]', '-x', 'local:c[2-4]', '--rerun', 'failed', 'true').rc == 0
    assert remembered(hop, 'local:c[1-4]') == ['local:c2', 'local:c3', 'local:c4']


def test_a_look_at_the_fleet_leaves_a_failed_rolling_restart_to_go_on(hop):
    hosts = ways(hop, 'web1', 'web2', 'web3')
    every = ','.join(hosts.values())
    restart = 'test $NAME != web2 || test -e mended'
    assert run(hop, every, '--serial', '1', '--max-failures', '0', f'cd {hop.scratch} && {restart}').rc == 5
    assert hop('facts', '-w', every).rc == 0
    assert hop('call', '-w', every, 'os:getpid').rc == 0
    assert hop('filter', '-w', every, 'os:getpid').rc == 0
    assert run(hop, hosts['web2'], f'touch {hop.scratch}/mended').rc == 0  # one host is no fleet
    again = run(hop, every, '--rerun', 'failed', '--serial', '50%', '--json', f'cd {hop.scratch} && {restart}')
    assert (again.rc, list(again.json)) == (0, [hosts['web2'], hosts['web3']]), again
    assert remembered(hop, every) == []


def test_each_verb_remembers_for_itself(hop):
    run(hop, 'local:c[1-2]', 'false')
    assert hop('call', '-w', 'local:c[2-3]', 'no_such:function').rc == 5
    assert remembered(hop, 'local:c[1-3]') == ['local:c1', 'local:c2']
    assert remembered(hop, 'local:c[1-3]', 'call', ['os:getpid']) == ['local:c2', 'local:c3']
    result = hop('facts', '-w', 'local:c[1-3]', '--rerun', 'failed')
    assert result.rc == 2 and '`facts`' in result.said, result


def test_a_place_that_cannot_be_written_is_told_and_no_failure(hop):
    for place in ({'XDG_STATE_HOME': '/proc/none'}, {'XDG_STATE_HOME': '', 'HOME': ''}):
        result = hop('run', '-w', 'local:c[1-2]', '--', 'false', env=place)
        assert result.rc == 5 and 'what failed cannot be remembered: ' in result.said, result
        assert '; --rerun failed would take an older run\n' in result.said, result
        assert hop('run', '-w', 'local:c[1-2]', '--', 'true', env=place).err == b''
