//! The sweep's own transactions: what they wrote is proven, and need not be opened again.

use std::fmt::Write as _;
use std::sync::Mutex;

/// Ids of transactions that wrote nothing but proven values.
#[derive(Debug, Default)]
pub(super) struct Own(Mutex<Ids>);

#[derive(Debug, Default)]
struct Ids {
    written: Vec<u64>,
    unusable: bool,
    /// As of the last pass.
    condition: Option<String>,
}

impl Own {
    /// Notes a transaction.
    pub(super) fn note(&self, id: u64) {
        let Ok(mut ids) = self.0.lock() else { return };
        // A row shows 32 bits of such an id: after so many transactions it may be an older one's.
        if id > u64::from(u32::MAX) || ids.written.len() >= MOST {
            ids.unusable = true;
        } else {
            ids.written.push(id);
        }
    }

    /// Ids that were noted tell nothing any more.
    pub(super) fn distrust(&self) {
        let Ok(mut ids) = self.0.lock() else { return };
        (ids.unusable, ids.condition) = (true, None);
    }

    /// From now on [`Own::written_by_others`] knows all transactions so far.
    pub(super) fn learn(&self) {
        let Ok(mut ids) = self.0.lock() else { return };
        let usable = !ids.unusable && !ids.written.is_empty();
        ids.condition = usable.then(|| listed(&ids.written));
    }

    /// The condition that a row of `t` is the work of others.
    pub(super) fn written_by_others(&self) -> Option<String> {
        self.list().map(|list| format!("NOT (t.xmin = ANY ({list}))"))
    }

    /// The condition that it is ours.
    pub(super) fn written_by_us(&self) -> Option<String> {
        self.list().map(|list| format!("t.xmin = ANY ({list})"))
    }

    fn list(&self) -> Option<String> {
        self.0.lock().ok()?.condition.clone()
    }
}

/// A constant, of which the server makes a hash table.
fn listed(ids: &[u64]) -> String {
    let mut list = String::from("'{");
    for (n, id) in ids.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(list, "{comma}{id}");
    }
    list.push_str("}'::pg_catalog.xid[]");
    list
}

/// More would make statements of megabytes.
const MOST: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::Own;

    #[test]
    fn rows_of_our_transactions_are_told_from_those_of_others() {
        let own = Own::default();
        own.learn();
        assert_eq!(own.written_by_others(), None, "nothing was written");
        own.note(7);
        own.note(9);
        assert_eq!(own.written_by_others(), None, "not before the pass is over");
        own.learn();
        assert_eq!(own.written_by_others().unwrap(), "NOT (t.xmin = ANY ('{7,9}'::pg_catalog.xid[]))");
    }

    #[test]
    fn after_another_server_no_id_is_relied_on() {
        let own = Own::default();
        own.note(7);
        own.learn();
        own.distrust();
        assert_eq!(own.written_by_others(), None);
        own.note(9);
        own.learn();
        assert_eq!(own.written_by_us(), None);
    }

    #[test]
    fn ids_that_rows_cannot_show_in_full_are_not_relied_on() {
        let own = Own::default();
        own.note(7);
        own.note(1 << 32);
        own.learn();
        assert_eq!(own.written_by_others(), None);
    }
}
