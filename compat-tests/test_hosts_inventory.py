"""Where names come from: hopvine.toml, ClusterShell's groups, ssh's configuration."""

import json
import os
import pathlib

import pytest

pytestmark = pytest.mark.skipif(pathlib.Path('/etc/clustershell').exists(),
                                reason='this machine has groups of its own in /etc/clustershell')

FLEET = '''\
[hosts]
web1 = "local:one"
"web[2-3]" = { target = "local:{host}", python = "python3" }
app = "web1/local:app"
db1 = { target = "local:db", become = "" }

[groups]
web = "web[1-3]"
front = ["@web!web3", "cdn"]
live = { command = "echo called >>calls; echo web1 db1" }
failing = { command = "exit 3" }
'''

WRONG = '''\
broken = "web[1-"
round = "@trip"
trip = "x,@round"
'''


@pytest.fixture
def fleet(hop):
    hop.write('hopvine.toml', FLEET)
    hop.write('calls', '')
    return hop


def at_home(hop, name, text):
    return hop.write(hop.cwd.parent / 'home' / name, text)


def config(hop, name, text):
    return at_home(hop, f'.config/clustershell/{name}', text)


def names(hop, *spec, **options):
    result = hop('hosts', '-f', *spec, **options)
    assert result.rc == 0, result
    return result.text.strip()


def refused(hop, *spec):
    result = hop('hosts', *spec)
    assert result.rc == 2 and result.out == b'', result
    return result.said


@pytest.mark.parametrize('spec, folded', [
    ('@web!web2', 'web[1,3]'), ('@front', 'cdn,web[1-2]'), ('web*', 'web[1-3]'), ('?b*', 'db1'),
    ('w*[2-3]', 'web[2-3]'), ('*&@front', 'cdn,web[1-2]'), ('@live', 'db1,web1')])
def test_groups_and_known_names_come_from_the_inventory(fleet, spec, folded):
    assert names(fleet, spec) == folded


def test_all_is_every_host_and_every_group(hop):
    hop.write('hopvine.toml', '[hosts]\na = "local:"\n[groups]\nweb = "web[1-2]"\nlive = { command = "echo x" }\n')
    assert names(hop, '@*') == 'a,web[1-2],x'
    hop.write('hopvine.toml', '[hosts]\na = "local:"\n[groups]\nall = "web[1-2]"\n')
    assert names(hop, '@*') == 'web[1-2]'


def test_a_command_runs_only_for_the_group_that_is_asked_for(fleet):
    calls = fleet.cwd / 'calls'
    names(fleet, '@web,web*')
    assert calls.read_text() == ''
    names(fleet, '@live,@live&@live')
    assert calls.read_text() == 'called\n'


def test_a_command_runs_once_for_all_that_names_its_group(fleet):
    result = fleet('run', '-w', '@live', '-w', '@live,web2', '-x', '@live', '--json', '--', 'echo hi')
    assert set(result.json) == {'web2'} and (fleet.cwd / 'calls').read_text() == 'called\n', result


def test_a_command_runs_where_the_inventory_is(fleet):
    calls = fleet.cwd / 'calls'
    inner = fleet.write('a/b/file', '').parent
    below = fleet.start('hosts', '@live', prefix=['env', '-C', inner]).finish()
    assert (below.rc, calls.read_text()) == (0, 'called\n'), below


def test_a_known_name_goes_its_own_way_under_the_name_that_was_typed(fleet):
    """`local:` shows in the title which of them it is; who is asked has been reached."""
    result = fleet('run', '-w', '@web,app,db1/local:', '--json', '--', 'echo hi')
    assert {each: answer['stdout'] for each, answer in result.json.items()} == dict.fromkeys(
        ['web1', 'web2', 'web3', 'app', 'db1/local'], 'hi\n'), result


