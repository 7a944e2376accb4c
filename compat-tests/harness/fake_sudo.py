"""Stands in for sudo, su or doas where the real one cannot be made to ask like that: run as

    fake_sudo.py RECORD QUESTION... -- [options of sudo, su or doas] COMMAND

Asks each question on its terminal with echo off and writes down every answer; `{p}` in a question is the text after
`-p`, one that begins with `+` is printed with echo on, and what is typed within a moment would be written down too.
Afterwards it runs the command.
"""

import os
import select
import sys
import termios

ECHO_ON = '+'


def ask(tty, record, question):
    settings = termios.tcgetattr(tty)
    hidden = list(settings)
    hidden[3] &= ~termios.ECHO
    if not question.startswith(ECHO_ON):
        termios.tcsetattr(tty, termios.TCSAFLUSH, hidden)
    os.write(tty, question.lstrip(ECHO_ON).encode())
    if question.startswith(ECHO_ON):
        # Nobody may answer; whoever would, does it within the time in which answers come.
        if not select.select([tty], [], [], 0.3)[0]:
            return
    answer = os.read(tty, 4096)
    with open(record, 'ab') as heard:
        heard.write(answer)
    if not answer.endswith(b'\n'):
        sys.exit(1)
    termios.tcsetattr(tty, termios.TCSAFLUSH, settings)
    os.write(tty, b'\r\n')


def main(record, *words):
    questions, line = words[:words.index('--')], list(words[words.index('--') + 1:])
    prompt = line[line.index('-p') + 1] if '-p' in line else ''
    command = line[line.index('sh'):] if 'sh' in line else ['sh', '-c', line[-1]]
    tty = os.open('/dev/tty', os.O_RDWR | os.O_NOCTTY)
    for question in questions:
        ask(tty, record, question.replace('{p}', prompt))
    os.close(tty)
    os.execvp(command[0], command)


if __name__ == '__main__':
    main(*sys.argv[1:])
