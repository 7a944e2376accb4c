"""What goes over the wire until an agent has answered; no rounds, the binary counts."""

from table import Row, Table


class Sizes:
    needs_ssh = False

    def measure(self, bench):
        sizes = bench.hop.sizes()
        seed = sizes['seed']
        table = Table('bytes over the wire to start an agent', ['bytes', 'the seed said', 'budget'])
        table.rows = [Row('remote command', [str(sizes['remote_command']), str(seed['remote_command']), '256']),
                      Row('core, compressed', [str(sizes['core']), '', '4600']),
                      Row('all until the first result', [str(sizes['first_result']), str(seed['preamble']), '6360']),
                      *(Row(f'part {name}, on demand', [str(size), '', '']) for name, size in sizes['parts'].items())]
        table.note = '`hopvine bootstrap sizes`, which counts what would be sent for `call time:time`.'
        return table


JOB = Sizes()
