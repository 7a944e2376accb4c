"""What ps shows: written over the arguments, or, where /proc cannot be used, by starting the interpreter again."""

import pytest

from harness.pythons import discover, starts_itself_again

NO_PROC = 'mount -t tmpfs none /proc\nexec sh -c "$1"\n'
# The command brings /proc back to look at its parent, the agent.
LOOK = 'mount -t proc proc /proc; tr "\\0" "\\n" </proc/$PPID/cmdline | head -n 1'


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_the_title_is_shown_where_the_agent_has_no_proc(hop, site, python):
    if not site.accounts.private:
        pytest.skip('a /proc of its own needs root and unshare')
    if not starts_itself_again(python):
        pytest.skip('this interpreter runs only by a wrapper that it does not know of')
    path = hop.scratch / 'place.sh'
    path.write_text(NO_PROC)
    target = hop.way_in(f'unshare -m --propagation private sh {path} {{}}')
    result = hop('run', '-w', target, '--python', python.path, '--name', 'our:title', '-n', '--', LOOK)
    assert result.rc == 0 and result.lines == ['our:title'], result


def test_the_default_title_names_the_controller(hop):
    result = hop('run', '-w', 'local:', '-n', '--', 'tr "\\0" "\\n" </proc/$PPID/cmdline | head -n 1')
    assert result.text.startswith('hopvine:') and '@' in result.text and result.text.strip().split(':')[-1].isdigit(), result
