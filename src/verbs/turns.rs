//! The loop of the verbs that work on targets: what is to be started, told, fed and written, turn by turn, until it
//! is over.

use super::desk::Desk;
use super::ending::{Ending, LAST_CHANCE};
use super::outputs::{Outputs, Stopped};
use crate::controller::{Controller, STARTS_AT_ONCE, Settings, Weight};
use crate::error::ExitCode;
use crate::mux::{Event, Mux};
use crate::proto::ids::ContextId;
use crate::report::{Page, Pressure};
use crate::sys::clock;
use crate::sys::guardian::Guardian;
use crate::sys::signals::Signal;
use crate::sys::stdio::{self, Stream};
use std::io;
use std::time::Instant;

/// What every loop has.
pub(super) struct Turns {
    pub(super) mux: Mux,
    pub(super) controller: Controller,
    pub(super) outputs: Outputs,
    pub(super) ending: Ending,
    desk: Desk,
    verbose: bool,
    /// How many children may be started before the next look at signals and links.
    starts: usize,
}

impl Turns {
    /// `verbose`: what is done for each hop is told.
    pub(super) fn new(settings: Settings, mux: Mux, verbose: bool) -> Self {
        let (outputs, desk) = (Outputs::default(), Desk::default());
        let (controller, ending) = (Controller::new(settings), Ending::Natural);
        Self { mux, controller, outputs, ending, desk, verbose, starts: STARTS_AT_ONCE }
    }

    pub(super) fn mux(guardian: Guardian) -> io::Result<Mux> {
        let mut mux = Mux::new(ContextId::CONTROLLER)?;
        mux.be_guarded(guardian);
        Ok(mux)
    }

    /// Whether a question is on the terminal.
    pub(super) fn is_asking(&self) -> bool {
        self.desk.is_asking()
    }

    /// Does what the controller wants; returns whether that was anything.
    pub(super) fn execute(&mut self) -> bool {
        self.controller.execute_some(&mut self.mux, &mut self.starts)
    }

    /// Tells what the controller has noted, as far as the user wants it.
    pub(super) fn tell_notes(&mut self, page: &mut Page) {
        for note in self.controller.take_notes() {
            if self.verbose || note.weight == Weight::Warning {
                page.note(&note);
            }
        }
    }

    /// What has been stopped may clean up, as far as there is time for it.
    pub(super) fn hurry(&mut self) {
        self.controller.give_up_by(clock::now() + LAST_CHANCE);
    }

    /// Acts on what the last attempt to write has shown.
    pub(super) fn settle(&mut self, pressure: &Pressure) -> Option<Stopped> {
        let stopped = self.outputs.settle(pressure, &mut self.mux, &mut self.controller);
        self.execute();
        stopped
    }

    /// When the next turn is due, whatever happens; `paused`: reports wait for it; `others` are those of the work.
    pub(super) fn deadline(
        &self,
        page: &Page,
        paused: bool,
        others: [Option<Instant>; 2],
    ) -> Option<Instant> {
        let told = self.controller.has_report() && !paused;
        let more = (told || self.controller.has_command()).then(clock::now);
        let picture = if self.is_asking() { None } else { page.poll_timeout() };
        let own = [self.controller.poll_timeout(), self.ending.deadline(), picture, more];
        own.into_iter().chain(others).flatten().min()
    }

    fn ask(&mut self, page: &mut Page) {
        if self.ending.is_near() {
            return;
        }
        if self.controller.open_question().is_some() {
            page.hide_progress(clock::now());
        }
        self.desk.ask(&mut self.controller, &mut self.mux);
    }
}

pub(super) trait Work {
    /// What every loop has, and where it writes.
    fn common(&mut self) -> (&mut Turns, &mut Page);
    /// Starts some of what there is room for.
    fn start(&mut self) -> io::Result<()>;
    /// Shows what the controller reports; returns whether that was anything.
    fn tell(&mut self) -> io::Result<bool>;
    /// Sends what others wait for.
    fn feed(&mut self) -> io::Result<()>;
    fn show_progress(&mut self);
    /// Writes as far as that goes without waiting.
    fn write(&mut self);
    /// The exit status, once nothing is left to do.
    fn over(&mut self) -> Option<ExitCode>;
    fn deadline(&self) -> Option<Instant>;
    /// Standard input has something.
    fn read(&mut self) -> io::Result<()>;
    /// What a first interrupt tells of many targets; `None` where it is the last one.
    fn left(&self) -> Option<String>;
    /// Starts nothing more, stops what runs, and ends soon.
    fn stop(&mut self, code: ExitCode);
}

pub(super) fn run(work: &mut impl Work) -> io::Result<ExitCode> {
    loop {
        // 1. Start some of what there is room for; do what the controller wants and tell what it has
        //    to tell, until it is content.
        work.common().0.starts = STARTS_AT_ONCE;
        work.start()?;
        while work.common().0.execute() | work.tell()? {}
        // 2. Ask the user; feed what can read.
        let (turns, page) = work.common();
        turns.ask(page);
        work.feed()?;
        while work.common().0.execute() | work.tell()? {}
        // 3. Write; let sources go on as far as that went.
        work.show_progress();
        work.write();
        if let Some(code) = work.over() {
            return Ok(code);
        }
        // 4. Wait for what happens next, and handle all of it before anything more is started.
        let deadline = work.deadline();
        let event = work.common().0.mux.next_event(deadline)?;
        handle(work, event)?;
        while let Some(event) = work.common().0.mux.queued_event() {
            handle(work, event)?;
        }
    }
}

fn handle(work: &mut impl Work, event: Event) -> io::Result<()> {
    let (turns, page) = work.common();
    match event {
        Event::Link(link, event) => turns.controller.handle_link(link, event, clock::now()),
        Event::Timeout => turns.controller.handle_timeout(clock::now()),
        Event::Writable(stream) => {
            turns.outputs.is_ready(stream);
            page.is_ready(stream);
        }
        Event::Input => work.read()?,
        Event::Own(_) => turns.desk.listen(&mut turns.controller, &mut turns.mux),
        Event::Signal(Signal::Child) | Event::Errand(_) | Event::Above(_) => {}
        Event::Signal(Signal::Interrupt) => interrupt(work),
        Event::Signal(Signal::Continue) => page.leave_drawn(),
        Event::Signal(Signal::Terminate) => work.stop(ExitCode::Terminated),
        Event::Signal(Signal::Hangup) => work.stop(ExitCode::HungUp),
    }
    Ok(())
}

/// Many hosts on a terminal: first tells who still runs.
fn interrupt(work: &mut impl Work) {
    let left = work.left().filter(|_| stdio::is_terminal(Stream::Err));
    let (turns, page) = work.common();
    match left.filter(|_| turns.ending == Ending::Natural) {
        Some(left) => {
            page.say(&left);
            turns.ending = Ending::AskedOnce;
        }
        None => work.stop(ExitCode::Interrupted),
    }
}
