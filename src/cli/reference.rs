//! What is made of the command line for other programs to read: completions for shells, pages for man(1).

use super::Cli;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};
use std::io;
use std::path::PathBuf;

pub(super) const COMPLETIONS_HELP: &str = "\
  eval \"$(hopvine completions bash)\"          in ~/.bashrc; zsh: the same in ~/.zshrc, after compinit
  hopvine completions fish >~/.config/fish/completions/hopvine.fish
`make install` puts those of bash, fish and zsh where they are looked for.";

pub(super) const MAN_HELP: &str = "\
  hopvine man run | man -l -
  hopvine man --outdir /usr/local/share/man/man1          then: man hopvine-run; `make install` does it";

#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// What that shell reads.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut shown(), "hopvine", &mut text);
        text
    }
}

#[derive(Debug, Args)]
pub struct Man {
    /// The command, `run` or `relay install` say; otherwise the program
    #[arg(conflicts_with = "outdir")]
    command: Vec<String>,
    /// Write the pages of all to this folder: hopvine.1, hopvine-run.1 ...
    #[arg(long, value_name = "DIR")]
    pub outdir: Option<PathBuf>,
}

impl Man {
    /// The page that is wanted, as roff; `None` where no command is called that.
    ///
    /// # Errors
    ///
    /// None that is known: it is written to memory.
    pub fn page(&self) -> io::Result<Option<Vec<u8>>> {
        let below = |command: Option<Command>, name: &String| command?.find_subcommand(name).cloned();
        self.command.iter().fold(Some(program()), below).map(|command| page(&command)).transpose()
    }

    /// The command, as it was typed.
    pub fn typed(&self) -> String {
        self.command.join(" ")
    }
}

/// All pages by their names, `hopvine-run.1` say.
///
/// # Errors
///
/// As for [`Man::page`].
pub fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let named = |command: &Command| {
        let name = command.get_display_name().unwrap_or(command.get_name());
        Ok((format!("{name}.1"), page(command)?))
    };
    all(program()).iter().map(named).collect()
}

/// A command, and those below it.
fn all(command: Command) -> Vec<Command> {
    let below: Vec<Command> = command.get_subcommands().cloned().flat_map(all).collect();
    [command].into_iter().chain(below).collect()
}

/// As for [`shown`], where each command has a name of its own: hopvine-run.
fn program() -> Command {
    let mut program = shown().disable_help_subcommand(true);
    program.build();
    program
}

/// The whole command line without what only our own processes type.
fn shown() -> Command {
    let program = Cli::command();
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let bare = Command::new("hopvine").version(env!("CARGO_PKG_VERSION")).propagate_version(true);
    let told = bare.about(program.get_about().cloned().unwrap_or_default());
    told.after_help(program.get_after_help().cloned().unwrap_or_default()).subcommands(verbs)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone()).source(concat!("hopvine ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(told) = command.get_after_help() {
        notes(&told.to_string()).to_writer(&mut text)?;
    }
    Ok(text)
}

/// What stands behind the options of `--help`, whose lines are as they are meant to be.
fn notes(lines: &str) -> Roff {
    let mut notes = Roff::new();
    notes.control("SH", ["NOTES"]).control("nf", []);
    for line in lines.lines() {
        notes.text([roman(line)]);
    }
    notes.control("fi", []);
    notes
}
