//! Python programs that have hopvine.

use super::Guest;
use clap::Args;
use std::ffi::OsString;

const PY_HELP: &str = "\
The script runs in the Python of this machine, as itself would: same arguments, input, output and exit status.
hopvine py deploy.py web1 web2        hopvine py -m tool.deploy        echo 'import hopvine; ...' | hopvine py -
docs/GUIDE.md has the module; `import hopvine` works in any Python where the wheel is installed.";

#[derive(Debug, Args)]
#[command(after_help = PY_HELP)]
pub struct Py {
    #[command(flatten)]
    pub guest: Guest,
    /// The Python of this machine that runs the script; otherwise python3, else python
    #[arg(long, value_name = "PYTHON", default_value = "")]
    pub interpreter: OsString,
    /// SCRIPT.py, or - for standard input, or -m MODULE, or -c CODE, and its arguments; none is a prompt
    #[arg(value_name = "SCRIPT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// What serves a Python process that is not our child.
#[derive(Debug, Args)]
pub struct Api {
    #[command(flatten)]
    pub guest: Guest,
    /// Write the Python package as a zip file to standard output
    #[arg(long)]
    pub package: bool,
}
