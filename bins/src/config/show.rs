//! `config show`: every effective value with its origin. Secrets appear only as references.

use serde_json::{Value, json};

use super::origin::Sourced;
use super::setting::Setting;
use super::store::{SECRETS, SETTINGS};
use super::{
    AssertConfig, ColumnConfig, Config, Database, DrillConfig, EncryptionConfig, KeysConfig, RotateConfig, StoreConfig,
    env_vars,
};

/// One line of the effective configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// The table it belongs to, with its brackets; empty for the root.
    table: &'static str,
    key: String,
    value: String,
    origin: String,
    /// Whether it is the first of its table.
    opens: bool,
}

impl Config {
    /// The effective configuration as TOML, each value with a comment that says where it comes from.
    pub(crate) fn show(&self) -> String {
        let lines = self.lines();
        let width = lines.iter().map(|line| line.key.len() + line.value.len()).max().unwrap_or(0).min(WIDTH_MAX);
        let mut text = self.path.as_ref().map_or_else(|| "# no file\n".to_owned(), |path| format!("# {path}\n"));
        let mut table = "";
        for line in &lines {
            // Each table of an array is opened by what comes first in it.
            if line.table != table || (line.table.starts_with("[[") && line.opens) {
                text.push_str(&format!("\n{}\n", line.table));
                table = line.table;
            }
            let padding = width.saturating_sub(line.key.len() + line.value.len());
            text.push_str(&format!("{} = {}{:padding$}  # {}\n", line.key, line.value, "", line.origin));
        }
        text
    }

    /// The same for programs.
    pub(crate) fn show_json(&self) -> Value {
        let one =
            |line: &Line| json!({"table": line.table, "key": line.key, "value": line.value, "origin": line.origin});
        json!({"file": self.path, "settings": self.lines().iter().map(one).collect::<Vec<_>>()})
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![line("", "class", &self.backup.class)];
        lines.extend(store_lines(&self.store));
        lines.extend(self.backup_lines());
        lines.extend(self.retention_lines());
        lines.extend(encryption_lines(&self.encryption));
        lines.extend(drill_lines(&self.drill));
        lines.extend(rotate_lines(&self.rotate));
        lines.extend(self.databases.iter().flat_map(database_lines));
        lines
    }

    fn backup_lines(&self) -> Vec<Line> {
        let backup = &self.backup;
        let mut lines =
            vec![line("[backup]", "method", &backup.method), line("[backup]", "compression", &backup.compression)];
        lines.extend(backup.jobs.as_ref().map(|jobs| line("[backup]", "jobs", jobs)));
        lines.extend([
            line("[backup]", "parts_in_flight", &backup.parts_in_flight),
            line("[backup]", "stall_timeout", &backup.stall_timeout),
            line("[backup]", "lock_timeout", &backup.lock_timeout),
            line("[backup]", "yield_to_ddl", &backup.yield_to_ddl),
            line("[backup]", "snapshot_max_age", &backup.snapshot_max_age),
            line("[backup]", "state_dir", &backup.state_dir),
            line("[backup]", "runtime_dir", &backup.runtime_dir),
        ]);
        lines
    }

    fn retention_lines(&self) -> Vec<Line> {
        let by_class = self.retention.keep_days.iter();
        by_class.map(|(class, days)| line("[retention]", &format!("keep_days.{}", class.show()), days)).collect()
    }
}

