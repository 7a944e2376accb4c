//! Folders that are held open: what is done in one is done there, whatever the names that led to it lead to meanwhile.

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, mkdirat, utimensat,
};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One that may not be listed can be held too.
const FOLDER: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Names are those of one thing in it: no link at their end is followed.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// What has a name.
#[derive(Debug)]
pub enum Found {
    Folder(Folder),
    /// What it says, and the number of the user whose it is.
    Link(OsString, u32),
    File,
    /// A device, a socket or a pipe.
    Special,
}

impl Folder {
    /// By a path, whatever links are on it.
    ///
    /// # Errors
    ///
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(AT_FDCWD, path, FOLDER.difference(OFlag::O_NOFOLLOW), Mode::empty())?))
    }

    /// What [`Folder::open`] asks for, for who opens one in Python.
    pub(super) fn flags() -> String {
        FOLDER.difference(OFlag::O_NOFOLLOW).bits().to_string()
    }

    /// Opens a folder in it.
    ///
    /// # Errors
    ///
    /// As open(2); a link is no folder.
    pub fn below(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(openat(&self.0, name, FOLDER, Mode::empty())?))
    }

    /// What has that name, all of it at one time.
    ///
    /// # Errors
    ///
    /// As open(2).
    pub fn find(&self, name: &OsStr) -> io::Result<Found> {
        let fd = openat(&self.0, name, FOLDER.difference(OFlag::O_DIRECTORY), Mode::empty())?;
        let info = info(&fd)?;
        Ok(match SFlag::from_bits_truncate(info.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => Found::Folder(Self(fd)),
            SFlag::S_IFLNK => Found::Link(readlinkat(&fd, "")?, info.st_uid),
            SFlag::S_IFREG => Found::File,
            _ => Found::Special,
        })
    }

    /// Whether that path leads to it.
    ///
    /// # Errors
    ///
    /// When it leads nowhere.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        let (there, here) = (path.metadata()?, info(&self.0)?);
        Ok((there.dev(), there.ino()) == (here.st_dev, here.st_ino))
    }

    /// # Errors
    ///
    /// As mkdir(2).
    pub fn make_folder(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(mkdirat(&self.0, name, Mode::from_bits_truncate(mode))?)
    }

    /// # Errors
    ///
    /// As symlink(2).
    pub fn make_link(&self, to: &OsStr, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(to, &self.0, name)?)
    }

    /// A new file for its owner alone.
    ///
    /// # Errors
    ///
    /// As open(2).
    pub fn make_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        Ok(File::from(openat(&self.0, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?))
    }

    /// The same without a name: nobody has to remove it. `None` where its file system knows none.
    pub fn make_unnamed(&self) -> Option<File> {
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.0, ".", flags, Mode::S_IRUSR | Mode::S_IWUSR).ok()?);
        way_to(file.as_fd()).exists().then_some(file)
    }

    /// Gives that a name, which must be new.
    ///
    /// # Errors
    ///
    /// As linkat(2).
    pub fn give_name(&self, file: &File, name: &OsStr) -> io::Result<()> {
        Ok(linkat(AT_FDCWD, &way_to(file.as_fd()), &self.0, name, AtFlags::AT_SYMLINK_FOLLOW)?)
    }

    /// # Errors
    ///
    /// As rename(2).
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes what is no folder.
    ///
    /// # Errors
    ///
    /// As unlink(2).
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// # Errors
    ///
    /// When the system fails us.
    pub fn mode(&self) -> io::Result<u32> {
        Ok(info(&self.0)?.st_mode & 0o7777)
    }

    /// # Errors
    ///
    /// As chmod(2).
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_bits_truncate(mode);
        self.itself(|fd, path| fchmodat(fd, path, mode, FchmodatFlags::FollowSymlink))
    }

    /// Sets its times, in nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// As utimensat(2).
    pub fn set_time(&self, mtime_ns: i64) -> io::Result<()> {
        let time = TimeSpec::nanoseconds(mtime_ns);
        self.itself(|fd, path| utimensat(fd, path, &time, &time, UtimensatFlags::FollowSymlink))
    }

    /// Those of a symbolic link in it.
    ///
    /// # Errors
    ///
    /// When its file system has none to set.
    pub fn set_link_time(&self, name: &OsStr, mtime_ns: i64) -> io::Result<()> {
        let time = TimeSpec::nanoseconds(mtime_ns);
        Ok(utimensat(&self.0, name, &time, &time, UtimensatFlags::NoFollowSymlink)?)
    }

    /// # Errors
    ///
    /// When the system has no more descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// One that may not be entered has no "."; without /proc there is no other way.
    fn itself(&self, call: impl Fn(BorrowedFd<'_>, &Path) -> nix::Result<()>) -> io::Result<()> {
        let way = way_to(self.0.as_fd());
        let done = if way.exists() { call(AT_FDCWD, &way) } else { call(self.0.as_fd(), Path::new(".")) };
        done.map_err(io::Error::from)
    }
}

/// fstat(2) knows no descriptor of this kind before Linux 3.6.
fn info(fd: &OwnedFd) -> nix::Result<FileStat> {
    fstatat(fd, "", AtFlags::AT_EMPTY_PATH)
}

fn way_to(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_is_done_in_a_folder_is_done_there_wherever_it_is() {
        let scratch = tempfile::tempdir().expect("a folder");
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir_all(at("one/below")).expect("made");
        fs::create_dir(at("secret")).expect("made");
        fs::write(at("secret/kept"), "kept").expect("written");
        let folder = Folder::open(&at("one")).expect("a folder");
        assert!(folder.is_at(&at("one")).expect("there"));
        fs::rename(at("one"), at("two")).expect("moved");
        assert!(folder.is_at(&at("one")).is_err());
        symlink("secret", at("one")).expect("linked");
        assert!(!folder.is_at(&at("one")).expect("there"));
        let name = OsStr::new;
        folder.make_file(name("kept")).expect("made");
        folder.rename(name("kept"), name("new")).expect("moved");
        folder.make_folder(name("deep"), 0o700).expect("made");
        folder.make_link(name("../secret"), name("link")).expect("made");
        folder.set_link_time(name("link"), 5).expect("set");
        folder.below(name("below")).expect("a folder").set_mode(0o500).expect("set");
        if let Some(file) = folder.make_unnamed() {
            folder.give_name(&file, name("given")).expect("named");
            folder.remove(name("given")).expect("removed");
        }
        // The last that is done in it.
        folder.set_time(1_000_000_001).expect("set");
        assert!(folder.below(name("link")).is_err(), "a link is no folder");
        assert!(matches!(folder.find(name("link")), Ok(Found::Link(to, _)) if to == "../secret"));
        assert!(matches!(folder.find(name("new")), Ok(Found::File)));
        assert!(matches!(folder.find(name("deep")), Ok(Found::Folder(_))));
        let mut names: Vec<_> =
            fs::read_dir(at("two")).expect("there").flatten().map(|found| found.file_name()).collect();
        names.sort();
        assert_eq!(names, ["below", "deep", "link", "new"]);
        assert_eq!(at("two/below").metadata().expect("there").permissions().mode() & 0o777, 0o500);
        assert_eq!(at("two").metadata().expect("there").mtime_nsec(), 1);
        assert_eq!(fs::read_dir(at("secret")).expect("there").count(), 1);
    }
}
