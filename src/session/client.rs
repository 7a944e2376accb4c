//! One client of a session: what it says, bit by bit, and what it is told.

use super::held::Use;
use super::{Numbers, READABLE, Session};
use crate::controller::operation::OperationId;
use crate::mux::Mux;
use crate::payload;
use crate::proto::message::session::{FromSession, Parcel, Rule, ToSession};
use crate::sys::clock;
use crate::sys::fd::{self, Write};
use crate::sys::poll::Interest;
use crate::sys::rendezvous;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use zeroize::{Zeroize, Zeroizing};

const READ_BYTES: usize = 64 * 1024;
/// How the name of such a folder begins.
pub const ROOM: &str = "fakessh-";
/// A client that does not read is let go.
const MAX_UNTOLD_BYTES: usize = 16 << 20;
/// Descriptors that no message has asked for.
const MAX_WAITING_FDS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    /// `None`: it may ask for everything.
    pub(super) rule: Option<Rule>,
    number: usize,
    heard: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    untold: Vec<u8>,
    watched: Interest,
    greeted: bool,
    gone: bool,
    /// What it has asked to be run.
    pub(super) job: Option<OperationId>,
    /// What has been lent for it.
    pub(super) lent: Option<OperationId>,
    /// Ways that it waits for.
    pub(super) opening: Vec<String>,
    /// Whether questions can be shown to its user.
    pub(super) asks: bool,
    /// The way that it uses until it goes, and whether it knows that this runs.
    pub(super) uses: Option<Use>,
    /// The client whose socket it has come by.
    pub(super) owner: Option<ClientId>,
    /// What else it has asked to be kept, or was used by those for whom it is that: they stay open for the next.
    pub(super) keeps: Vec<Use>,
    started: bool,
}

impl Client {
    pub(super) fn new(
        stream: UnixStream,
        rule: Option<Rule>,
        owner: Option<ClientId>,
        number: usize,
    ) -> Self {
        Self {
            stream,
            rule,
            number,
            heard: Vec::new(),
            fds: VecDeque::new(),
            untold: Vec::new(),
            watched: READABLE,
            greeted: false,
            gone: false,
            job: None,
            lent: None,
            opening: Vec::new(),
            asks: false,
            uses: None,
            owner,
            keeps: Vec::new(),
            started: false,
        }
    }

    pub(super) fn tell(&mut self, message: &FromSession) {
        match message.pack() {
            Ok(bytes) if self.untold.len() + bytes.len() <= MAX_UNTOLD_BYTES => self.untold.extend(bytes),
            Ok(_) | Err(_) => self.gone = true,
        }
    }

    pub(super) fn has_told(&self) -> bool {
        self.gone || self.untold.is_empty()
    }

    /// Whether it has said that it is one of ours.
    pub(super) fn has_greeted(&self) -> bool {
        self.greeted
    }

    /// Whether it waits for a way to be opened.
    pub(super) fn waits(&self) -> bool {
        !self.opening.is_empty() || self.uses.is_some() && !self.started
    }

    /// Its way runs.
    pub(super) fn starts(&mut self, runs: bool) {
        if runs && !std::mem::replace(&mut self.started, true) {
            self.tell(&FromSession::Started);
        }
    }

    /// It does what no client of ours does.
    pub(super) fn give_up(&mut self) {
        self.gone = true;
    }

    pub(super) fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fds.pop_front()
    }

    /// Reads once; whole messages are for [`Self::next`].
    fn read(&mut self) {
        // Passwords come by it.
        let mut buffer = Zeroizing::new(vec![0; READ_BYTES]);
        match rendezvous::receive(&self.stream, &mut buffer) {
            Ok((0, _)) => self.gone = true,
            Ok((count, fds)) => {
                self.heard.extend(&buffer[..count]);
                self.fds.extend(fds);
                self.gone |= self.fds.len() > MAX_WAITING_FDS;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.gone = true,
        }
    }

    /// A greeting comes first; whoever speaks otherwise is not one of ours.
    fn next(&mut self) -> Option<ToSession> {
        if self.gone {
            return None;
        }
        let message = ToSession::unpack(&mut self.heard);
        if self.heard.is_empty() {
            self.heard.zeroize();
        }
        match message {
            Ok(Some(ToSession::Hello { build })) if !self.greeted => {
                self.greeted = true;
                self.tell(&FromSession::Hello { build: payload::build(), pid: std::process::id() });
                if build != payload::build() {
                    // It cannot understand more.
                    self.heard.clear();
                    return None;
                }
                self.next()
            }
            Ok(Some(message)) if self.greeted => Some(message),
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => {
                self.gone = true;
                None
            }
        }
    }

    fn flush(&mut self, mux: &mut Mux) -> io::Result<()> {
        while !self.gone && !self.untold.is_empty() {
            match fd::write(self.stream.as_fd(), &self.untold) {
                Write::Done(count) => drop(self.untold.drain(..count)),
                Write::WouldBlock => break,
                Write::Closed | Write::Failed(_) => self.gone = true,
            }
        }
        let wanted = Interest { readable: true, writable: !self.untold.is_empty() };
        if wanted != self.watched {
            mux.ignore(&self.stream);
            self.gone |= mux.heed(&self.stream, self.number, wanted).is_err();
            self.watched = wanted;
        }
        Ok(())
    }
}

