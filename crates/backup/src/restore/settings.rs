//! The session settings that are in force at a place of the script, such as the tablespace of the tables that follow: a
//! statement that runs out of its place runs under those of its place.

/// Settings in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings(Vec<Setting>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    /// The statement up to its value.
    what: String,
    statement: String,
}

impl Settings {
    /// Makes one more; whether that changes anything.
    pub(super) fn make(&mut self, statement: &str) -> bool {
        let what = statement.split(['=', ',']).next().unwrap_or_default().trim_end().to_owned();
        if self.find(&what) == Some(statement) {
            return false;
        }
        self.0.retain(|setting| setting.what != what);
        self.0.push(Setting { what, statement: statement.to_owned() });
        true
    }

    /// The statements that lead a session from the settings it was `told` to these.
    pub(super) fn since(&self, told: &Self) -> String {
        let made = self.0.iter().filter(|setting| told.find(&setting.what) != Some(&setting.statement));
        let made = made.map(|setting| setting.statement.clone());
        let unmade = told.0.iter().filter(|setting| self.find(&setting.what).is_none());
        let unmade = unmade.filter_map(|setting| Some(format!("RESET {};", setting.what.strip_prefix("SET ")?)));
        unmade.chain(made).collect::<Vec<_>>().join("\n")
    }

    fn find(&self, what: &str) -> Option<&str> {
        self.0.iter().find(|setting| setting.what == what).map(|setting| setting.statement.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn settings(statements: &[&str]) -> Settings {
        let mut settings = Settings::default();
        statements.iter().for_each(|statement| {
            settings.make(statement);
        });
        settings
    }

    #[test]
    fn a_session_is_told_what_it_does_not_know() {
        let early = settings(&["SET xmloption = content;", "SET default_tablespace = '';"]);
        let late = settings(&[
            "SET xmloption = content;",
            "SET default_tablespace = '';",
            "SET default_tablespace = fast;",
            "SELECT pg_catalog.set_config('search_path', '', false);",
            "SET default_table_access_method = heap;",
        ]);
        assert_eq!(early.since(&Settings::default()), "SET xmloption = content;\nSET default_tablespace = '';");
        let forward = "SET default_tablespace = fast;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
                       SET default_table_access_method = heap;";
        assert_eq!(late.since(&early), forward);
        assert_eq!(early.since(&late), "RESET default_table_access_method;\nSET default_tablespace = '';");
        assert_eq!(late.since(&late), "");
    }

    #[test]
    fn a_setting_that_is_made_again_changes_nothing() {
        let mut settings = settings(&["SET a = 1;", "SET b = 2;"]);
        assert!(!settings.make("SET a = 1;"));
        assert!(settings.make("SET a = 3;"));
    }
}
