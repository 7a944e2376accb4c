p=/usr/libexec/platform-python;for n in "" 2.7 2 3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13 3.14 3;do type python$n&&p=python$n;done;exec $p -SEc "@FIRST@"
