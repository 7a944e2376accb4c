//! Connections: begun without waiting and only tried, to see who answers; or made in a thread of their own.

use super::fd::{self, Errno, Read};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, getsockopt, socket, sockopt,
};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

/// Begins a connection; once the descriptor is writable, [`outcome`] tells how that went.
///
/// # Errors
///
/// What is known at once: no route, no such kind of address here.
pub fn begin(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    let begun = match address {
        SocketAddr::V4(address) => connect(fd.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => connect(fd.as_raw_fd(), &SockaddrIn6::from(address)),
    };
    match begun {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

/// Whether the connection was made.
///
/// # Errors
///
/// Why it was not.
pub fn outcome(fd: &OwnedFd) -> Result<(), Errno> {
    match getsockopt(fd, sockopt::SocketError)? {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// A connection that somebody else makes, who looks up the name and tries all addresses in turn: none of it can be
/// done without waiting.
#[derive(Debug)]
pub struct Dialing {
    /// Can be read once there is an outcome.
    bell: OwnedFd,
    maker: Option<JoinHandle<Result<OwnedFd, String>>>,
}

impl Dialing {
    /// # Errors
    ///
    /// When the system has no room for another thread.
    pub fn begin(host: String, port: u16) -> io::Result<Self> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let maker = thread::Builder::new().spawn(move || {
            let made = dial(&host, port);
            drop(ring);
            made
        })?;
        Ok(Self { bell: bell.into(), maker: Some(maker) })
    }

    pub fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// The connection, which does not block, or why there is none.
    pub fn poll_outcome(&mut self) -> Option<Result<OwnedFd, String>> {
        if fd::read(self.bell.as_fd(), &mut [0]) == Read::WouldBlock {
            return None;
        }
        // The bell is the last that it holds, so this does not take long.
        Some(self.maker.take()?.join().unwrap_or_else(|_| Err("it was given up".to_owned())))
    }
}

fn dial(host: &str, port: u16) -> Result<OwnedFd, String> {
    let told = |error: &io::Error| match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    };
    let mut why = "no address".to_owned();
    for address in (host, port).to_socket_addrs().map_err(|error| told(&error))? {
        match TcpStream::connect(address).and_then(|stream| stream.set_nonblocking(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => why = told(&error),
        }
    }
    Err(why)
}
