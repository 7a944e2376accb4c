"""What goes over the wire to start an agent, against its budgets."""

import pytest

BUDGETS = {'remote_command': 256, 'core': 4600, 'first_result': 6360}


@pytest.mark.parametrize('what, budget', BUDGETS.items())
def test_the_start_keeps_its_budget(hop, what, budget):
    sizes = hop.sizes()
    assert 0 < sizes[what] <= budget, sizes


def test_the_sizes_tell_their_parts_and_what_the_seed_needed(hop):
    sizes = hop.sizes()
    assert set(sizes) == {'remote_command', 'core', 'parts', 'first_result', 'seed'}, sizes
    assert sizes['seed'] == {'remote_command': 576, 'preamble': 6360}, sizes
    assert sizes['parts'] and all(0 < size < 10_000 for size in sizes['parts'].values()), sizes


def test_the_sizes_are_those_of_the_bytes_shown(hop):
    sizes = hop.sizes()
    command = hop('bootstrap', 'show', '--command').out.rstrip(b'\n')
    flight = hop('bootstrap', 'show', '--first-flight').out
    assert len(command) == sizes['remote_command'], command
    assert sizes['core'] <= len(flight) and len(command) + len(flight) == sizes['first_result'], sizes


def test_the_command_survives_every_shell_by_what_it_does_not_hold(hop):
    command = hop('bootstrap', 'show', '--command').text.rstrip('\n')
    assert '\n' not in command and '!' not in command and command.isascii() and command.isprintable(), command


def test_the_sizes_are_shown_to_people_too(hop):
    result = hop('bootstrap', 'sizes')
    assert result.rc == 0 and str(hop.sizes()['remote_command']) in result.text, result
    assert hop('bootstrap', 'show').rc == 0