fn store_lines(store: &StoreConfig) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(store.url.as_ref().map(|url| line(STORE, "url", url)));
    lines.extend(store.provider.as_ref().map(|provider| line(STORE, "provider", provider)));
    for (key, variable) in SETTINGS {
        lines.extend(store.settings.get(variable).map(|value| line(STORE, key, value)));
    }
    let allow_http = store.settings.get(env_vars::AWS_ALLOW_HTTP);
    let allow_http = allow_http.map(|set| Sourced { value: set.value == "true", origin: set.origin.clone() });
    lines.extend(allow_http.map(|allow| line(STORE, "allow_http", &allow)));
    lines.extend(store.path_style.as_ref().map(|in_path| line(STORE, "path_style", in_path)));
    lines.extend(store.checksum.as_ref().map(|checksum| line(STORE, "checksum", checksum)));
    lines.extend(store.parts_max.as_ref().map(|parts| line(STORE, "parts_max", parts)));
    lines.extend(store.deletes.as_ref().map(|deletes| line(STORE, "deletes", deletes)));
    for (key, variable) in SECRETS {
        lines.extend(store.secrets.get(variable).map(|reference| line(STORE, key, reference)));
    }
    let network = &store.network;
    lines.extend(network.bandwidth.as_ref().map(|rate| line(STORE, "bandwidth", rate)));
    lines.extend(network.retry_for.as_ref().map(|time| line(STORE, "retry_for", time)));
    lines.extend(network.ca.as_ref().map(|ca| line(STORE, "ca", ca)));
    lines.extend(network.proxy.as_ref().map(|proxy| line(STORE, "proxy", proxy)));
    lines
}

fn encryption_lines(encryption: &EncryptionConfig) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(encryption.keyring.as_ref().map(|keyring| line(ENCRYPTION, "keyring", keyring)));
    lines.extend(encryption.recipients.as_ref().map(|keys| line(ENCRYPTION, "recipients", keys)));
    lines.extend(encryption.trusted_signers.as_ref().map(|keys| line(ENCRYPTION, "trusted_signers", keys)));
    lines
}

fn drill_lines(drill: &DrillConfig) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(drill.scratch.as_ref().map(|kind| line(DRILL, "scratch", kind)));
    lines.extend(drill.dir.as_ref().map(|dir| line(DRILL, "dir", dir)));
    lines.extend(drill.postgres.as_ref().map(|major| line(DRILL, "postgres", major)));
    lines.extend(drill.tools_dir.as_ref().map(|dir| line(DRILL, "tools_dir", dir)));
    lines.extend(drill.settings.as_ref().map(|settings| line(DRILL, "settings", settings)));
    lines.extend(drill.memory.as_ref().map(|size| line(DRILL, "memory", size)));
    lines.extend(drill.server.as_ref().map(|server| line(DRILL, "server", server)));
    lines.extend(drill.command.as_ref().map(|command| line(DRILL, "command", command)));
    lines.extend(drill.jobs.as_ref().map(|jobs| line(DRILL, "jobs", jobs)));
    lines.extend(drill.rto.as_ref().map(|rto| line(DRILL, "rto", rto)));
    lines.extend(drill.rpo.as_ref().map(|rpo| line(DRILL, "rpo", rpo)));
    lines.extend(drill.timeout.as_ref().map(|timeout| line(DRILL, "timeout", timeout)));
    lines.extend(drill.budget.as_ref().map(|budget| line(DRILL, "budget", budget)));
    lines.extend(drill.prove_within.as_ref().map(|drills| line(DRILL, "prove_within", drills)));
    lines.extend(drill.encrypted_columns.as_ref().map(|columns| line(DRILL, "encrypted_columns", columns)));
    lines.extend(drill.max_shrink.as_ref().map(|part| line(DRILL, "max_shrink", part)));
    lines.extend(drill.judge_from.as_ref().map(|size| line(DRILL, "judge_from", size)));
    lines.extend(drill.asserts.iter().flat_map(assert_lines));
    if let Some(smoke) = &drill.smoke {
        lines.push(line(SMOKE, "command", &smoke.command));
        lines.extend(smoke.database.as_ref().map(|name| line(SMOKE, "database", name)));
        lines.extend(smoke.timeout.as_ref().map(|timeout| line(SMOKE, "timeout", timeout)));
    }
    lines
}

