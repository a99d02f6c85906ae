//! What a database sets for its sessions, in force while it is restored: materialized views, checks and functions read it.
//!
//! The database itself gets its settings in the end, and all of them: limits of time and the like are not for a restore.

use lifeboat_core::Result;
use lifeboat_core::index::{DatabaseProperties, DatabaseSetting};

use super::extensions::TIMESCALEDB;
use crate::postgres::{DirectSession, Session as _, quote_literal, sqlstate_of};

/// Settings that change what expressions make of the same rows.
#[derive(Clone, Debug, Default)]
pub(super) struct InForce {
    /// Makes the path by which names in them are looked up.
    path: String,
    statements: Vec<String>,
}

impl InForce {
    /// Those that every session with a database of these properties has.
    pub(super) fn of(properties: &DatabaseProperties) -> Self {
        let of_every_role = properties.settings.iter().filter(|setting| setting.role.is_none());
        let settings = of_every_role.clone().filter(|setting| is_read(setting));
        let set = |setting: &DatabaseSetting| {
            let (name, value) = (quote_literal(&setting.name), quote_literal(&setting.value));
            format!("SELECT pg_catalog.set_config({name}, {value}, false)")
        };
        let path = of_every_role.clone().find(|setting| setting.name == "search_path");
        Self { path: path.map_or_else(|| "RESET search_path".to_owned(), set), statements: settings.map(set).collect() }
    }

    /// Makes them the session's. One that may not be made is left out, as at the beginning of any session; behind the definitions
    /// it may be made, if it names what they create.
    pub(super) async fn make(&self, session: &mut DirectSession) -> Result<()> {
        if self.statements.is_empty() {
            return Ok(());
        }
        let path = session.text("SELECT pg_catalog.current_setting('search_path')").await?.unwrap_or_default();
        let path_again = format!("SELECT pg_catalog.set_config('search_path', {}, false)", quote_literal(&path));
        for statement in [&self.path].into_iter().chain(&self.statements) {
            match session.execute(statement).await {
                Err(error) if sqlstate_of(&error).is_none() => return Err(error),
                _ => {}
            }
        }
        session.execute(&path_again).await
    }
}

/// Whether expressions read it. Those with a dot are an application's own, or an extension's; TimescaleDB knows by one of its own
/// that a restore is under way.
fn is_read(setting: &DatabaseSetting) -> bool {
    match setting.name.split_once('.') {
        Some((whose, _)) => !whose.eq_ignore_ascii_case(TIMESCALEDB),
        None => READ.iter().any(|name| name.eq_ignore_ascii_case(&setting.name)),
    }
}

/// Dumped rows read the same under each of them.
const READ: &[&str] = &[
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "bytea_output",
    "default_text_search_config",
    "extra_float_digits",
    "lc_numeric",
    "lc_time",
];

#[cfg(test)]
mod tests {
    use lifeboat_core::index::{DatabaseProperties, DatabaseSetting};

    use super::InForce;

    #[test]
    fn what_expressions_read_is_in_force_and_nothing_else_is() {
        let setting = |role: Option<&str>, name: &str, value: &str| DatabaseSetting {
            role: role.map(Into::into),
            name: name.into(),
            value: value.into(),
        };
        let settings = vec![
            setting(None, "TimeZone", "Asia/Tokyo"),
            setting(None, "app.unit", "it's kg"),
            setting(None, "statement_timeout", "1s"),
            setting(Some("joe"), "search_path", "joe"),
            setting(None, "default_transaction_read_only", "on"),
            setting(None, "timescaledb.restoring", "off"),
            setting(None, "TimescaleDB.max_background_workers", "8"),
            setting(Some("joe"), "app.unit", "lb"),
        ];
        let in_force = InForce::of(&DatabaseProperties { settings, ..DatabaseProperties::default() });
        assert_eq!(in_force.path, "RESET search_path");
        assert_eq!(
            in_force.statements,
            [
                "SELECT pg_catalog.set_config('TimeZone', 'Asia/Tokyo', false)",
                "SELECT pg_catalog.set_config('app.unit', 'it''s kg', false)",
            ]
        );
    }
}
