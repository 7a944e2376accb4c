//! The inventory that nobody has named: the nearest one. Its commands run as us, so it has to be ours.

use super::{INVENTORY_FILE, configuration};
use crate::error::{Stranger, UsageError};
use crate::sys::identity;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Write permission of all others, and of the group.
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;

/// Where it is: here, above, or in the configuration folder.
pub(super) fn path() -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let above = here.iter().flat_map(|here| here.ancestors()).map(|folder| folder.join(INVENTORY_FILE));
    let configured = configuration().map(|folder| folder.join("hopvine").join(INVENTORY_FILE));
    above.chain(configured).find(|path| path.is_file())
}

/// Reads it, if nobody else could have written it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, UsageError> {
    let failed =
        |error: io::Error| UsageError::Inventory { path: path.to_owned(), message: error.to_string() };
    let mut file = File::open(path).map_err(failed)?;
    // What is looked at is what is read.
    if let Some(stranger) = stranger(&file.metadata().map_err(failed)?) {
        return Err(UsageError::Stranger { path: path.to_owned(), stranger });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Who else than we and root may have written a file. Our own group is often ours alone.
fn stranger(file: &Metadata) -> Option<Stranger> {
    let owner = || identity::user_name(file.uid());
    if file.uid() != identity::effective_user() && file.uid() != 0 {
        Some(Stranger::Owner(owner()))
    } else if file.mode() & OTHERS_WRITE != 0 {
        Some(Stranger::Everybody { owner: owner() })
    } else if file.mode() & GROUP_WRITES != 0 && file.gid() != identity::effective_group() && file.gid() != 0
    {
        Some(Stranger::Group { owner: owner(), group: file.gid() })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_everybody_may_write_is_not_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let with = |mode| {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).expect("ours");
            read(file.path())
        };
        assert!(with(0o664).is_ok());
        assert!(matches!(
            with(0o666),
            Err(UsageError::Stranger { stranger: Stranger::Everybody { .. }, .. })
        ));
    }
}
