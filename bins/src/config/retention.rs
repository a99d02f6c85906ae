//! `[retention]`: how long backups are kept. The store's lifecycle rules remove them; we only tell what has expired.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use jiff::SignedDuration;
use lifeboat_core::Name;

use super::origin::Sourced;
use super::problems::{Place, Problems};
use super::section::Section;
use super::setting::{Misfit, Setting as _};

/// Days after which a backup of a class counts as expired: `keep_days = { daily = 30, monthly = 366 }`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retention {
    /// Days by class.
    pub(crate) keep_days: BTreeMap<Name, Sourced<NonZeroU32>>,
}

impl Retention {
    /// Reads `[retention]`.
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("retention", problems) else { return Self::default() };
        let keep_days = section.table("keep_days", problems).map(|classes| read_classes(&classes, problems));
        section.finish(problems);
        Self { keep_days: keep_days.unwrap_or_default() }
    }

    /// How long backups of each class are kept.
    pub(crate) fn kept(&self) -> BTreeMap<Name, SignedDuration> {
        let hours = |days: NonZeroU32| SignedDuration::from_hours(i64::from(days.get()) * 24);
        self.keep_days.iter().map(|(class, days)| (class.clone(), hours(days.value))).collect()
    }
}

fn read_classes(classes: &Section<'_, '_>, problems: &mut Problems) -> BTreeMap<Name, Sourced<NonZeroU32>> {
    let mut found = BTreeMap::new();
    let mut refuse = |misfit: Misfit, span| problems.add(Place::File(span), misfit);
    for (class, span, value) in classes.entries() {
        match (Name::from_text(class), NonZeroU32::from_toml(value.get_ref())) {
            (Ok(class), Ok(days)) => {
                found.insert(class, Sourced { value: days, origin: classes.origin(value.span()) });
            }
            (Err(misfit), _) => refuse(misfit, span),
            (_, Err(misfit)) => refuse(misfit, value.span()),
        }
    }
    found
}
