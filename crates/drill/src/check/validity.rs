//! `validity`: what the server has to keep true, it keeps true of every row.

use std::collections::BTreeSet;

use lifeboat_backup::postgres::rows;
use lifeboat_core::catalog::Catalog;
use lifeboat_core::{Job, Result};
use serde::Deserialize;

use super::said::{Check, Said, many};
use super::session::open_reading;
use super::{Checked, Subject};

/// Looks for indexes that are not used, constraints that were not proven of all rows, and triggers of foreign keys that do not
/// fire, each of which the source did not have.
///
/// # Errors
/// [`Kind::Cancelled`](lifeboat_core::Kind::Cancelled).
pub(super) async fn check(
    subject: &Subject<'_>,
    stored: &Result<Option<Catalog>>,
    checked: &mut Checked,
    job: &Job,
) -> Result<()> {
    let check = Check::new("validity", "every index and constraint that was valid at the source is valid");
    let stored = stored.as_ref().ok().and_then(Option::as_ref);
    let work = async {
        let mut session = open_reading(subject.target, job).await?;
        let suspects: Vec<Suspect> = rows(&mut session, SUSPECTS).await?;
        let looked_at: Vec<Counts> = rows(&mut session, COUNTS).await?;
        session.close().await;
        Ok(judge(&suspects, stored, looked_at.first()))
    };
    let report = check.run(job.run(work)).await?;
    if stored.is_none() && !report.findings.is_empty() {
        let why = "the backup has no catalog that says whether they were so at the source";
        checked.leave_open("whether indexes and constraints that are not valid were valid", why);
    }
    checked.reports.push(report);
    Ok(())
}

/// Something that is not valid.
#[derive(Clone, Debug, Deserialize)]
struct Suspect {
    /// Class of the catalog.
    class: String,
    /// Identity in the catalog.
    identity: String,
    what: String,
}

#[derive(Deserialize)]
struct Counts {
    indexes: u64,
    constraints: u64,
}

fn judge(suspects: &[Suspect], stored: Option<&Catalog>, counts: Option<&Counts>) -> Said {
    let was_so: BTreeSet<_> = stored.into_iter().flat_map(not_valid_at_the_source).collect();
    let line = |suspect: &Suspect| format!("{}: {}", suspect.identity, suspect.what);
    let (old, new): (Vec<_>, Vec<_>) =
        suspects.iter().partition(|it| stored.is_none() || was_so.contains(&(it.class.as_str(), it.identity.as_str())));
    let looked_at = counts.map_or_else(String::new, |counts| {
        format!(
            "{} and {}",
            many(counts.indexes, "index").replace("indexs", "indexes"),
            many(counts.constraints, "constraint")
        )
    });
    if let [first, more @ ..] = &*new {
        let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
        return Said::failed(format!("{}{more}", line(first))).with(new.iter().map(|it| line(it)));
    }
    if stored.is_none() && !old.is_empty() {
        let why =
            format!("whether {} so at the source is not known", if old.len() == 1 { "it was" } else { "they were" });
        return Said::inconclusive(format!("{}, and {why}", line(old[0]))).with(old.iter().map(|it| line(it)));
    }
    let old = old.iter().map(|it| format!("{}, as at the source", line(it)));
    Said::passed(format!("{looked_at}, none newly invalid")).with(old)
}

/// What the catalog of the source prints as not valid.
fn not_valid_at_the_source(stored: &Catalog) -> impl Iterator<Item = (&str, &str)> {
    let marks = [("indexes", " INVALID"), ("constraints", " NOT VALID"), ("constraints", " NOT ENFORCED")];
    marks.into_iter().flat_map(|(class, mark)| {
        let objects = stored.classes.get(class).into_iter().flatten();
        objects
            .filter(move |(_, definition)| definition.contains(mark))
            .map(move |(identity, _)| (class, identity.as_str()))
    })
}

const SUSPECTS: &str = "
SELECT 'indexes' AS class, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS identity,
       CASE WHEN NOT i.indisready THEN 'the index is not kept up to date' ELSE 'the index is not valid' END AS what
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'constraints', coalesce(quote_ident(n.nspname) || '.' || quote_ident(r.relname), format_type(k.contypid, NULL))
           || '.' || quote_ident(k.conname),
       'the constraint is not proven of all rows'
FROM pg_constraint k
LEFT JOIN pg_class r ON r.oid = k.conrelid
LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE NOT k.convalidated AND NOT (k.contype = 'f' AND k.conparentid <> 0)
UNION ALL
SELECT 'triggers', quote_ident(n.nspname) || '.' || quote_ident(r.relname) || '.' || quote_ident(k.conname),
       'the triggers of the foreign key are disabled'
FROM pg_trigger t
JOIN pg_constraint k ON k.oid = t.tgconstraint
JOIN pg_class r ON r.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE t.tgisinternal AND t.tgenabled = 'D'
GROUP BY n.nspname, r.relname, k.conname";

const COUNTS: &str = "
SELECT (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_') AS indexes,
       (SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') AS constraints";

#[cfg(test)]
mod tests {
    use lifeboat_core::catalog::Catalog;

    use super::super::Verdict;
    use super::{Suspect, judge};

    fn suspect(class: &str, identity: &str) -> Suspect {
        Suspect { class: class.into(), identity: identity.into(), what: "not valid".into() }
    }

    #[test]
    fn only_what_was_valid_at_the_source_fails() {
        let stored = r#"{"format":1,"classes":{"constraints":{"public.t.c":"CHECK ((a > 0)) NOT VALID"},
                         "indexes":{"public.i":"CREATE INDEX i ON ONLY public.p INVALID","public.ok":"CREATE INDEX ok"}}}"#;
        let stored: Catalog = serde_json::from_str(stored).unwrap();
        let old = [suspect("constraints", "public.t.c"), suspect("indexes", "public.i")];
        let said = judge(&old, Some(&stored), None);
        assert_eq!((said.outcome, said.findings.len()), (Verdict::Passed, 2));
        let new = [suspect("constraints", "public.t.c"), suspect("indexes", "public.ok")];
        let said = judge(&new, Some(&stored), None);
        assert_eq!(
            (said.outcome, said.findings.as_slice()),
            (Verdict::Failed, &["public.ok: not valid".to_owned()][..])
        );
    }

    #[test]
    fn without_a_catalog_nobody_knows_whether_it_was_so() {
        let said = judge(&[suspect("indexes", "public.i")], None, None);
        assert_eq!((said.outcome, said.findings.len()), (Verdict::Inconclusive, 1));
        assert_eq!(judge(&[], None, None).outcome, Verdict::Passed);
    }
}
