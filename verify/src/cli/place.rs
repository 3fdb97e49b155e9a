//! Where a command works, and that nobody else does.

use crate::text::Locking;

/// How the directory of a command is kept for that command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Place {
    /// Work in the directory without locking it, on a file system that has no locks: no other process may work there.
    #[arg(long)]
    no_lock: bool,
}

impl Place {
    pub(super) fn locking(self) -> Locking {
        if self.no_lock { Locking::Unlocked } else { Locking::Locked }
    }
}
