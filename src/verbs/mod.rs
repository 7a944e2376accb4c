//! What each verb does: joins what was typed with the controller, the loop and the report.

mod bootstrap;
mod desk;
mod doctor;
mod drive;
mod ending;
mod fakessh;
mod history;
mod hosts;
mod input;
mod names;
mod output;
mod outputs;
mod prepare;
mod py;
mod queue;
mod reference;
mod rehearsal;
mod relay;
mod secrets;
mod sessions;
mod shell;
mod ssh;
mod turns;

use crate::cli::Command;
use crate::error::ExitCode;
use crate::sys::guardian::Guardian;
pub use ssh::called;
use std::io;

/// Runs a command to its end.
///
/// # Errors
///
/// When this machine fails us: no poller, no random numbers, no temporary file.
pub fn run(command: Command) -> io::Result<ExitCode> {
    crate::sys::limits::raise_open_files();
    crate::sys::limits::outlive_file_size();
    // Arguments are worked out in order: the guardian knows nothing of what is prepared, passwords above all.
    match command {
        Command::Run(run) => drive::with(Guardian::start()?, prepare::run(&run), &run.fleet),
        Command::Call(call) => drive::with(Guardian::start()?, prepare::call(&call), &call.fleet),
        Command::Watch(watch) => drive::with(Guardian::start()?, prepare::watch(&watch), &watch.fleet),
        Command::Filter(filter) => {
            drive::with(Guardian::start()?, prepare::filter(&filter), &filter.call.fleet)
        }
        Command::Script(script) => drive::with(Guardian::start()?, prepare::script(&script), &script.fleet),
        Command::Put(put) => drive::with(Guardian::start()?, prepare::put(&put), &put.fleet),
        Command::Fetch(fetch) => drive::with(Guardian::start()?, prepare::fetch(&fetch), &fetch.fleet),
        Command::Queue(queue) => queue::run(Guardian::start()?, &queue),
        Command::Facts(facts) => drive::with(Guardian::start()?, prepare::facts(&facts), &facts.fleet),
        Command::Doctor(doctor) => doctor::run(&doctor.reach),
        Command::Hosts(hosts) => hosts::run(&hosts),
        Command::Py(py) => py::run(&py),
        Command::Api(api) => py::serve(&api),
        Command::Fakessh(fakessh) => fakessh::run(&fakessh),
        Command::Ssh(typed) => ssh::run(&typed.words),
        Command::Up(up) => sessions::up(&up),
        Command::Down(down) => sessions::down(&down),
        Command::Ps(ps) => sessions::ps(&ps),
        Command::Session(session) => sessions::serve(&session),
        Command::Through(through) => sessions::through(&through),
        Command::Relay(relay) => relay::run(relay),
        Command::Bootstrap(verb) => bootstrap::run(verb),
        Command::Completions(completions) => reference::completions(&completions),
        Command::Man(man) => reference::man(&man),
    }
}
