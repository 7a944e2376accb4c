"""execnet. It has gateways and channels instead of calls: a loop at the far end answers."""

import execnet

import measure


def gateway(python, target):
    way = 'popen' if target == 'local' else f'ssh={target}'
    return execnet.makegateway(f'{way}//python={python}')


def connect(python, target):
    channel = gateway(python, target).remote_exec('import time; channel.send(time.time())')
    measure.say(time=channel.receive())


def calls(python):
    channel = gateway(python, 'local').remote_exec('for item in channel: channel.send(item)')

    def one():
        channel.send(1)
        channel.receive()

    def at_once(count):
        for _ in range(count):
            channel.send(1)
        for _ in range(count):
            channel.receive()

    measure.calls(one, at_once)


def contexts(python, count):
    def connect_and_call(count):
        # Gateways are made one after the other; there is no other way.
        gateways = [gateway(python, 'local') for _ in range(count)]
        channels = [each.remote_exec('import os; channel.send(os.getpid())') for each in gateways]
        return [channel.receive() for channel in channels]

    measure.contexts(int(count), connect_and_call)


def shell(python, command):
    channel = gateway(python, 'local').remote_exec('import os; channel.send(os.system(channel.receive()))')
    channel.send(command)
    measure.say(status=channel.receive())


if __name__ == '__main__':
    measure.main(connect=connect, calls=calls, contexts=contexts, shell=shell)
    execnet.default_group.terminate(timeout=5)
