//! Whom a throwaway server runs as: Postgres refuses root.

use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustix::fs::Access;

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

    /// A command that runs as this account, inherits no variable and reads nothing from us.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes a folder that only this account, and root, can enter.
    ///
    /// # Errors
    /// [`Kind::Failure`] when it is there already, or cannot be made.
    pub(super) fn private_folder(self, folder: &Path) -> Result<()> {
        let doing = || format!("make the folder {}", folder.display());
        std::fs::DirBuilder::new().mode(0o700).create(folder).kind_of(Kind::Failure, doing)?;
        if let Self::Other { uid, gid } = self {
            chown(folder, Some(uid), Some(gid)).kind_of(Kind::Failure, doing)?;
        }
        Ok(())
    }

    /// The first folder on the way to `folder` that this account cannot pass, by its permissions.
    pub(super) fn barred_at(self, folder: &Path) -> Option<&Path> {
        use std::os::unix::fs::MetadataExt as _;
        let mut ways: Vec<_> = folder.ancestors().collect();
        ways.reverse();
        ways.into_iter().find(|way| match self {
            Self::Own => rustix::fs::access(*way, Access::EXEC_OK).is_err(),
            Self::Other { uid, gid } => std::fs::metadata(way).is_ok_and(|found| {
                let shift = if found.uid() == uid { 6 } else { 3 * u32::from(found.gid() == gid) };
                (found.mode() >> shift) & 1 == 0
            }),
        })
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
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Account, find};

    #[test]
    fn postgres_goes_before_nobody() {
        let accounts = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\npostgres:x:104:106::/:/bin/sh\n";
        assert_eq!(find(accounts), Some(Account::Other { uid: 104, gid: 106 }));
        assert_eq!(find("nobody:x:65534:65534::/:/x"), Some(Account::Other { uid: 65534, gid: 65534 }));
        assert_eq!(find("root:x:0:0::/root:/x"), None);
    }

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("drills");
        std::fs::create_dir(&inner).unwrap();
        std::fs::set_permissions(outer.path(), Permissions::from_mode(0o700)).unwrap();
        let stranger = Account::Other { uid: 4_000_000, gid: 4_000_000 };
        assert_eq!(stranger.barred_at(&inner), Some(outer.path()));
        std::fs::set_permissions(outer.path(), Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.barred_at(&inner), None);
    }
}
