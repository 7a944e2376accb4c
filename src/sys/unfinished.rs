//! What is not whole and has a name: the watchdog removes it, should this process be killed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The order's tag to a watchdog of ours; the number follows, the size of the name as u32, the name.
pub(super) const ORDER: u8 = b'u';

/// To an agent's watchdog, once; later orders find it from any namespace.
const HEIR: &str = "\
import os,struct
if not hasattr(os,'unfinished'):
 os.unfinished={}
 def leave(status,leave=os._exit,os=os,struct=struct):
  for name in os.unfinished.values():
   try:
    os.unlink(struct.pack('%dB'%len(name),*map(ord,name)))
   except OSError:
    pass
  leave(status)
 os._exit=leave
";

/// One name at a time. Dropped, it is forgotten.
#[derive(Debug)]
pub struct Unfinished {
    number: u32,
    watchdog: Watchdog,
    told: bool,
}

#[derive(Debug)]
pub(super) enum Watchdog {
    Ours(UnixStream),
    /// Takes lines of Python.
    Guard(File),
}

impl Unfinished {
    pub(super) fn new(number: u32, watchdog: Watchdog) -> Self {
        Self { number, watchdog, told: false }
    }

    /// From now on it is that name, which must be absolute, and no other.
    pub fn tell(&mut self, name: &Path) {
        // Without a watchdog it is removed by us alone.
        match &mut self.watchdog {
            Watchdog::Ours(orders) => drop(orders.write_all(&ours(self.number, name))),
            Watchdog::Guard(orders) => {
                let heir = if self.told { "" } else { HEIR };
                let order = format!("{heir}import os;os.unfinished[{}]={}\n", self.number, literal(name));
                orders.write_all(order.as_bytes()).ok();
            }
        }
        self.told = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        match &mut self.watchdog {
            _ if !self.told => {}
            Watchdog::Ours(orders) => drop(orders.write_all(&ours(self.number, Path::new("")))),
            Watchdog::Guard(orders) => {
                let order = format!("import os;os.unfinished.pop({},0)\n", self.number);
                orders.write_all(order.as_bytes()).ok();
            }
        }
    }
}

fn ours(number: u32, name: &Path) -> Vec<u8> {
    let name = name.as_os_str().as_bytes();
    let size = u32::try_from(name.len()).unwrap_or(0);
    [&[ORDER][..], &number.to_be_bytes(), &size.to_be_bytes(), name].concat()
}

/// A text of one character for each byte, as every Python reads it.
fn literal(name: &Path) -> String {
    let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'\'' | b'\\');
    let bytes = name.as_os_str().as_bytes().iter().map(|byte| match byte {
        byte if plain(*byte) => char::from(*byte).to_string(),
        byte => format!("\\{byte:03o}"),
    });
    format!("'{}'", bytes.collect::<String>())
}

/// What a watchdog knows of.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<u32, PathBuf>);

impl Names {
    /// Takes an order behind its tag and number off `bytes`; `None` where it has not come whole.
    pub(super) fn take(&mut self, number: u32, bytes: &[u8]) -> Option<usize> {
        let (size, rest) = bytes.split_first_chunk()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let name = rest.get(..size)?;
        if name.is_empty() {
            self.0.remove(&number);
        } else {
            self.0.insert(number, PathBuf::from(OsStr::from_bytes(name)));
        }
        Some(size_of::<u32>() + size)
    }

    /// Nobody writes them any more.
    pub(super) fn remove(&mut self) {
        for name in self.0.drain().map(|(_, name)| name) {
            fs::remove_file(name).ok();
        }
    }
}