impl Session {
    /// Takes what a client has said.
    pub(super) fn hear(&mut self, id: ClientId) -> io::Result<()> {
        if let Some(client) = self.clients.get_mut(&id) {
            client.read();
        }
        while let Some(message) = self.clients.get_mut(&id).and_then(Client::next) {
            self.do_for(id, message)?;
        }
        self.visited |= self.clients.get(&id).is_some_and(Client::has_greeted);
        Ok(())
    }

    fn do_for(&mut self, id: ClientId, message: ToSession) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        // A socket that is for one thing is for nothing else.
        let allowed = client.rule.is_none()
            || matches!(message, ToSession::Exec(_) | ToSession::Resize { .. } | ToSession::Answer { .. });
        match message {
            _ if !allowed => client.gone = true,
            ToSession::Hello { .. } => client.gone = true,
            ToSession::Open { paths, terms } => self.open(id, &paths, &terms)?,
            ToSession::Exec(exec) => self.exec(id, *exec)?,
            ToSession::Lend(lend) => self.lend(id, *lend)?,
            ToSession::Resize { rows, columns } => self.resize(id, rows, columns),
            ToSession::Answer { number, answer } => self.answered(id, number, answer),
            ToSession::Keep(paths) => self.keep(id, &paths),
            ToSession::Held => {
                let held = FromSession::Held(self.ways.open(&self.controller));
                client.tell(&held);
            }
            ToSession::Tree => {
                self.controller.sound_out(clock::now());
                let tree = self.tree();
                self.tell_client(id, &tree);
            }
            ToSession::Close(paths) => self.close(id, &paths),
            ToSession::Listen(rule) => {
                let socket = client.take_fd();
                let Some(socket) = socket.map(UnixListener::from) else {
                    client.gone = true;
                    return Ok(());
                };
                if self.listen(socket, Some(*rule), Some(id)).is_ok() {
                    self.tell_client(id, &FromSession::Done);
                } else if let Some(client) = self.clients.get_mut(&id) {
                    // It is nothing to listen at.
                    client.give_up();
                }
            }
        }
        Ok(())
    }

    pub(super) fn tell_client(&mut self, id: ClientId, message: &FromSession) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.tell(message);
        }
    }

    /// Writes what clients are told, and lets those go who have gone.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        for client in self.clients.values_mut() {
            client.flush(&mut self.mux)?;
        }
        // With one, others may go.
        while let Some(id) = self.clients.iter().find(|(_, client)| client.gone).map(|(id, _)| *id) {
            self.part_with(id);
        }
        Ok(())
    }

    /// What a client has asked for ends with it.
    pub(super) fn part_with(&mut self, id: ClientId) {
        let Some(mut client) = self.clients.remove(&id) else { return };
        self.mux.ignore(&client.stream);
        self.numbers.watched.remove(&client.number);
        if let Some(operation) = client.job {
            self.leave(operation, client.started, client.uses.take());
        }
        if let Some(operation) = client.lent {
            self.take_back(operation);
        }
        self.stop_waiting(id);
        for used in client.keeps.iter().chain(&client.uses) {
            self.done_with(used);
        }
        let of = |listening: &super::Listening| listening.owner == Some(id);
        let ended: Vec<usize> = self.listeners.iter().filter(|(_, one)| of(one)).map(|(at, _)| *at).collect();
        for at in ended {
            if let Some(listening) = self.listeners.remove(&at) {
                self.mux.ignore(&listening.socket);
                remove(listening.rule.as_ref());
                self.numbers.watched.retain(|_, watched| *watched != super::Watched::Listener(at));
            }
        }
        // Who came by one of these and has asked for nothing yet came too late.
        let late = |client: &&mut Client| client.owner == Some(id) && client.uses.is_none();
        self.clients.values_mut().filter(late).for_each(Client::give_up);
        if self.asking.as_ref().is_some_and(|asking| asking.client == id) {
            self.asking = None;
            self.controller.answer(None, clock::now());
        }
    }
}

/// Takes away the folder of a socket that is for one program, if it is one of these and where they are.
fn remove(rule: Option<&Rule>) {
    let Some(rule) = rule.filter(|rule| !rule.folder.is_empty()) else { return };
    let folder = std::path::Path::new(OsStr::from_bytes(&rule.folder));
    let named = folder.file_name().is_some_and(|name| name.as_bytes().starts_with(ROOM.as_bytes()));
    if named && folder.parent().is_some_and(|above| rendezvous::folder().is_ok_and(|own| own == above)) {
        std::fs::remove_dir_all(folder).ok();
    }
}

impl Numbers {
    /// A number is not watched any more.
    pub(super) fn give_back(&mut self, number: usize) {
        self.watched.remove(&number);
    }
}
