//! What is not whole and has a name: the watchdog, or the guardian, removes it, should this process be killed.

use super::folder::Folder;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The order's tag to a watchdog of ours; the number follows, the size of the name as u32, the name.
pub(super) const ORDER: u8 = b'u';
/// What others write to the same pipe does not come in between (`PIPE_BUF`).
const MAX_ORDER_BYTES: usize = 4096;

/// To an agent's watchdog, once; later orders find it from any namespace. The folder is held, wherever it is by then.
const HEIR: &str = "\
import os,struct
if not hasattr(os,'unfinished'):
 os.unfinished={}
 def begun(number,name,os=os,struct=struct):
  for folder in os.unfinished.pop(number,())[:1]:
   os.close(folder)
  try:
   name=struct.pack('%dB'%len(name),*map(ord,name))
   if name:
    os.unfinished[number]=os.open(os.path.dirname(name),FLAGS),os.path.basename(name)
  except OSError:
   pass
 def leave(status,leave=os._exit,os=os):
  for folder,name in os.unfinished.values():
   try:
    os.fchdir(folder)
    os.unlink(name)
   except OSError:
    pass
  leave(status)
 os.begun,os._exit=begun,leave
";

/// One name at a time. Dropped, it is forgotten.
#[derive(Debug)]
pub struct Unfinished {
    number: u32,
    heir: Heir,
    told: bool,
}

#[derive(Debug)]
pub(super) enum Heir {
    /// A watchdog or guardian by this program.
    Ours(File),
    /// An agent's watchdog, which takes lines of Python.
    Guard(File),
}

impl Unfinished {
    pub(super) fn new(number: u32, heir: Heir) -> Self {
        Self { number, heir, told: false }
    }

    /// From now on it is that name, which must be absolute, and no other.
    pub fn tell(&mut self, name: &Path) {
        self.order(name);
        self.told = true;
    }

    /// An empty name is none. Without an heir it is removed by us alone.
    fn order(&mut self, name: &Path) {
        let number = self.number;
        let (orders, order) = match &self.heir {
            Heir::Ours(orders) => (orders, ours(number, name)),
            Heir::Guard(orders) => {
                let heir = if self.told { String::new() } else { HEIR.replace("FLAGS", &Folder::flags()) };
                (orders, format!("{heir}import os;os.begun({number},{})\n", literal(name)).into_bytes())
            }
        };
        if order.len() <= MAX_ORDER_BYTES {
            (&*orders).write_all(&order).ok();
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.told {
            self.order(Path::new(""));
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

/// What an heir knows of, by the folder that it is in, wherever that is by then.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<u32, (Folder, OsString)>);

impl Names {
    /// Takes an order behind its tag and number off `bytes`; `None` where it has not come whole.
    pub(super) fn take(&mut self, number: u32, bytes: &[u8]) -> Option<usize> {
        let (size, rest) = bytes.split_first_chunk()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        self.know(number, Path::new(OsStr::from_bytes(rest.get(..size)?)));
        Some(size_of::<u32>() + size)
    }

    /// From now on it is that name; an empty one is none.
    pub(super) fn know(&mut self, number: u32, name: &Path) {
        self.0.remove(&number);
        if let (Some(folder), Some(own)) = (name.parent(), name.file_name())
            && let Ok(folder) = Folder::open(folder)
        {
            self.0.insert(number, (folder, own.to_owned()));
        }
    }

    /// Nobody writes them any more.
    pub(super) fn remove(&mut self) {
        for (folder, name) in self.0.drain().map(|(_, known)| known) {
            folder.remove(&name).ok();
        }
    }
}
