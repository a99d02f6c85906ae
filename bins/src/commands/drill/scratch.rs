//! Where the configuration wants drills to restore.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_backup::Reach;
use lifeboat_backup::postgres::{ConnectionSettings, Retry};
use lifeboat_core::{Error, Kind, Result};
use lifeboat_drill::scratch::{ClusterOptions, CommandOptions, ScratchOptions, ServerOptions};

use crate::commands::source;
use crate::config::{Config, Environment, ScratchKind};

/// The options of the scratch database.
///
/// # Errors
/// [`Kind::Config`] when a reference does not resolve, or the folder that is named lies in none.
pub(super) async fn options(config: &Config, environment: &Environment) -> Result<ScratchOptions> {
    let (drill, dir) = (&config.drill, dir(config)?);
    let kind = drill.scratch.as_ref().map(|kind| kind.value).unwrap_or_default();
    Ok(match (kind, &drill.server, &drill.command) {
        (ScratchKind::Server, Some(server), _) => {
            let text = server.value.resolve(environment).await?;
            let settings = source::settings(&text, environment)
                .map_err(|error| error.while_doing("read the connection string of the drills' server"))?;
            let production = production(config, environment).await;
            ScratchOptions::Server(Box::new(ServerOptions { settings, retry: Retry::default(), dir, production }))
        }
        (ScratchKind::Command, _, Some(command)) => ScratchOptions::Command(CommandOptions {
            dir,
            command: command.value.clone(),
            environment: environment.for_tools_prefix(),
            start_timeout: START_TIMEOUT,
            production: production(config, environment).await,
        }),
        _ => ScratchOptions::Cluster(ClusterOptions {
            dir,
            major: drill.postgres.as_ref().map(|major| major.value.get()),
            bin_dirs: drill.tools_dir.iter().map(|dir| dir.value.clone()).collect(),
            settings: drill.server_settings(),
            memory_bytes: drill.memory.as_ref().map(|size| size.value.bytes()),
        }),
    })
}

/// Where the databases are that are backed up, as far as this host knows: the secrets of their addresses need not be here.
async fn production(config: &Config, environment: &Environment) -> Vec<ConnectionSettings> {
    let mut known = Vec::new();
    for database in &config.databases {
        if let Ok(Reach::Direct { settings, .. }) = source::reach(database, environment).await {
            known.push(settings.with_dbname(database.name.value.as_str()));
        }
    }
    known
}

/// The clusters of root run as another account, which gets neither into root's home nor into the state folder of the unit.
fn dir(config: &Config) -> Result<PathBuf> {
    let usual = || match rustix::process::geteuid().is_root() {
        true => PathBuf::from(DRILLS_OF_ROOT),
        false => config.backup.state_dir.value.join("drills"),
    };
    config.drill.dir.as_ref().map_or_else(|| Ok(usual()), |dir| named(&dir.value))
}

/// It is made where it is missing, and the folders above it are not: one of those is mistyped, more likely.
fn named(dir: &Path) -> Result<PathBuf> {
    // Above a name alone is the folder that we are in.
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty() && !above.is_dir());
    match above {
        Some(above) => Err(Error::new(
            Kind::Config,
            format!("use the folder {} for drills: there is no folder {}", dir.display(), above.display()),
        )
        .hint("correct --dir (or `dir` in [drill], or LIFEBOAT_DRILL_DIR), mount its disk, or make that folder")),
        None => Ok(dir.to_owned()),
    }
}

const DRILLS_OF_ROOT: &str = "/var/lib/lifeboat-drills";
const START_TIMEOUT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::named;

    #[test]
    fn a_folder_for_drills_lies_in_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for there in [folder.path().to_owned(), folder.path().join("drills"), "drills".into(), "/".into()] {
            assert_eq!(named(&there).unwrap(), there);
        }
        let mistyped = named(&folder.path().join("no-such-disk/drills")).unwrap_err();
        assert_eq!(mistyped.kind(), Kind::Config);
        assert!(mistyped.to_string().contains("no-such-disk") && mistyped.help().unwrap().contains("--dir"));
    }
}
