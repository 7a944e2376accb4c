"""Code that uses `logging`, as programs do. Runs on every Python from 2.4 on."""

import logging
import os
import resource
import select
import sys
import threading

logging.getLogger('early').warning('at import')


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def several():
    logging.getLogger('a.b').error('%s and %s', 1, 'two')
    logging.getLogger('a').critical('%(x)d', {'x': 3})
    logging.warning('plain')
    logging.info('below the level of the root logger')


def at_all_levels(name='x'):
    log = logging.getLogger(name)
    for word in ('debug', 'info', 'warning', 'error', 'critical'):
        getattr(log, word)(word)
    logging.addLevelName(35, 'NOTICE')
    log.log(35, 'notice')
    log.log(5, 'five')
    return logging.getLogger().getEffectiveLevel()


def many(count, level=logging.WARNING, size=0):
    filler = 'x' * size
    for number in range(count):
        logging.log(level, '%d %s', number, filler)
    return peak()


def ahead(consumed, total, size):
    """Each record tells how many have not been consumed yet."""
    taken = os.open(consumed, os.O_RDONLY | os.O_NONBLOCK)
    done, filler = 0, 'x' * size
    for number in range(total):
        if select.select([taken], [], [], 0)[0]:
            done += len(os.read(taken, 65536))
        logging.warning('%d %s', number - done, filler)
    return peak()


def failing():
    try:
        {}['missing']
    except KeyError:
        logging.exception('it failed')


def wrongly():
    logging.warning('%d items', 'many')
    logging.warning('too %s %s', 'few')
    logging.warning('too many', 1)
    logging.warning(5)
    logging.warning(None)
    logging.warning('percent %', )
    return 'went on'


class Odd(object):
    def __str__(self):
        raise RuntimeError('no words')


class Odder(Odd):
    __repr__ = Odd.__str__


def without_words(kind):
    odd = globals()[kind]()
    logging.warning('%s', odd)
    logging.warning(odd)
    return 'went on'


def with_odd_names():
    logging.getLogger('h\xe9').warning('caf\xe9')
    logging.getLogger('x\ny').warning('two\nlines')
    logging.getLogger('e').warning('\033[31mred\033[0m \007 \r over')
    logging.getLogger('e').warning('')


def from_threads(threads, count):
    def work(name):
        for number in range(count):
            logging.getLogger(name).warning('%d', number)
    running = [threading.Thread(target=work, args=('t%d' % number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def and_printed(count):
    for number in range(0, 3 * count, 3):
        sys.stdout.write('%d\n' % number)
        logging.warning('%d', number + 1)
        os.system('echo %d' % (number + 2))


def configured(**options):
    logging.basicConfig(**options)
    logging.warning('after it')


def with_handler_of_its_own():
    log = logging.getLogger('own')
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter('own: %(message)s'))
    log.addHandler(handler)
    log.propagate = False
    log.warning('to its own only')
    log.propagate = True
    log.warning('to both')


def with_factory():
    """A record class of its own that words its message by itself."""
    class Record(logging.LogRecord):
        def getMessage(self):
            return 'made by hand: ' + logging.LogRecord.getMessage(self)
    logging.setLogRecordFactory(Record)
    logging.warning('x %d', 1)


def with_logger_class():
    class Logger(logging.Logger):
        def trace(self, words):
            self.warning('traced ' + words)
    logging.setLoggerClass(Logger)
    logging.getLogger('other.kind').trace('it')


def with_filter():
    class Filter(logging.Filter):
        def filter(self, record):
            record.msg = 'filtered ' + record.msg
            return 'secret' not in record.msg
    log = logging.getLogger('filtered')
    log.addFilter(Filter())
    log.warning('seen')
    log.warning('secret')


def after_the_call(bell, gate):
    """A thread that goes on when the call has returned."""
    def work():
        sink = open(bell, 'w')
        sink.write('up\n')
        sink.close()
        open(gate).readline()
        logging.warning('late')
    thread = threading.Thread(target=work)
    thread.setDaemon(True)
    thread.start()


def captured():
    import warnings
    logging.captureWarnings(True)
    warnings.warn('deprecated')


def raising():
    logging.warning('before the end')
    raise ValueError('the end')


def yielding():
    for number in range(3):
        logging.warning('before %d', number)
        yield number