def test_a_known_name_takes_its_options_and_the_defaults(hop, ssh):
    user = ssh.accounts.user
    hop.write('hopvine.toml', f'[hosts]\nfront = {{ target = "ssh:127.0.0.1", via = "local:" }}\nlost = {{ port = 1 }}\n'
              f'[defaults]\nport = {ssh.port}\nuser = "{user}"\n')
    result = hop('run', '-w', 'front,127.0.0.1,h2', '-v', '--json', '--', 'echo hi')
    assert {each: answer['stdout'] for each, answer in result.json.items()} == dict.fromkeys(
        ['front', '127.0.0.1', 'h2'], 'hi\n'), result
    unreached = hop('run', '-w', 'lost', '--', 'true')
    assert unreached.rc == 255, unreached


def test_a_path_that_is_typed_out_is_not_looked_up(hop, ssh):
    hop.write('hopvine.toml', '[hosts]\nh1 = "local:"\n')
    told = {spec: hop.run(spec, 'echo "$SSH_CONNECTION"').text.strip() for spec in ('h1', 'ssh:h1')}
    assert told['h1'] == '' and told['ssh:h1'] != '', told


def test_the_command_line_comes_before_the_inventory(hop):
    hop.write('hopvine.toml', '[hosts]\na = { target = "local:", via = "ssh:nowhere.invalid", python = "/nowhere" }\n')
    assert hop('run', '-w', 'a', '--via', 'local:', '--python', 'python3', '--', 'echo hi').out == b'hi\n'


def test_via_may_be_a_known_name(hop):
    hop.write('hopvine.toml', '[hosts]\ngate = "local:gate"\n[defaults]\nvia = "ssh:nowhere.invalid"\n')
    assert hop('run', '-w', 'local:x', '--via', 'gate', '--', 'echo hi').out == b'hi\n'


def test_x_leaves_out_what_is_shown_under_that_name(fleet):
    result = fleet('run', '-w', '@web', '-x', 'web2', '--json', '--', 'echo hi')
    assert set(result.json) == {'web1', 'web3'}, result


def test_groups_are_listed(fleet):
    result = fleet('hosts', '-l')
    assert result.lines == ['@failing', '@front', '@live', '@web'], result
    assert json.loads(fleet('hosts', '-l', '--json').out)[0] == '@failing'


@pytest.mark.parametrize('spec, said', [
    ('@wob', 'no group "@wob"; there are @broken, @failing'), ('@broken', 'hopvine.toml:12:10: "web[1-", column 4'),
    ('@failing', 'command of @failing: exit status: 3'), ('@round', '@round -> @trip -> @round'),
    ('@nowhere:web', '"@nowhere:web"'), ('web*', 'column 4')])
def test_what_is_wrong_with_a_group_is_told_with_its_place(fleet, spec, said):
    fleet.write('hopvine.toml', FLEET + WRONG)
    assert said in refused(fleet, spec)


@pytest.mark.parametrize('text, said', [
    ('[hosts]\n"web[1-" = "a"\n', 'line 2, column 1: key "web[1-", column 4'),
    ('[hosts]\na = { tarket = "b" }\n', 'line 2, column 7: "tarket" has no meaning here'),
    ('[hosts]\na = 3\n', 'line 2, column 5: this is not a target'),
    ('[hosts]\na = "telnet:b"\n', 'line 2, column 5: target "telnet:b": no transport'),
    ('[defaults]\nuser = "-oProxyCommand=id"\n', 'line 2, column 8'),
    ('[groups]\nx = "y"\n"a b" = "x"\n', "line 3, column 1: the name of a group cannot hold ' '"),
    ('[hosts\n', 'line 1'), ('[groups]\na = { command = "x", b = 1 }\n', 'line 2, column 22: "b"')])
def test_what_is_wrong_with_an_inventory_is_told_with_line_and_column(hop, text, said):
    hop.write('hopvine.toml', text)
    told = refused(hop, 'a')
    assert 'hopvine.toml: ' in told and said in told, told


