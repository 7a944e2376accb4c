"""Command lines for ssh, some hundreds: those that people and tools write, and others that are made up."""

import random
import shlex

# Command lines as they are typed, and as the tools that call ssh write them.
WRITTEN = r'''
h
h true
H.Example.COM
me@h
me@you@h
@h
me@
""
me@h true
-l me h
-l me you@h
you@h -l me
-l "" h
-l -x h
-l 'a b' h
-l 'a;b' h
-l 'a|b' h
-l 'DOMAIN\user' h
-l 'a -b' h
-l 'user\' h
-p 22 h
-p22 h
-p 2222 h
h -p 2222
h -p2222 true -p 3
h true -p 3
-p 2222 -p 3333 h
-p 2222 -p bad h
-p 0 h
-p 65535 h
-p 65536 h
-p -1 h
-p '' h
-p 22x h
-p ' 22' h
-p '22 ' h
-p +22 h
-p 022 h
-p 99999999999999999999 h
-p ssh h
-p nosuchservice h
-p
-l
-o
-i
-5 h
-5
-Uh
-: h
--help
--version h
-
- h
-- h
-- -h
-- h -p 22
-- h true
h -- true
h -- -p 22
h -p 22 -- -p 23
-p 22 -- h -p 23
h -p 22 -- ls -l
h ls -- -l
-l -- h -p 22
-a- h
-a- h true
h -a- true
h - true
h -v - -p 3
-tt h
-t h
-t -t h
-ttt h
-tttt h
-T h
-tT h
-Tt h
-tTt h
h -t
h -tt ls
-o RequestTTY=no h
-o RequestTTY=force h
-o RequestTTY=yes -t h
-o RequestTTY=no -t h
-t -o RequestTTY=no h
-o RequestTTY=maybe h
-o requesttty=AUTO h
-N h
-N -s h sftp
-s -N h sftp
-s h
-s h sftp
h -s sftp
-s h sftp x y
h sftp -s
-sN h sftp
-o SessionType=none h
-o SessionType=subsystem h
-o SessionType=subsystem h sftp
-o SessionType=default -s h sftp
-o SessionType=none -s h sftp
-o SessionType=subsystem -N h
-n h
-n h true
-o StdinNull=yes h
-o StdinNull=no -n h
-f h
-f h true
-f -N h
h -f true
h -fN
-o ForkAfterAuthentication=yes h
-o ForkAfterAuthentication=yes h true
-o ForkAfterAuthentication=yes -N h
-q -f h
-f -o LogLevel=QUIET h
-q -p 0 h
-nNT h
-fnNT h
-Nf h
-x h
-X h
-Y h
-X -x h
-A h
-a h
-A -a h
-aA h
-C h
-4 h
-6 h
-4 -6 h
-46 h
-64 h
-1 h
-2 h
-2 -1 h
-k h
-K h
-g h
-y h
-y -E /dev/null h
-E /dev/null h
-M h
-MM h
-S none h
-S /tmp/c h
-S /tmp/a -S /tmp/b h
-S '/tmp/with blank' h
-o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/tmp/x h
-o ControlMaster=sometimes h
-b 127.0.0.1 h
-b 127.0.0.1 -b 127.0.0.2 h
-o BindAddress=127.0.0.1 -b 127.0.0.2 h
-B lo h
-v h
-vv h
-vvv h
-vvvv h
-vvvvv h
-q h
-qv h
-vq h
-vqv h
-v -o LogLevel=ERROR h
-o LogLevel=ERROR h
-o LogLevel=ERROR -v h
-o LogLevel=error -vv h
-o LogLevel=DEBUG1 h
-o LogLevel=loud h
-e none h
-e ^A h
-e ^] h
-e x h
-e xy h
-e '' h
-e ^ h
-e ^^ h
-e ' ' h
-e '^ ' h
-o EscapeChar=none h
-o EscapeChar=^B h
-o EscapeChar=% -e none h
-e % -o EscapeChar=none h
-o EscapeChar=xyz h
-J j h
-J j,k h
-J me@j:22,k h
-J me@j:0 h
-J none h
-J '' h
-J ssh://me@j:22 h
-J [::1]:22 h
-J j -J k h
-J -j h
-o ProxyJump=j h
-o ProxyJump=j -J k h
-o ProxyJump=none h
-o ProxyJump=j,,k h
-o ProxyCommand='nc %h %p' h
-o ProxyCommand='nc %h %p' -J j h
-o ProxyCommand='nc %h %p' -o ProxyJump=j h
-o ProxyJump=j -o ProxyCommand='nc %h %p' h
-J j -o ProxyCommand='nc %h %p' h
-o ProxyCommand=none h
-o 'ProxyCommand = nc "%h" %p' h
-o 'ProxyCommand="nc %h' h
-W x:22 h
-W [::1]:22 h
-W x:0 h
-W x:y h
-W x h
-W x:22:33 h
-W x:22 -W y:22 h
-W '' h
-W x:22 -O check h
-O check -W x:22 h
-W x:22 -N h
-W x:22 -s h sftp
-s -W x:22 h sftp
-O check h
-O exit h
-O stop h
-O nonsense h
-O check -O exit h
-O check
-o Port=2222 h
-o port=2222 h
-o PORT=2222 h
-o 'Port 2222' h
-o 'Port = 2222' h
-o 'Port= 2222' h
-o 'Port =2222' h
-o 'Port == 2222' h
-o ' Port 2222' h
-o 'Port "2222"' h
-o '"Port" 2222' h
-o 'Port="2222"' h
-o "Port='2222'" h
-o 'Port=2222 ' h
-o 'Port=22 23' h
-o 'Port=22 # why' h
-o 'Port=22#' h
-o Port= h
-o Port h
-o 'Port ' h
-o 'Port =' h
-o Port=0 h
-o Port=x h
-o 'Port="' h
-o 'Port=""' h
-o '' h
-o ' ' h
-o '#Port=1' h
-o = h
-o =22 h
-o Port=2222 -p 3333 h
-p 3333 -o Port=2222 h
-oPort=2222 h
-o Port=1 -oPort=2 h
h -o Port=2222
h -oPort=2222 true
-o User=me h
-o User=me you@h
you@h -o User=me
-o User=me -l you h
-o 'User=a b' h
-o 'User="a b"' h
-o User=-x h
-o HostName=other h
-o HostName=%h.example.com h
-o HostName=100%% h
-o HostName=Other -o HostName=third h
-o NoSuchThing=1 h
-o nosuchthing h
-o IgnoreUnknown=NoSuch* -o NoSuchThing=1 h
-o NoSuchThing=1 -o IgnoreUnknown=NoSuch* h
-o IgnoreUnknown=!nosuchthing,NoSuch* -o NoSuchThing=1 h
-o IgnoreUnknown=a,b -o A=1 h
-o Host=x h
-o Include=/dev/null h
-o Protocol=2 h
-o Protocol=1,2 h
-o UsePrivilegedPort=no h
-o BatchMode=yes h
-o BatchMode=YES h
-o BatchMode=true h
-o BatchMode=1 h
-o BatchMode=yes,no h
-o BatchMode=yes -o BatchMode=no h
-o StrictHostKeyChecking=no h
-o StrictHostKeyChecking=off h
-o StrictHostKeyChecking=yes h
-o StrictHostKeyChecking=accept-new h
-o StrictHostKeyChecking=ask h
-o StrictHostKeyChecking=never h
-o UserKnownHostsFile=/dev/null h
-o 'UserKnownHostsFile=/a /b' h
-o 'UserKnownHostsFile="/a b" /c' h
-o 'UserKnownHostsFile=none /a' h
-o 'UserKnownHostsFile="" /a' h
-o GlobalKnownHostsFile=/dev/null h
-o ConnectTimeout=10 h
-o ConnectTimeout=1m30s h
-o ConnectTimeout=none h
-o ConnectTimeout=soon h
-o ConnectTimeout= h
-o ConnectTimeout=1y h
-o ConnectionAttempts=3 h
-o ConnectionAttempts=x h
-o ConnectionAttempts=-1 h
-o ConnectionAttempts=99999999999 h
-o ServerAliveInterval=15 -o ServerAliveCountMax=2 h
-o ServerAliveInterval=1h h
-o TCPKeepAlive=no h
-o KeepAlive=no h
-o NumberOfPasswordPrompts=1 h
-o PreferredAuthentications=publickey,password h
-o PasswordAuthentication=no -o KbdInteractiveAuthentication=no h
-o ChallengeResponseAuthentication=no h
-o PubkeyAuthentication=no h
-o PubkeyAuthentication=host-bound h
-o IdentitiesOnly=yes -o IdentityFile=~/.ssh/one -o IdentityFile=/two h
-o 'IdentityFile="/with blank"' h
-o IdentityFile= h
-i /dev/null h
-i /dev/null -i /dev/zero h
-i /nosuch/file h
-i /nosuch/file -i /dev/null h
-i /dev/null -o IdentityFile=/two h
-o CertificateFile=/cert h
-o IdentityAgent=none h
-o ControlPath=none h
-o KnownHostsCommand=none h
-o HostKeyAlias=none h
-I /lib/p.so h
-o AddressFamily=inet h
-o AddressFamily=inet6 -4 h
-o AddressFamily=any h
-o AddressFamily=ipv4 h
-4 -o AddressFamily=inet6 h
-o Compression=yes h
-o Compression=no -C h
-o Compression=true h
-o ForwardAgent=yes h
-o ForwardAgent=yes -a h
-o ForwardX11=yes h
-o ForwardX11=yes -x h
-o SetEnv=A=1 h
-o 'SetEnv=A=1 B=2' h
-o 'SetEnv A="1 2" B=' h
-o SetEnv=A=1 -o SetEnv=B=2 h
-o 'SetEnv=A=1 A=2' h
-o SetEnv=A h
-o SetEnv= h
-o 'SetEnv=A=1=2' h
-o 'SetEnv="A=1 2"' h
-o SendEnv=LANG h
-o 'SendEnv=LANG LC_*' h
-o SendEnv=LANG -o SendEnv=LC_* h
-o 'SendEnv=LANG LC_A LC_B' -o SendEnv=-LC_* h
-o SendEnv=A=1 h
-o SendEnv= h
-o RemoteCommand=uptime h
-o RemoteCommand=uptime h true
-o RemoteCommand=none h true
-o 'RemoteCommand=echo %h %n %p %%' h
-o 'RemoteCommand=echo %r' me@h
-o 'RemoteCommand=echo "a b"' h
-o 'RemoteCommand=echo "a' h
-o RemoteCommand=uptime -f h
-o RemoteCommand=uptime -q h true
-o RemoteCommand=uptime h ''
-o RemoteCommand=internal-sftp -s h
-o CheckHostIP=no -o VisualHostKey=yes -o UpdateHostKeys=no h
-o CanonicalizeHostname=no h
-o HostKeyAlias=alias h
-o ClearAllForwardings=yes h
-o ClearAllForwardings=yes -L 1:h:1 h
-o ExitOnForwardFailure=yes h
-o GatewayPorts=yes h
-o PermitLocalCommand=no h
-o Tunnel=no h
-o SyslogFacility=USER h
-o LogVerbose=none h
-F none h
-F none -F none h
ssh://h
ssh://h:2222
ssh://me@h
ssh://me@h:2222
ssh://me@h:2222/
ssh://me@h/path
ssh://me@h:
ssh://me@h:/
ssh://me@h:0
ssh://me@h:x
ssh://@h
ssh://me;x=y@h
ssh://m%65@h
ssh://m%zz@h
ssh://m%00@h
ssh://a+b@h
ssh://[::1]:22
ssh://::1
ssh://[h]:22
ssh://
ssh://h..x
ssh://-h
ssh:/h
-p 1 ssh://h:2222
-l you ssh://me@h
ssh://h:2222 -p 1
ssh://h true
[::1]
::1
me@[::1]
127.0.0.1
fe80::1%lo
'a b'
'a;b'
'a$b'
'a`b'
'a|b'
'a,b'
'a{b'
"a'b"
'a"b'
'a\b'
'a>b'
'a(b'
a%b
a=b
a/b
a:b
a_b
-oBatchMode=yes -oConnectTimeout=5 -lroot -p22 h 'rsync --server -vlogDtpre.iLsfxCIvu . /x'
-l root h rsync --server --sender -vlogDtpre.iLsfxCIvu . /x
-x -oPermitLocalCommand=no -oClearAllForwardings=yes -oRemoteCommand=none -oRequestTTY=no -oForwardAgent=no -l me -s -- h sftp
-x -oPermitLocalCommand=no -oClearAllForwardings=yes -oRemoteCommand=none -oRequestTTY=no -oForwardAgent=no -- h 'scp -t /x'
-o SendEnv=GIT_PROTOCOL git@h "git-upload-pack '/x.git'"
-o SendEnv=GIT_PROTOCOL -p 2222 git@h "git-receive-pack '/x.git'"
-4 -o SendEnv=GIT_PROTOCOL h "git-upload-pack 'x'"
-C -o ControlMaster=auto -o ControlPersist=60s -o KbdInteractiveAuthentication=no -o PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey -o PasswordAuthentication=no -o ConnectTimeout=10 -o 'ControlPath="/root/.ansible/cp/a1"' h '/bin/sh -c '"'"'echo ~ && sleep 0'"'"''
-o ControlMaster=auto -tt h '/bin/sh -c true'
-vvv -C -o ControlMaster=auto -o 'User="deploy"' -o Port=2222 h true
-T -o ConnectTimeout=15 h bash
-T -D 1080 -o ClearAllForwardings=yes h bash
'''.strip().splitlines()
ATOMS = [
    ['-v'], ['-q'], ['-t'], ['-tt'], ['-T'], ['-n'], ['-N'], ['-s'], ['-f'], ['-x'], ['-X'], ['-A'], ['-a'], ['-C'],
    ['-4'], ['-6'], ['-M'], ['-g'], ['-k'], ['-2'], ['-vTn'], ['-qtt'], ['-p', '2022'], ['-p23'], ['-vp24'],
    ['-l', 'me'], ['-lyou'], ['-e', 'none'], ['-e^X'], ['-i', '/dev/null'], ['-J', 'j'], ['-b', '127.0.0.1'],
    ['-o', 'User=him'], ['-oPort=2023'], ['-o', 'RequestTTY=force'], ['-o', 'SessionType=none'], ['-o', 'StdinNull yes'],
    ['-o', 'LogLevel=VERBOSE'], ['-o', 'SetEnv=A=1'], ['-o', 'SetEnv=B=2 C="3 4"'], ['-o', 'SendEnv=LANG LC_*'],
    ['-o', 'SendEnv=-LC_*'], ['-o', 'RemoteCommand=uptime'], ['-o', 'BatchMode = yes'], ['-o', 'ConnectTimeout=3m'],
    ['-o', 'EscapeChar=none'], ['-o', 'ForkAfterAuthentication=yes'], ['-o', 'ProxyCommand=nc %h %p'],
    ['-o', 'HostName=%h.lan'], ['-o', 'ControlPath=/tmp/c'], ['-o', 'AddressFamily=inet6'], ['-O', 'check'],
    ['-S', '/tmp/d'], ['-W', 'x:22'], ['--'], ['-o', 'Compression=no'], ['-o', 'ForwardAgent=yes'],
]
SEED = 8
GENERATED = 400


def generated():
    """Options before the host and after it, and what is then a command; the same in each run."""
    dice = random.Random(SEED)
    for _ in range(GENERATED):
        before, after = (sum(dice.sample(ATOMS, dice.randrange(4)), []) for _ in range(2))
        command = dice.choice([[], ['true'], ['ls', '-l'], ['echo', '-p', '9'], ['']])
        yield [*before, dice.choice(['h', 'me@h', 'ssh://you@h:2024', 'Host.example']), *after, *command]


CORPUS = [*map(shlex.split, WRITTEN), *generated()]
