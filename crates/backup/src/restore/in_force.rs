//! What a database sets for its sessions, in force while it is restored: materialized views, checks and functions read it.
//!
//! The database itself gets its settings in the end, and all of them: limits of time and the like are not for a restore.

use lifeboat_core::Result;
use lifeboat_core::index::{DatabaseProperties, DatabaseSetting};

use crate::postgres::{DirectSession, Session as _, quote_literal, sqlstate_of};

/// Settings that change what expressions make of the same rows.
#[derive(Clone, Debug, Default)]
pub(super) struct InForce {
    statements: Vec<String>,
}

impl InForce {
    /// Those that every session with a database of these properties has.
    pub(super) fn of(properties: &DatabaseProperties) -> Self {
        let settings = properties.settings.iter().filter(|setting| setting.role.is_none() && is_read(setting));
        let set = |setting: &DatabaseSetting| {
            let (name, value) = (quote_literal(&setting.name), quote_literal(&setting.value));
            format!("SELECT pg_catalog.set_config({name}, {value}, false)")
        };
        Self { statements: settings.map(set).collect() }
    }

    /// Makes them the session's. One that may not be made is left out, as at the beginning of any session.
    pub(super) async fn make(&self, session: &mut DirectSession) -> Result<()> {
        for statement in &self.statements {
            match session.execute(statement).await {
                Err(error) if sqlstate_of(&error).is_none() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether expressions read it. Those with a dot are an application's own, or an extension's.
fn is_read(setting: &DatabaseSetting) -> bool {
    setting.name.contains('.') || READ.iter().any(|name| name.eq_ignore_ascii_case(&setting.name))
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
            setting(None, "default_transaction_read_only", "on"),
            setting(Some("joe"), "app.unit", "lb"),
        ];
        let in_force = InForce::of(&DatabaseProperties { settings, ..DatabaseProperties::default() });
        assert_eq!(
            in_force.statements,
            [
                "SELECT pg_catalog.set_config('TimeZone', 'Asia/Tokyo', false)",
                "SELECT pg_catalog.set_config('app.unit', 'it''s kg', false)",
            ]
        );
    }
}