@pytest.mark.parametrize('text, said', [
    ('a = "x"\nz = "z[1-"\n', 'hopvine.toml:3:5: "z[1-", column 2'),
    ('z = [\n    "a",\n    "b", "c",\n    "z[1-",\n]\n', 'hopvine.toml:5:5: "z[1-", column 2'),
    ('z = """\na\nb,c\n  z[1-\n"""\n', 'hopvine.toml:5:1: "  z[1-", column 4'),
    ('z = ["a", """b\nz[1-"""]\n', 'hopvine.toml:3:1: "z[1-", column 2')])
def test_what_is_wrong_with_an_item_of_a_group_is_told_where_it_stands(hop, text, said):
    hop.write('hopvine.toml', '[groups]\n' + text)
    told = refused(hop, '@z')
    assert said in told, told


@pytest.mark.parametrize('named', [False, True])
def test_an_inventory_that_is_no_text_is_told_with_its_place(hop, named):
    path = hop.write('hopvine.toml', b'[hosts]\na = "b"\nc = "\xe4"\n')
    told = refused(hop, *(['-i', path] if named else []), 'a')
    assert 'hopvine.toml: line 3, column 6: this is no text in UTF-8' in told, told


def test_a_command_that_prints_without_end_is_ended(hop):
    hop.write('hopvine.toml', '[groups]\na = { command = "yes" }\n')
    told = refused(hop, '@a')
    assert 'hopvine.toml:2: command of @a: it prints more than 64 MiB, and was ended' in told, told


def dry(hop, *words):
    result = hop('run', '--dry-run', *words, '--', 'true')
    assert result.rc == 0, result
    return result.text.partition(' (')[2].partition(')')[0]


DEFAULTS = """\
[hosts]
db2 = { target = "ssh:10.0.0.2", via = "" }
[defaults]
via = "jump"
become = "sudo:"
user = "deploy"
"""


@pytest.mark.parametrize('typed, way', [
    ('db1', 'ssh:deploy@jump/ssh:deploy@db1/sudo:root'), ('me@db1', 'ssh:deploy@jump/ssh:me@db1/sudo:root'),
    ('db1?port=9', 'ssh:deploy@jump/ssh:deploy@db1 port 9/sudo:root'),
    ('me@db1?port=9', 'ssh:deploy@jump/ssh:me@db1 port 9/sudo:root'),
    ('db2?port=9', 'ssh:deploy@10.0.0.2 port 9/sudo:root'), ('me@db2', 'ssh:me@10.0.0.2/sudo:root')])
def test_a_user_or_an_option_does_not_change_the_way(hop, typed, way):
    hop.write('hopvine.toml', DEFAULTS)
    assert dry(hop, '-w', typed) == way


def test_an_option_for_ssh_is_refused_where_the_name_is_no_ssh(hop):
    hop.write('hopvine.toml', '[hosts]\napp = "local:app"\n')
    result = hop('run', '-w', 'me@app', '--', 'true')
    assert result.rc == 2 and '"app" is "local:app" in the inventory' in result.said, result


def test_an_empty_way_on_the_command_line_is_none(hop):
    hop.write('hopvine.toml', DEFAULTS)
    assert dry(hop, '-w', 'db1', '--via', '') == 'ssh:deploy@db1/sudo:root'
    assert dry(hop, '-w', 'db1', '--become', '') == 'ssh:deploy@jump/ssh:deploy@db1'
    assert dry(hop, '-w', 'db1', '--via', '', '--become', '') == 'ssh:deploy@db1'


def test_who_leads_the_way_to_himself_is_told(hop):
    hop.write('hopvine.toml', '[hosts]\na = { via = "a" }\n"w[1-2]" = { via = "w1" }\n')
    result = hop('run', '-w', 'a', '--', 'true')
    assert result.rc == 2 and 'a -> a' in result.said, result
    assert dry(hop, '-w', 'w2') == 'ssh:w1/ssh:w2'


def test_names_that_lead_back_to_each_other_are_told(hop):
    hop.write('hopvine.toml', '[hosts]\na = "b/local:"\nb = { target = "local:", via = "a" }\n')
    result = hop('run', '-w', 'a', '--', 'true')
    assert result.rc == 2 and 'a -> b -> a' in result.said, result


