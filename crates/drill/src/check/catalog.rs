//! `catalog`: the definitions of all objects are those of the source.
//!
//! Both sides were read by the same queries. The server prints definitions from what it has parsed, and another major version
//! prints some of them otherwise: then names are compared alone, and the report says so.

use std::collections::BTreeMap;
use std::time::Instant;

use lifeboat_backup::MissingRoles;
use lifeboat_backup::catalog::{read_catalog, unread_classes};
use lifeboat_backup::postgres::Session as _;
use lifeboat_core::catalog::{Catalog, Difference};
use lifeboat_core::{Job, Kind, Result};

use super::said::{Check, Said, listed, many, one_line};
use super::session::open_reading;
use super::{Checked, Subject};

/// Compares the restored database's catalog with the archive's; without that, notes that it was not compared.
///
/// # Errors
/// [`Kind::Cancelled`].
pub(super) async fn check(
    subject: &Subject<'_>,
    stored: &Result<Option<Catalog>>,
    checked: &mut Checked,
    job: &Job,
) -> Result<()> {
    let mut check = Check::new("catalog", DEFINED);
    let stored = match stored {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            checked.leave_open("the definitions of all objects", "the backup has no catalog");
            return Ok(());
        }
        Err(error) => {
            let damaged = error.kind() == Kind::Integrity;
            let said = if damaged { Said::failed(error.chain()) } else { Said::inconclusive(error.chain()) };
            checked.reports.push(check.run(std::future::ready(Ok(said))).await?);
            return Ok(());
        }
    };
    job.step("compare the definitions of all objects");
    let clock = Instant::now();
    let mut open = Vec::new();
    let said = match job.run(Here::read(subject, job)).await {
        Err(error) if error.kind() == Kind::Cancelled => return Err(error),
        Err(error) => Said::inconclusive(error.chain()),
        Ok(here) => {
            let mut compared = Compared::new(stored, &here, subject);
            if compared.source_major != here.major {
                check.proves = THERE.to_owned();
            }
            open = std::mem::take(&mut compared.open);
            compared.said(stored, &here)
        }
    };
    let report = check.report(said, clock);
    open.into_iter().for_each(|(what, why)| checked.leave_open(what, why));
    checked.reports.push(report);
    Ok(())
}

/// The restored database.
struct Here {
    catalog: Catalog,
    major: u32,
    is_superuser: bool,
    /// Names of the server's tablespaces, as the catalog quotes them.
    tablespaces: Vec<String>,
    /// Those of its roles.
    roles: Vec<String>,
}

impl Here {
    async fn read(subject: &Subject<'_>, job: &Job) -> Result<Self> {
        let mut session = open_reading(subject.target, job).await?;
        let catalog = read_catalog(&mut session).await?;
        let is_superuser =
            session.text("SELECT pg_catalog.current_setting('is_superuser')").await?.as_deref() == Some("on");
        let names = |text: Option<String>| text.unwrap_or_default().split('\n').map(str::to_owned).collect();
        let tablespaces = names(session.text(TABLESPACES).await?);
        let roles = names(session.text(ROLES).await?);
        let major = session.server().version_num / 10_000;
        session.close().await;
        Ok(Self { catalog, major, is_superuser, tablespaces, roles })
    }
}

/// What the comparison found.
struct Compared {
    /// What there is no excuse for.
    wrong: Vec<Difference>,
    /// What only the restored database has, where another major version may be why.
    new: Vec<Difference>,
    /// What was not compared, and why.
    open: Vec<(String, String)>,
    source_major: u32,
}

impl Compared {
    fn new(stored: &Catalog, here: &Here, subject: &Subject<'_>) -> Self {
        let source_major = subject.archive.index.source.as_ref().map_or(0, |source| source.server_version_num / 10_000);
        let mut compared = Self { wrong: Vec::new(), new: Vec::new(), open: Vec::new(), source_major };
        let mut excused: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for difference in stored.differences(&here.catalog) {
            let in_both = [stored, &here.catalog].iter().all(|catalog| catalog.classes.contains_key(&difference.class));
            if !in_both {
                continue;
            }
            let name = || format!("{} {}", difference.class, difference.identity);
            match excuse(&difference, here, subject) {
                Some(why) => excused.entry(why).or_default().push(name()),
                None => compared.sort(difference, here.major == source_major),
            }
        }
        let left_out =
            excused.into_iter().map(|(why, names)| (format!("the definitions of {}", listed(&names)), why.to_owned()));
        compared.open.extend(left_out);
        compared.tell_unread(stored, here);
        compared
    }

