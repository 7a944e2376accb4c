"""`logging` of user code: each record is a message with its logger, level and text; the level filters here."""
LOG = 24


class Logging:
    """First on sys.meta_path until user code imports `logging`: the first record must not be missed."""

    def find_module(self, name, path=None, target=None):
        if name == 'logging':
            sys.meta_path.remove(self)
            return self

    def find_spec(self, name, path=None, target=None):
        if self.find_module(name):
            for finder in sys.meta_path:
                spec = getattr(finder, 'find_spec', lambda *args: None)(name, path, target)
                if spec:
                    self.execute = spec.loader.exec_module
                    spec.loader.exec_module = self.exec_module
                    return spec

    def exec_module(self, module):
        self.execute(module)
        forward(module)

    def load_module(self, name):
        import logging
        forward(logging)
        return logging


def forward(logging):
    """Adds the handler that sends records; a level that the user has named holds for all loggers."""
    global log

    class Handler(logging.Handler):
        def emit(self, record):
            try:
                text = self.format(record)
            except:
                text = '%r %% %r: %s' % (record.msg, record.args, sys.exc_info()[1])
            try:
                fields = dump((str(record.name), record.levelno, str(record.levelname), text))
            except:
                fields = dump((repr(record.name), 0, repr(record.levelname), repr(text)))
            part('offer')(current or log, LOG, fields)
    if not log:
        log = Stream(0, 1)
    handler = Handler()
    root = logging.getLogger()
    root.addHandler(handler)
    if log_level:
        handler.setLevel(log_level)
        root.setLevel(log_level)


if 'logging' in sys.modules:
    queue(forward, sys.modules['logging'])
else:
    sys.meta_path.insert(0, Logging())
