//! Where what hosts say goes, and how it looks there.

use super::prepare;
use crate::cli;
use crate::error::UsageError;
use crate::hosts::target::Target;
use crate::report::{Color, Colors, Fold, Folder, Layout, Reporter, ResultKind};
use crate::sys::stdio::{self, Stream};

/// `shown`: for verbs that have results.
pub(super) fn reporter(
    typed: &cli::Reach,
    shown: Option<&cli::Shown>,
    result: ResultKind,
    targets: &[Target],
) -> Reporter {
    let fold = match shown {
        Some(shown) if shown.fold_all => Fold::Both,
        Some(shown) if shown.fold || shown.diff => Fold::Output,
        Some(_) | None => Fold::Nothing,
    };
    let layout = match (typed.json, targets.len() > 1 || fold != Fold::Nothing) {
        (true, _) => Layout::Json,
        (false, true) => Layout::Prefixed,
        (false, false) => Layout::Plain,
    };
    let names = targets.iter().map(|target| target.name.clone()).collect();
    let diff = shown.is_some_and(|shown| shown.diff);
    Reporter::new(layout, result, colors(typed.color), names).folding(fold, diff)
}

/// Where outputs are to be kept, if anywhere.
pub(super) fn folder(typed: &cli::Fleet, targets: &[Target]) -> Result<Option<Folder>, UsageError> {
    let (Some(path), Some(names)) = (&typed.shown.outdir, file_names(typed, targets)?) else {
        return Ok(None);
    };
    Folder::create(path.clone(), names)
        .map(Some)
        .map_err(|error| UsageError::Local { path: path.clone(), wrong: error.to_string() })
}

/// What the files there would be called.
pub(super) fn file_names(typed: &cli::Fleet, targets: &[Target]) -> Result<Option<Vec<String>>, UsageError> {
    typed.shown.outdir.as_ref().map(|path| prepare::file_names(path, targets)).transpose()
}

/// Whether our terminal has neither colours nor a way to take back what it shows.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

fn colors(when: cli::Color) -> Colors {
    let plain = is_dumb() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = |stream| match when {
        cli::Color::Always => Color::Always,
        cli::Color::Auto if stdio::is_terminal(stream) && !plain => Color::Always,
        cli::Color::Auto | cli::Color::Never => Color::Never,
    };
    Colors { out: color(Stream::Out), err: color(Stream::Err) }
}
