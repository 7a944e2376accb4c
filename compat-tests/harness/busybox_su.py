"""Stands in for su of busybox, which Debian's busybox is built without: run as

    busybox_su.py RECORD PASSWORD_FILE -- [-] USER -c COMMAND

Asks as libbb's bb_ask_noecho does: on standard output, the answer from standard input, echo off without throwing away
what was typed before; says what loginutils/su.c says, and keeps all other descriptors. It stays the account that it is.
"""

import getopt
import os
import pwd
import sys
import termios


def ask(record):
    settings = termios.tcgetattr(0)
    hidden = list(settings)
    hidden[3] &= ~(termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ECHONL)
    termios.tcflush(0, termios.TCIFLUSH)
    termios.tcsetattr(0, termios.TCSANOW, hidden)
    os.write(1, b'Password: ')
    answer = b''
    while not answer.endswith((b'\r', b'\n')):
        byte = os.read(0, 1)
        if not byte:
            break
        answer += byte
    termios.tcsetattr(0, termios.TCSANOW, settings)
    os.write(1, b'\n')
    with open(record, 'ab') as heard:
        heard.write(answer)
    return answer


def die(message):
    os.write(2, f'su: {message}\n'.encode())
    sys.exit(1)


def main(record, password_file, dashes, *words):
    options, rest = getopt.gnu_getopt(words, 'mplc:s:')
    user = (rest[1:] if rest[:1] == ['-'] else rest)[0]
    try:
        pwd.getpwnam(user)
    except KeyError:
        die(f'unknown user {user}')
    with open(password_file, 'rb') as file:
        password = file.read()
    if ask(record) != password:
        die('incorrect password')
    os.execvp('sh', ['-sh' if '-' in rest else 'sh', '-c', dict(options)['-c']])


if __name__ == '__main__':
    main(*sys.argv[1:])
