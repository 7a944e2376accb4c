//! Unix sockets at which programs of one user meet: in a folder that is that user's alone, with the peer's user
//! checked, and descriptors that travel along.

use super::identity;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, getsockopt, recvmsg, sendmsg};
use std::fs::{self, DirBuilder, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Most descriptors that come with one message.
pub const MAX_FDS: usize = 3;

/// The folder for sockets of this user: below the runtime folder of the login, else among the temporary files.
///
/// # Errors
///
/// Where there is no place that is ours alone, with the last one that was tried.
pub fn folder() -> io::Result<PathBuf> {
    let user = identity::effective_user();
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = absolute("XDG_RUNTIME_DIR").map(|folder| folder.join("hopvine"));
    let known = Path::new("/run/user").join(user.to_string()).join("hopvine");
    let temporary = absolute("TMPDIR").unwrap_or_else(|| "/tmp".into()).join(format!("hopvine-{user}"));
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for folder in runtime.into_iter().chain([known, temporary]) {
        match private(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => why = io::Error::new(error.kind(), format!("{}: {error}", folder.display())),
        }
    }
    Err(why)
}

/// Makes a folder that only this user can enter, or makes sure that it is one.
///
/// # Errors
///
/// Where it is not, or its own folder is another's.
pub fn private(folder: &Path) -> io::Result<()> {
    let user = identity::effective_user();
    if let Some(above) = folder.parent() {
        let above = fs::metadata(above)?;
        // In one where others may rename, nothing stays ours; that of /tmp is sticky.
        if above.uid() != user && above.mode() & 0o1000 == 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "in a folder of another user's"));
        }
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
        let what = "not a folder that only its owner, this user, can enter";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    Ok(())
}

/// A path that is short enough for a socket's address, whatever the real one is: by an open folder.
struct Short {
    _folder: File,
    path: PathBuf,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let flags = nix::libc::O_PATH | nix::libc::O_DIRECTORY;
        let folder = File::options().read(true).custom_flags(flags).open(folder)?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { _folder: folder, path })
    }
}

/// Waits until no other process of this user is about to make the socket; until this is dropped, none is.
///
/// # Errors
///
/// When the file beside it cannot be made.
pub fn lock(path: &Path) -> io::Result<Flock<File>> {
    let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(path)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
}

/// A socket for others of this user.
///
/// # Errors
///
/// As bind(2); what is there already is not replaced.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(&Short::of(path)?.path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to whoever listens there, if that is this user.
///
/// # Errors
///
/// As connect(2); `PermissionDenied` for another user's.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(&Short::of(path)?.path)?;
    check(&stream)?;
    Ok(stream)
}

/// # Errors
///
/// `PermissionDenied` where another user is at the other end.
pub fn check(stream: &UnixStream) -> io::Result<()> {
    if getsockopt(stream, PeerCredentials)?.uid() == identity::effective_user() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user is at the other end"))
}

/// Sends bytes, and descriptors with the first of them; waits until all are taken.
///
/// # Errors
///
/// As sendmsg(2).
pub fn send(stream: &UnixStream, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
    let (mut at, mut fds) = (0, fds);
    while at < bytes.len() {
        let rights = [ControlMessage::ScmRights(fds)];
        let with: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
        let slice = [IoSlice::new(&bytes[at..])];
        match sendmsg::<()>(stream.as_raw_fd(), &slice, with, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(count) => {
                at += count;
                fds = &[];
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Receives bytes, 0 at the end, and the descriptors that came with them.
///
/// # Errors
///
/// As recvmsg(2): `WouldBlock` where nothing is there yet and the socket does not wait.
pub fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = cmsg_space!([RawFd; MAX_FDS]);
    let mut slices = [IoSliceMut::new(buffer)];
    loop {
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        match recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut space), flags) {
            Ok(message) => {
                let mut fds = Vec::new();
                for rights in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(numbers) = rights {
                        // SAFETY: the system has just opened them for us.
                        fds.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                    }
                }
                return Ok((message.bytes, fds));
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
