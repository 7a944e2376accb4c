#!/bin/sh
# The main job on this machine alone: what to expect stands in README.md.
set -eu
hopvine=$1
show() { printf '\n$ hopvine %s\n' "$*"; "$hopvine" "$@"; }

show call -w local: time:time
show call -w 'local:c[1-3]' os:getpid
show run -w 'local:c[1-2]' -- 'uname -s; echo "started by: $(tr "\0" " " </proc/$PPID/cmdline)"'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/tasks.py" <<'PYTHON'
import platform


def greet(name, times=1):
    print('printed over there')
    return {'greeting': ' '.join(['hello ' + name] * times), 'python': platform.python_version()}
PYTHON
show call -w local: "$folder/tasks.py:greet" world --kw times=2
printf '\n$ echo "from a pipe" | hopvine run -w local: -- cat\n'
echo 'from a pipe' | "$hopvine" run -w local: -- cat
printf '\n$ hopvine run -w local: --json -- "exit 3"\n'
"$hopvine" run -w local: --json -- 'exit 3' || printf '(exit status %s)\n' $?
show bootstrap sizes
