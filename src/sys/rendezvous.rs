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

/// The system's own limit for one message.
const MAX_FDS: usize = 253;

/// The folder for sockets of this user, which is made where it is missing: below the runtime folder of the login, else
/// among the temporary files.
///
/// # Errors
///
/// Where there is no place for it, or what is there is not ours alone.
pub fn folder() -> io::Result<PathBuf> {
    let folder = place().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "no folder for sockets: XDG_RUNTIME_DIR is none of this user's, nor is TMPDIR",
        )
    })?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(&folder, &error)),
        Ok(()) | Err(_) => {}
    }
    private(&folder)?;
    Ok(folder)
}

/// The same, if it is there.
///
/// # Errors
///
/// Where it is not ours alone.
pub fn known_folder() -> io::Result<Option<PathBuf>> {
    let Some(folder) = place() else { return Ok(None) };
    match private(&folder) {
        Ok(()) => Ok(Some(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn named(folder: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
}

/// Where the folder is to be: in the first one where we may make it and nobody else can put another in its place.
fn place() -> Option<PathBuf> {
    let user = identity::effective_user();
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = absolute("XDG_RUNTIME_DIR").map(|folder| folder.join("hopvine"));
    let known = Path::new("/run/user").join(user.to_string()).join("hopvine");
    let temporary = absolute("TMPDIR").unwrap_or_else(|| "/tmp".into()).join(format!("hopvine-{user}"));
    runtime.into_iter().chain([known, temporary]).find(|folder| {
        let above = folder.parent().and_then(|above| Some((above, fs::metadata(above).ok()?)));
        above.is_some_and(|(above, found)| {
            // In one where others may rename, nothing stays ours; that of /tmp is sticky.
            let stays = found.uid() == user && found.mode() & 0o022 == 0 || found.mode() & 0o1000 != 0;
            found.is_dir() && stays && (folder.exists() || identity::may_write_in(above))
        })
    })
}

/// Makes sure that a folder is one that only this user can enter.
///
/// # Errors
///
/// Where it is not.
fn private(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder).map_err(|error| named(folder, &error))?;
    let wrong = if !found.is_dir() {
        "is no folder"
    } else if found.uid() != identity::effective_user() {
        "belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "can be entered by others than this user"
    } else {
        return Ok(());
    };
    let text = format!("{} {wrong}, and is not used: remove it, or set XDG_RUNTIME_DIR", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// Makes a folder in that one, for this user alone.
///
/// # Errors
///
/// As mkdir(2).
pub fn room(name: &str) -> io::Result<PathBuf> {
    let room = folder()?.join(name);
    DirBuilder::new().mode(0o700).create(&room)?;
    Ok(room)
}

/// What only one file at a time has of all that are called so.
///
/// # Errors
///
/// As lstat(2).
pub fn number(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
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
    // As many as can come at once: what did not fit would be open, and nobody's.
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