    fn sort(&mut self, difference: Difference, is_same_major: bool) {
        match (&difference.left, &difference.right) {
            _ if is_same_major => self.wrong.push(difference),
            (Some(_), None) => self.wrong.push(difference),
            (None, _) => self.new.push(difference),
            // Printed by another major version: it may mean the same.
            (Some(_), Some(_)) => {}
        }
    }

    fn tell_unread(&mut self, stored: &Catalog, here: &Here) {
        let (source, target) = (self.source_major, here.major);
        for (catalog, whose) in [(stored, "the backup's catalog"), (&here.catalog, "the restored database")] {
            let unread = unread_classes(catalog);
            if !unread.is_empty() {
                let why = format!("the server did not print them for {whose}");
                self.open.push((format!("the definitions of {}", unread.join(", ")), why));
            }
        }
        if source != target {
            let why = format!(
                "PostgreSQL {source} and {target} print definitions differently: objects were compared by name and number"
            );
            self.open.push(("the definitions of objects".to_owned(), why));
        }
    }

    fn said(self, stored: &Catalog, here: &Here) -> Said {
        let objects: usize = stored.classes.values().map(BTreeMap::len).sum();
        let (objects, classes) = (many(objects as u64, "object"), stored.classes.len());
        let how = if self.source_major == here.major { "as defined at the source" } else { "there by name" };
        let new = self.new.iter().map(|new| format!("{} {}: only in the restored database", new.class, new.identity));
        if self.wrong.is_empty() && !unread_classes(&here.catalog).is_empty() {
            return Said::inconclusive(format!("the server does not print all definitions; {objects} were looked for"));
        }
        if self.wrong.is_empty() {
            return Said::passed(format!("{objects} of {classes} classes {how}")).with(new);
        }
        let lines: Vec<_> = self.wrong.iter().map(describe).collect();
        let more = match lines.len() - 1 {
            0 => String::new(),
            more => format!("; and {}", many(more as u64, "more difference")),
        };
        Said::failed(format!("{}{more}", lines[0])).with(lines).with(new)
    }
}

