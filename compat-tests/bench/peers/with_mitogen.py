"""mitogen, with its defaults."""

import os
import time

import mitogen.core
import mitogen.master
import mitogen.service

import measure

# To connect blocks its thread; more threads than this make it no faster.
CONNECTING_THREADS = 16


class Session:
    def __init__(self, python):
        self.python = python
        self.broker = mitogen.master.Broker()
        self.router = mitogen.master.Router(self.broker)

    def context(self, target):
        if target == 'local':
            return self.router.local(python_path=self.python)
        return self.router.ssh(hostname=target, python_path=self.python)

    def through(self, user, key, port, via=None):
        """To the server at that port of this machine, seen from `via`."""
        return self.router.ssh(hostname='127.0.0.1', port=int(port), username=user, identity_file=key, via=via,
                               check_host_keys='ignore', python_path=self.python)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.broker.shutdown()
        self.broker.join()


def connect(python, target):
    with Session(python) as session:
        measure.say(time=session.context(target).call(time.time))


def first_call(python, target, folder, named):
    function = measure.function_of(folder, named)
    with Session(python) as session:
        measure.say(value=session.context(target).call(function))


def calls(python):
    def at_once(count):
        for receiver in [there.call_async(os.getpid) for _ in range(count)]:
            receiver.get().unpickle()

    with Session(python) as session:
        there = session.context('local')
        measure.calls(lambda: there.call(os.getpid), at_once)


def contexts(python, count):
    from concurrent.futures import ThreadPoolExecutor  # not a part of what `connect` takes

    def connect_and_call(count):
        with ThreadPoolExecutor(CONNECTING_THREADS) as pool:
            return list(pool.map(lambda _: session.context('local').call(os.getpid), range(count)))

    with Session(python) as session:
        measure.contexts(int(count), connect_and_call)


def group(python, count):
    with Session(python) as session:
        all_contexts = [session.context('local') for _ in range(int(count))]

        def on_all():
            receivers = [each.call_async(os.getpid) for each in all_contexts]
            return [receiver.get().unpickle() for receiver in receivers]

        measure.group(on_all, int(count))


def shell(python, command):
    with Session(python) as session:
        measure.say(status=session.context('local').call(os.system, command))


def receive(context, source, copy):
    with open(copy, 'wb') as file:
        whole, _ = mitogen.service.FileService.get(context=context, path=source, out_fp=file)
    return whole


def put(python, target, source, copy):
    with Session(python) as session:
        service = mitogen.service.FileService(router=session.router)
        mitogen.service.Pool(router=session.router, services=[service])
        service.register(source)
        measure.say(whole=int(session.context(target).call(receive, session.router.myself(), source, copy)))


def send(source, sender):
    with open(source, 'rb') as file:
        for piece in iter(lambda: file.read(mitogen.core.CHUNK_SIZE), b''):
            sender.send(mitogen.core.Blob(piece))
    sender.close()


def fetch(python, target, source, copy):
    """mitogen serves files downwards only; what comes up is a channel's, and not verified."""
    with Session(python) as session, open(copy, 'wb') as file:
        receiver = mitogen.core.Receiver(session.router)
        done = session.context(target).call_async(send, source, receiver.to_sender())
        for message in receiver:
            file.write(message.unpickle())
        done.get().unpickle()
        measure.say(whole=1)


def connect_through(python, user, key, *ports):
    with Session(python) as session:
        there = None
        for port in ports:
            there = session.through(user, key, port, there)
        measure.say(time=there.call(time.time))


def fan_out(python, prefix, count):
    from concurrent.futures import ThreadPoolExecutor

    with Session(python) as session, ThreadPoolExecutor(CONNECTING_THREADS) as pool:
        names = (f'{prefix}{number}' for number in range(1, int(count) + 1))
        statuses = pool.map(lambda name: session.context(name).call(os.system, 'true'), names)
        measure.say(failed=sum(map(bool, statuses)))


def fan_out_behind(python, user, key, port, count):
    from concurrent.futures import ThreadPoolExecutor

    with Session(python) as session, ThreadPoolExecutor(CONNECTING_THREADS) as pool:
        bastion = session.through(user, key, port)
        statuses = pool.map(lambda _: session.through(user, key, port, bastion).call(os.system, 'true'), range(int(count)))
        measure.say(failed=sum(map(bool, statuses)))


if __name__ == '__main__':
    measure.main(connect=connect, first_call=first_call, calls=calls, contexts=contexts, group=group, shell=shell,
                 connect_through=connect_through, put=put, fetch=fetch, fan_out=fan_out,
                 fan_out_behind=fan_out_behind)