YAML = '''\
# the racks
racks:
  r1: 'n[1-4]'
  r2: "n[5-8]"
  both: '@r1,@r2'
  all: n[1-8]
roles:
  login: n1
  compute:
    - n[2-4]
    - n[6-8]
'''


def test_groups_of_clustershell_are_read_without_its_configuration(hop):
    config(hop, 'groups.d/cluster.yaml', YAML)
    config(hop, 'groups', '# old\nweb: web[1-2]\nadm: @web,adm1\n')
    assert names(hop, '@adm') == 'adm1,web[1-2]'
    assert names(hop, '@racks:both!@roles:login') == 'n[2-8]'
    assert names(hop, '@racks:*') == 'n[1-8]'
    assert names(hop, '@roles:*') == 'n[1-4,6-8]'
    assert names(hop, 'web*') == 'web[1-2]'
    assert hop('hosts', '-l').lines == ['@adm', '@web', '@racks:all', '@racks:both', '@racks:r1', '@racks:r2',
                                        '@roles:compute', '@roles:login']
    assert 'no source of groups for "@lost:a"; there are local, racks, roles' in refused(hop, '@lost:a')


CONF = '''\
[Main]
default: lab
confdir: $CFGDIR/groups.conf.d
autodir: /nowhere $CFGDIR/groups.d

[lab,yard]
map: sed -n 's/^$GROUP:\\(.*\\)/\\1/p' $CFGDIR/$SOURCE
all: sed -n 's/^all:\\(.*\\)/\\1/p' $CFGDIR/$SOURCE
list: sed -n 's/^\\([0-9A-Za-z_-]*\\):.*/\\1/p' $CFGDIR/$SOURCE
'''


@pytest.fixture
def clustershell(hop):
    config(hop, 'groups.conf', CONF)
    config(hop, 'lab', 'a: n[1-2]\nb: @a,n9\nnone:\n')
    config(hop, 'yard', 'a: y1\nall: y[1-3]\n')
    config(hop, 'groups.d/cluster.yaml', YAML)
    config(hop, 'groups.conf.d/more.conf', "[more]\nmapall: printf 'a: m1\\nb: m[2-3]\\na: m4\\n'\n")
    return hop


@pytest.mark.parametrize('spec, folded', [
    ('@b', 'n[1-2,9]'), ('@lab:b', 'n[1-2,9]'), ('@yard:a', 'y1'), ('@yard:*', 'y[1-3]'), ('@*', 'n[1-2,9]'),
    ('@racks:both', 'n[1-8]'), ('@more:a', 'm[1,4]'), ('@more:*', 'm[1-4]'), ('n*', 'n[1-2,9]'), ('@@more', 'a,b'),
    ('@none,x', 'x')])
def test_sources_of_clustershell_are_asked_as_it_does(clustershell, spec, folded):
    assert names(clustershell, spec) == folded


def test_clustershell_itself_says_the_same(clustershell):
    """But for a source whose `all` prints nothing, as that of `lab`: there it knows no names, and we all groups'."""
    utils = pytest.importorskip('ClusterShell.NodeUtils', reason='compat-tests/provision.sh installs ClusterShell')
    nodes = pytest.importorskip('ClusterShell.NodeSet')
    pytest.importorskip('yaml', reason='ClusterShell reads groups.d with PyYAML, which provision.sh installs')
    resolver = utils.GroupResolverConfig([str(clustershell.cwd.parent / 'home/.config/clustershell/groups.conf')])
    for spec in ['@b', '@lab:b', '@yard:a', '@yard:*', '@racks:both', '@racks:*', '@more:a', '@more:*', '@@more',
                 '@roles:compute!n2', '@roles:compute&@racks:r1,@b^n1']:
        assert str(nodes.NodeSet(spec, resolver=resolver)) == names(clustershell, spec), spec


