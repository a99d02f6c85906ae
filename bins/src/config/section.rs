//! A table of the configuration file, read key by key: every misfit and every unknown key becomes a problem, and
//! reading goes on.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Origin, Sourced};
use super::problems::{Place, Problems, position};
use super::setting::{Misfit, Setting, kind_of};

/// A table being read. [`Section::finish`] must be called, or misspelt keys go unnoticed.
pub(crate) struct Section<'a, 'i> {
    title: String,
    table: &'a DeTable<'i>,
    span: Range<usize>,
    text: &'a str,
    known: BTreeSet<&'static str>,
}

impl<'a, 'i> Section<'a, 'i> {
    /// The table called `title`, such as `[backup]`, of the file with content `text`.
    pub(crate) fn new(title: impl Into<String>, table: &'a Spanned<DeTable<'i>>, text: &'a str) -> Self {
        Self { title: title.into(), span: table.span(), table: table.get_ref(), text, known: BTreeSet::new() }
    }

    /// The setting called `key`, if it is there and fits.
    pub(crate) fn read<T: Setting>(&mut self, key: &'static str, problems: &mut Problems) -> Option<Sourced<T>> {
        let value = self.value(key)?;
        match T::from_toml(value.get_ref()) {
            Ok(read) => Some(Sourced { value: read, origin: self.origin(value.span()) }),
            Err(misfit) => {
                problems.add(Place::File(value.span()), misfit);
                None
            }
        }
    }

    /// As [`Section::read`]; a missing key is a problem.
    pub(crate) fn require<T: Setting>(&mut self, key: &'static str, problems: &mut Problems) -> Option<Sourced<T>> {
        if !self.has(key) {
            let missing = Misfit::new(format!("{} lacks `{key}`", self.title)).help(format!("add {key} = …"));
            problems.add(Place::File(self.span.clone()), missing);
        }
        self.read(key, problems)
    }

    /// Whether it has no keys at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        Place::File(self.span.clone())
    }

    /// Whether the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The raw value of a key.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.insert(key);
        self.table.get(key)
    }

    /// The table under a key.
    pub(crate) fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Section<'a, 'i>> {
        let value = self.value(key)?;
        let title = self.title_of(key);
        let section = section_of(format!("[{title}]"), value, self.text);
        if section.is_none() {
            let found = kind_of(value.get_ref());
            problems
                .add(Place::File(value.span()), Misfit::new(format!("expected the table [{title}], found {found}")));
        }
        section
    }

    /// The tables of the array under a key.
    pub(crate) fn tables(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let title = self.title_of(key);
        let tables = value.get_ref().as_array().and_then(|array| {
            array.iter().map(|item| section_of(format!("[[{title}]]"), item, self.text)).collect::<Option<Vec<_>>>()
        });
        tables.unwrap_or_else(|| {
            let misfit = Misfit::new(format!("expected [[{title}]] tables, found {}", kind_of(value.get_ref())));
            problems.add(Place::File(value.span()), misfit.help(format!("write [[{title}]] with double brackets")));
            Vec::new()
        })
    }

    /// The name of a table under this one, as it is written between brackets.
    fn title_of(&self, key: &str) -> String {
        match self.title.strip_prefix('[').and_then(|title| title.strip_suffix(']')) {
            Some(outer) if !outer.starts_with('[') => format!("{outer}.{key}"),
            _ => key.to_owned(),
        }
    }

    /// Every key and value, for tables whose keys are the operator's own.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Spanned<DeValue<'i>>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }

    /// An origin in this file.
    pub(crate) fn origin(&self, span: Range<usize>) -> Origin {
        let line = self.line(&span);
        Origin::File { span, line }
    }

    /// The line on which these bytes of the file begin.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        position(self.text, span.start).0
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.known.contains(key.get_ref().as_ref())) {
            let misfit = Misfit::new(format!("unknown key `{}` in {}", key.get_ref(), self.title));
            let known = self.known.iter().copied();
            let help = match closest(key.get_ref(), known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys are {}", known.collect::<Vec<_>>().join(", ")),
            };
            problems.add(Place::File(key.span()), misfit.help(help));
        }
    }
}

fn section_of<'a, 'i>(title: String, value: &'a Spanned<DeValue<'i>>, text: &'a str) -> Option<Section<'a, 'i>> {
    let DeValue::Table(table) = value.get_ref() else { return None };
    Some(Section { title, table, span: value.span(), text, known: BTreeSet::new() })
}

/// The known word that `word` most likely stands for.
pub(crate) fn closest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let folded = word.replace('-', "_").to_ascii_lowercase();
    let scored = known.map(|candidate| (strsim::jaro_winkler(&folded, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_misspelt_word_is_recognised_and_a_strange_one_is_not() {
        let known = ["stall_timeout", "lock_timeout", "parts_in_flight"];
        assert_eq!(closest("stal_timeout", known.into_iter()), Some("stall_timeout"));
        assert_eq!(closest("parts-in-flight", known.into_iter()), Some("parts_in_flight"));
        assert_eq!(closest("colour", known.into_iter()), None);
    }
}