/// Why a difference says nothing about the backup.
fn excuse(difference: &Difference, here: &Here, subject: &Subject<'_>) -> Option<&'static str> {
    let definition = difference.left.as_deref().unwrap_or_default();
    let is_missing = difference.right.is_none();
    let without_roles = subject.roles == MissingRoles::Skip;
    match difference.class.as_str() {
        "owners" | "privileges" | "default_privileges" | "large_objects" if without_roles => Some(WITHOUT_OWNERS),
        "user_mappings" if subject.inert && is_missing => Some(INERT),
        "materialized_views" if subject.inert && is_left_empty(difference) => Some(NO_ROWS),
        "user_mappings" if without_roles && is_missing => Some(WITHOUT_OWNERS),
        "policies" if without_roles && is_missing && is_for_a_missing_role(definition, &here.roles) => {
            Some("they are for roles that the scratch server has not")
        }
        "subscriptions" if !here.is_superuser => Some("only superusers restore and read them"),
        "tablespaces" if !here.tablespaces.iter().any(|name| name == definition) => {
            Some("the scratch server has no such tablespace")
        }
        _ => None,
    }
}

/// Whether a materialized view is as it was, but for its rows.
fn is_left_empty(difference: &Difference) -> bool {
    let (was, is) = (difference.left.as_deref(), difference.right.as_deref());
    is.and_then(|is| is.strip_prefix("not populated\n")).is_some_and(|is| Some(is) == was)
}

/// Whether a policy, as the catalog prints it, is for a role that is not there: the restore leaves it out then.
fn is_for_a_missing_role(policy: &str, roles: &[String]) -> bool {
    let Some((_, after)) = policy.split_once(" TO ") else { return false };
    let end = [" USING (", " WITH CHECK ("].iter().filter_map(|next| after.find(next)).min().unwrap_or(after.len());
    after[..end].split(", ").any(|role| role != "PUBLIC" && !roles.iter().any(|known| known == role))
}

/// A line that an operator can read.
fn describe(difference: &Difference) -> String {
    let Difference { class, identity, left, right } = difference;
    let what = match (left, right) {
        (Some(left), None) => format!("missing in the restored database: {}", one_line(left)),
        (None, Some(right)) => format!("not in the backup: {}", one_line(right)),
        (Some(left), Some(right)) => {
            let (left, right) = where_they_differ(left, right);
            format!("it was {left} and is {right}")
        }
        (None, None) => String::new(),
    };
    format!("{class} {identity}: {what}")
}

/// Both texts without most of what they have in common.
fn where_they_differ(left: &str, right: &str) -> (String, String) {
    let (left, right): (Vec<_>, Vec<_>) = (left.chars().collect(), right.chars().collect());
    let same = |(a, b): &(&char, &char)| a == b;
    let start = left.iter().zip(&right).take_while(same).count();
    let end = left[start..].iter().rev().zip(right[start..].iter().rev()).take_while(same).count();
    let from = start.saturating_sub(CONTEXT);
    let part = |text: &[char]| {
        let to = (text.len() - end + CONTEXT).min(text.len());
        let (before, after) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
        let middle: String = text[from..to].iter().collect();
        format!("‘{before}{}{after}’", one_line(&middle))
    };
    (part(&left), part(&right))
}

const DEFINED: &str = "every object is defined as it was at the source";
const THERE: &str = "every object of the source is there, by name; another version prints definitions otherwise";
const TABLESPACES: &str = "SELECT string_agg(quote_ident(spcname), E'\\n') FROM pg_catalog.pg_tablespace";
const ROLES: &str = "SELECT string_agg(quote_ident(rolname), E'\\n') FROM pg_catalog.pg_roles";
const INERT: &str = "a drill leaves user mappings out: the restored database is to reach nobody";
const NO_ROWS: &str = "their rows come from other servers, which a drill does not reach";
const WITHOUT_OWNERS: &str = "the restore left owners and privileges out";
/// Characters of what both have in common, on either side of what differs.
const CONTEXT: usize = 24;
#[cfg(test)]
mod tests {
    use lifeboat_core::catalog::Difference;

    use super::{describe, is_for_a_missing_role, is_left_empty, where_they_differ};

    fn difference(left: Option<&str>, right: Option<&str>) -> Difference {
        Difference {
            class: "triggers".into(),
            identity: "public.orders.changed".into(),
            left: left.map(Into::into),
            right: right.map(Into::into),
        }
    }

    #[test]
    fn a_difference_says_on_which_side_an_object_is() {
        let trigger = "CREATE TRIGGER changed\n  BEFORE UPDATE";
        let told = describe(&difference(Some(trigger), None));
        assert_eq!(
            told,
            "triggers public.orders.changed: missing in the restored database: CREATE TRIGGER changed BEFORE UPDATE"
        );
        assert!(describe(&difference(None, Some(trigger))).contains("not in the backup: CREATE"));
    }

    #[test]
    fn a_policy_is_excused_for_a_role_that_is_missing_only() {
        let roles = ["app".to_owned(), "\"the boss\"".to_owned()];
        for (policy, excused) in [
            ("PERMISSIVE FOR ALL TO PUBLIC USING (a TO b)", false),
            ("PERMISSIVE FOR ALL TO app, \"the boss\" WITH CHECK (x)", false),
            ("PERMISSIVE FOR ALL TO app, gone USING (x)", true),
            ("RESTRICTIVE FOR SELECT TO gone", true),
        ] {
            assert_eq!(is_for_a_missing_role(policy, &roles), excused, "{policy}");
        }
    }

    #[test]
    fn a_view_is_excused_for_its_rows_only() {
        assert!(is_left_empty(&difference(Some("heap\nSELECT 1"), Some("not populated\nheap\nSELECT 1"))));
        assert!(!is_left_empty(&difference(Some("heap\nSELECT 1"), Some("not populated\nheap\nSELECT 2"))));
        assert!(!is_left_empty(&difference(Some("heap\nSELECT 1"), None)));
    }

    #[test]
    fn a_changed_definition_is_shown_where_it_changed() {
        let function =
            "CREATE TRIGGER changed BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION note_change()";
        let (was, is) = where_they_differ(function, &format!("{function} DISABLED"));
        assert_eq!(was, "‘…E FUNCTION note_change()’");
        assert_eq!(is, "‘…E FUNCTION note_change() DISABLED’");
        let (was, is) = where_they_differ("numeric(10,2) NOT NULL", "numeric(12,2) NOT NULL");
        assert_eq!((was.as_str(), is.as_str()), ("‘numeric(10,2) NOT NULL’", "‘numeric(12,2) NOT NULL’"));
        assert_eq!(where_they_differ("ää", "äß"), ("‘ää’".to_owned(), "‘äß’".to_owned()));
    }
}
