//! Whom the throwaway server runs as: Postgres refuses root.

use std::path::Path;

use lifeboat_core::{Error, Kind, Result};
use tokio::process::Command;

use super::server::clean;

/// An account of this machine, or our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Ours will do.
    Own,
    /// We are root: another one.
    Other {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

impl Account {
    /// `postgres` or `nobody` for root, ourselves otherwise.
    ///
    /// # Errors
    /// [`Kind::Tool`] when root finds neither.
    pub(super) fn for_postgres() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&accounts)
            .ok_or_else(|| Error::new(Kind::Tool, "find an account for Postgres, which refuses to run as root"))
    }

    /// User and group, where they are not ours.
    pub(super) fn ids(self) -> Option<(u32, u32)> {
        match self {
            Self::Own => None,
            Self::Other { uid, gid } => Some((uid, gid)),
        }
    }

    /// A command that runs as this account.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = clean(program);
        if let Some((uid, gid)) = self.ids() {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn find(accounts: &str) -> Option<Account> {
    let ids = |name: &str| {
        let mut fields = accounts.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some(Account::Other { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    ids("postgres").or_else(|| ids("nobody"))
}

#[cfg(test)]
mod tests {
    use super::{Account, find};

    #[test]
    fn postgres_goes_before_nobody() {
        let accounts = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\npostgres:x:104:106::/:/bin/sh\n";
        assert_eq!(find(accounts), Some(Account::Other { uid: 104, gid: 106 }));
        assert_eq!(find("nobody:x:65534:65534::/:/x"), Some(Account::Other { uid: 65534, gid: 65534 }));
        assert_eq!(find("root:x:0:0::/:/x"), None);
    }
}