def test_the_inventory_is_looked_at_before_clustershell(clustershell):
    clustershell.write('hopvine.toml', '[groups]\na = "mine"\n')
    assert names(clustershell, '@a,@lab:a') == 'mine,n[1-2]'
    assert names(clustershell, '@b,@lab:b') == 'mine,n[1-2,9]'


@pytest.mark.parametrize('spec, said', [
    ('@c', 'no group "@c"; there are @a, @b, @none'), ('@yard:zz', 'there are @a, @all'),
    ("@a'x", 'characters that no shell is given'), ('@more:c', 'there are @a, @b')])
def test_what_a_source_does_not_know_is_told(clustershell, spec, said):
    assert said in refused(clustershell, spec)


@pytest.mark.parametrize('name, text, said', [
    ('groups.d/odd.yaml', 'racks:\n  r1: &x n1\n', 'odd.yaml: line 2: more of YAML'),
    ('groups.conf', 'map: x\n', 'groups.conf: line 1: no [section]'),
    ('groups.conf', '[a]\nall: x\n', '[a] has neither `map` nor `mapall`'),
    ('groups.conf', '[Main]\ndefault: gone\n[a]\nmap: x\n', 'clustershell/groups.conf: `default: gone` is no source; there are a'),
    ('groups', 'web web1\n', 'groups: line 1: not `group: nodes`'),
    ('groups.conf', '[a]\nmap: exit 4\n', 'exit status: 4')])
def test_what_is_wrong_with_a_file_of_clustershell_is_told_when_a_group_is_asked_for(hop, name, text, said):
    config(hop, name, text)
    assert names(hop, 'web1') == 'web1'
    assert said in refused(hop, '@a')


@pytest.fixture
def with_a_bad_file(hop):
    config(hop, 'groups', 'adm: example[1-2]\n')
    config(hop, 'groups.d/a.yaml', 'racks:\n  r1: n1\n  multi: >\n    n2\n')
    config(hop, 'groups.d/b.yaml', 'roles:\n  web: n3\n')
    return hop


def test_a_bad_file_of_clustershell_takes_no_other_source_away(with_a_bad_file):
    hop = with_a_bad_file
    assert names(hop, '@adm') == names(hop, 'example*') == 'example[1-2]'
    assert names(hop, '@roles:web') == 'n3'
    assert 'a.yaml: line 3: more of YAML' in refused(hop, '@racks:r1')
    result = hop('hosts', '-l')
    assert result.lines == ['@adm', '@roles:web'] and result.rc == 1, result
    assert result.said.count('a.yaml: line 3: more of YAML') == 1, result


def test_a_bad_file_of_clustershell_is_told_where_the_default_source_is_in_it(with_a_bad_file):
    hop = with_a_bad_file
    config(hop, 'groups', 'adm\n')
    for spec in ['@adm', 'example*', '@*']:
        assert 'groups: line 1: not `group: nodes`' in refused(hop, spec)
    assert names(hop, '@roles:web') == 'n3'


def test_a_bad_file_beside_the_configuration_takes_no_other_source_away(clustershell):
    config(clustershell, 'groups.conf.d/bad.conf', '[bad]\nmap: true\nodd\n')
    config(clustershell, 'groups.d/odd.yaml', '- odd\n')
    assert names(clustershell, '@b,@more:a,@racks:r1,n*') == 'm[1,4],n[1-4,9]'
    assert 'bad.conf: line 3: neither' in refused(clustershell, '@bad:x')
    assert 'odd.yaml: line 1: more of YAML' in refused(clustershell, '@lost:x')
    said = clustershell('hosts', '-l').said
    assert 'bad.conf: line 3' in said and 'odd.yaml: line 1' in said, said


def test_a_name_in_yaml_may_hold_the_mark_of_a_comment(hop):
    config(hop, 'groups.d/a.yaml', 'local:\n  g: a#1 # b\n')
    assert names(hop, '@g') == 'a#1'


