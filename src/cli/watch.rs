//! What `hopvine watch` takes.

use super::options::Fleet;
use clap::Args;

pub(super) const HELP: &str = "\
A message is what a generator yields, or what a function whose first parameter is called `channel` sends on it:
  def tail(channel, path):  while channel.open(): ... channel.send(line)
`send` waits while nobody reads; `open` is true until it is closed, or read by nobody. One line for each
message, {\"target\",\"value\"}, and one at the end of each host, that of --json, which alone has `ok`:
{\"target\",\"ok\",\"items\",\"value\",\"stdout\",\"stderr\",\"error\",\"seconds\"}.

hopvine watch -w @web ./logs.py:tail /var/log/messages | jq -r 'select(has(\"ok\")|not) | \"\\(.target): \\(.value)\"'";

#[derive(Debug, Args)]
#[command(mut_arg("json", |json| json.default_value("true").help("Messages and results are always JSON")))]
#[command(mut_arg("fold", |fold| fold.hide(true)), mut_arg("fold_all", |fold| fold.hide(true)))]
#[command(mut_arg("diff", |diff| diff.hide(true)))]
pub struct Watch {
    #[command(flatten)]
    pub fleet: Fleet,
    /// What to call: ./logs.py:tail, package.module:Class.method
    #[arg(value_name = "MODULE:FUNCTION")]
    pub function: String,
    /// Arguments behind the channel: JSON, else text
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub arguments: Vec<String>,
    /// A keyword argument; VALUE is JSON, else text
    #[arg(long = "kw", value_name = "NAME=VALUE")]
    pub keywords: Vec<String>,
    /// Accepted for symmetry with run: a call never reads standard input
    #[arg(short = 'n')]
    pub no_input: bool,
}
