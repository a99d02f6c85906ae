//! Where the configuration wants drills to restore.

use std::path::PathBuf;
use std::time::Duration;

use lifeboat_backup::Reach;
use lifeboat_backup::postgres::{ConnectionSettings, Retry};
use lifeboat_core::Result;
use lifeboat_drill::scratch::{ClusterOptions, CommandOptions, ScratchOptions, ServerOptions};

use crate::commands::source;
use crate::config::{Config, Environment, ScratchKind};

/// The options of the scratch database.
///
/// # Errors
/// [`Config`](lifeboat_core::Kind::Config) when a reference does not resolve.
pub(super) async fn options(config: &Config, environment: &Environment) -> Result<ScratchOptions> {
    let drill = &config.drill;
    let kind = drill.scratch.as_ref().map(|kind| kind.value).unwrap_or_default();
    Ok(match (kind, &drill.server, &drill.command) {
        (ScratchKind::Server, Some(server), _) => {
            let text = server.value.resolve(environment).await?;
            let settings = source::settings(&text, environment)
                .map_err(|error| error.while_doing("read the connection string of the drills' server"))?;
            let production = production(config, environment).await;
            ScratchOptions::Server(Box::new(ServerOptions {
                settings,
                retry: Retry::default(),
                dir: dir(config),
                production,
            }))
        }
        (ScratchKind::Command, _, Some(command)) => ScratchOptions::Command(CommandOptions {
            dir: dir(config),
            command: command.value.clone(),
            environment: environment.for_tools_prefix(),
            start_timeout: START_TIMEOUT,
            production: production(config, environment).await,
        }),
        _ => ScratchOptions::Cluster(ClusterOptions {
            dir: dir(config),
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
fn dir(config: &Config) -> PathBuf {
    let usual = || match rustix::process::geteuid().is_root() {
        true => PathBuf::from(DRILLS_OF_ROOT),
        false => config.backup.state_dir.value.join("drills"),
    };
    config.drill.dir.as_ref().map_or_else(usual, |dir| dir.value.clone())
}

const DRILLS_OF_ROOT: &str = "/var/lib/lifeboat-drills";
const START_TIMEOUT: Duration = Duration::from_secs(120);