def test_aliases_of_ssh_are_known_names(hop):
    at_home(hop, '.ssh/config', 'Include config.d/*.conf\nHost web1 web2 web-* !db\n HostName 10.0.0.1\n')
    at_home(hop, '.ssh/config.d/one.conf', 'Host web3 "web4"\n')
    at_home(hop, '.ssh/config.d/two.txt', 'Host web5\n')
    assert names(hop, 'web*') == 'web[1-4]'
    assert 'known' in refused(hop, 'db*')


def test_twenty_thousand_hosts_are_read_in_no_time(hop):
    """Other tools take minutes for tens of thousands."""
    lines = ''.join(f'n{n} = {{ target = "local:{{host}}", user = "u{n}" }}\n' for n in range(20_000))
    hop.write('hopvine.toml', f'[hosts]\n{lines}')
    result = hop('hosts', '-c', 'n*')
    assert result.text == '20000\n' and result.seconds < 5, result


def test_ranges_that_overlap_are_read_in_no_time(hop):
    """To expand them all would be millions of names."""
    ranges = ''.join(f'"n[1-{last}]" = {{ port = 22 }}\n' for last in range(1_000, 4_000))
    hosts = ''.join(f'n{n} = {{ user = "u{n}" }}\n' for n in range(3_000))
    hop.write('hopvine.toml', f'[hosts]\n{ranges}{hosts}')
    result = hop('run', '--dry-run', '-w', 'n7', '--', 'true')
    assert 'ssh:u7@n7 port 22' in result.text and result.seconds < 10, result


@pytest.mark.skipif(os.getuid() != 0, reason='only root gives files away')
def test_an_inventory_of_somebody_else_is_taken_only_where_it_is_named(fleet):
    path = fleet.cwd / 'hopvine.toml'
    os.chown(path, 30001, 30001)
    told = refused(fleet, '@live')
    assert f'{path}: belongs to 30001, ' in told and f'-i {path} takes it' in told, told
    assert (fleet.cwd / 'calls').read_text() == ''
    assert names(fleet, '-i', path, '@live') == 'db1,web1'


def test_an_inventory_that_everybody_may_write_is_refused(fleet):
    (fleet.cwd / 'hopvine.toml').chmod(0o666)
    assert 'but everybody may write it' in refused(fleet, '@live')
    assert (fleet.cwd / 'calls').read_text() == ''


def test_a_source_that_fails_is_told_and_the_others_are_listed(fleet):
    config(fleet, 'groups.conf', "[bad]\nmap: true\nlist: exit 3\n[good]\nmap: true\nlist: echo one two\n")
    result = fleet('hosts', '-l')
    assert result.lines == ['@failing', '@front', '@live', '@web', '@good:one', '@good:two'], result
    assert result.rc == 1 and '[bad] "exit 3": exit status: 3' in result.said, result
    config(fleet, 'groups.conf', 'map: x\n')
    result = fleet('hosts', '-l')
    assert len(result.lines) == 4 and 'groups.conf: line 1: no [section]' in result.said, result


def test_a_file_that_a_group_names_is_where_the_inventory_is(fleet):
    fleet.write('hopvine.toml', '[groups]\nmine = "^lists/mine"\n')
    fleet.write('lists/mine', 'web1 ^lists/more\n')
    fleet.write('lists/more', 'web2\n')
    inner = fleet.write('a/lists/mine', '@mine,web3\n').parent.parent
    below = fleet.start('hosts', '-f', '^lists/mine', prefix=['env', '-C', inner]).finish()
    assert below.text == 'web[1-3]\n', below


def test_an_interpreter_that_cannot_be_named_is_told_with_who_names_it(hop):
    hop.write('hopvine.toml', '[defaults]\npython = "/it\'s"\n[hosts]\na = "local:"\n')
    told = hop('run', '-w', 'a', '--', 'true')
    assert told.rc == 2 and told.said.startswith('hopvine: a: python "/it\'s"'), told
    told = hop('run', '-w', 'local:', '--python', "/it's", '--', 'true')
    assert told.rc == 2 and told.said.startswith('hopvine: --python "/it\'s"'), told