fn rotate_lines(rotate: &RotateConfig) -> Vec<Line> {
    let mut lines = key_lines(ROTATE, &rotate.keys);
    lines.extend(rotate.mode.as_ref().map(|mode| line(ROTATE, "mode", mode)));
    lines.extend(rotate.jobs.as_ref().map(|jobs| line(ROTATE, "jobs", jobs)));
    lines.extend(rotate.batch_rows.as_ref().map(|rows| line(ROTATE, "batch_rows", rows)));
    lines.extend(rotate.batch_time.as_ref().map(|time| line(ROTATE, "batch_time", time)));
    lines.extend(rotate.shared_batch_time.as_ref().map(|time| line(ROTATE, "shared_batch_time", time)));
    lines.extend(rotate.pause.as_ref().map(|pause| line(ROTATE, "pause", pause)));
    lines.extend(rotate.replication_lag.as_ref().map(|lag| line(ROTATE, "replication_lag", lag)));
    lines.extend(rotate.statement_timeout.as_ref().map(|timeout| line(ROTATE, "statement_timeout", timeout)));
    lines.extend(rotate.lock_timeout.as_ref().map(|timeout| line(ROTATE, "lock_timeout", timeout)));
    lines.extend(rotate.accept_list.as_ref().map(|file| line(ROTATE, "accept_list", file)));
    lines.extend(rotate.columns.iter().flat_map(column_lines));
    lines
}

fn column_lines(column: &ColumnConfig) -> Vec<Line> {
    let mut lines = vec![line(COLUMN, "table", &column.table)];
    lines.extend(column.database.as_ref().map(|name| line(COLUMN, "database", name)));
    lines.extend(column.column.as_ref().map(|name| line(COLUMN, "column", name)));
    lines.push(line(COLUMN, "layout", &column.layout));
    lines.extend(column.key_columns.as_ref().map(|names| line(COLUMN, "key_columns", names)));
    lines.extend(column.aad.as_ref().map(|aad| line(COLUMN, "aad", aad)));
    lines.extend(column.mode.as_ref().map(|mode| line(COLUMN, "mode", mode)));
    lines.extend(key_lines(COLUMN, &column.keys));
    lines
}

fn key_lines(table: &'static str, keys: &KeysConfig) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(keys.old.as_ref().map(|old| line(table, "old", old)));
    lines.extend(keys.new.as_ref().map(|new| line(table, "new", new)));
    lines.extend(keys.key_format.as_ref().map(|format| line(table, "key_format", format)));
    lines.extend(keys.old_key_format.as_ref().map(|format| line(table, "old_key_format", format)));
    lines.extend(keys.old_id.as_ref().map(|id| line(table, "old_id", id)));
    lines.extend(keys.new_id.as_ref().map(|id| line(table, "new_id", id)));
    lines
}

fn assert_lines(assert: &AssertConfig) -> Vec<Line> {
    let mut lines = vec![line(ASSERT, "name", &assert.name)];
    lines.extend(assert.database.as_ref().map(|name| line(ASSERT, "database", name)));
    lines.extend([line(ASSERT, "sql", &assert.sql), line(ASSERT, "expect", &assert.expect)]);
    lines.extend(assert.timeout.as_ref().map(|timeout| line(ASSERT, "timeout", timeout)));
    lines
}

fn database_lines(database: &Database) -> Vec<Line> {
    let mut lines = vec![line(DATABASE, "name", &database.name)];
    lines.extend(database.url.as_ref().map(|url| line(DATABASE, "url", url)));
    lines.extend(database.tools_dir.as_ref().map(|folder| line(DATABASE, "tools_dir", folder)));
    lines.extend(database.tools_prefix.as_ref().map(|prefix| line(DATABASE, "tools_prefix", prefix)));
    lines.extend(database.user.as_ref().map(|user| line(DATABASE, "user", user)));
    lines.extend(database.dbname.as_ref().map(|dbname| line(DATABASE, "dbname", dbname)));
    lines.extend(database.method.as_ref().map(|method| line(DATABASE, "method", method)));
    lines
}

fn line<T: Setting>(table: &'static str, key: &str, setting: &Sourced<T>) -> Line {
    let opens = key == if table == COLUMN { "table" } else { "name" };
    Line { table, key: key.to_owned(), value: setting.value.show(), origin: setting.origin.to_string(), opens }
}

const STORE: &str = "[store]";
const ENCRYPTION: &str = "[encryption]";
const DATABASE: &str = "[[database]]";
const DRILL: &str = "[drill]";
const ASSERT: &str = "[[drill.assert]]";
const ROTATE: &str = "[rotate]";
const COLUMN: &str = "[[rotate.column]]";
const SMOKE: &str = "[drill.smoke]";
const WIDTH_MAX: usize = 70;
