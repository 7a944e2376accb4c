from .channel import Channel as Channel, ChannelClosed as ChannelClosed, Receiver as Receiver, Select as Select
from .errors import (
    Cancelled as Cancelled, CommandFailed as CommandFailed, ConnectionFailed as ConnectionFailed,
    DepthLimitExceeded as DepthLimitExceeded, FileError as FileError, HopvineError as HopvineError, HostError as HostError,
    NotCompleted as NotCompleted, RemoteException as RemoteException, TimedOut as TimedOut, Unsendable as Unsendable,
)
from .group import ErrorResult as ErrorResult, Group as Group, GroupResult as GroupResult
from .queue import AsyncResult as AsyncResult, Queue as Queue
from .tunnel import (
    BaseTunnel as BaseTunnel, Doas as Doas, Docker as Docker, Incus as Incus, Jail as Jail, Kubectl as Kubectl, LXC as LXC,
    LXD as LXD, Local as Local, Machinectl as Machinectl, Nsenter as Nsenter, Podman as Podman, SSHTunnel as SSHTunnel,
    Su as Su, SubprocessTunnel as SubprocessTunnel, Sudo as Sudo, Target as Target, Tunnel as Tunnel,
)

DEPTH_LIMIT: int
