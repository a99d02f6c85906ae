//! Opens the rows that were fetched.

use std::sync::Arc;

use lifeboat_core::Error;
use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::layout::Content;
use lifeboat_rotate::columns::{Aad, Unopened};
use lifeboat_rotate::sweep::{AcceptList, TableName, key_text};
use tokio_postgres::SimpleQueryMessage;

use super::Tally;

pub(super) struct Reader {
    pub(super) columns: String,
    /// As it is declared, and where the rows lie.
    pub(super) table: TableName,
    pub(super) holder: TableName,
    pub(super) keyring: Arc<Keyring>,
    pub(super) content: Vec<Content>,
    /// How many columns name a row.
    pub(super) keys: usize,
    pub(super) aad: Aad,
    pub(super) accept: AcceptList,
    /// The columns of a value.
    pub(super) named: Vec<String>,
}

impl Reader {
    pub(super) fn open(&self, messages: &[SimpleQueryMessage]) -> Tally {
        let mut tally = Tally::default();
        for message in messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let texts: Vec<Option<&str>> = (0..row.len()).map(|at| row.get(at)).collect();
            let key: Vec<String> = texts[..self.keys].iter().map(|text| text.unwrap_or_default().to_owned()).collect();
            match self.opened(&texts[self.keys..]) {
                Ok(by_primary) => {
                    tally.opened += 1;
                    tally.by_old += u64::from(!by_primary);
                }
                Err(Unopened::Empty) => {
                    let values = &texts[texts.len() - self.content.len()..];
                    tally.elsewhere += u64::from(values.iter().flatten().any(|text| !text.is_empty()));
                }
                Err(_) if self.accepts(&key) => tally.accepted += 1,
                Err(why) => {
                    tally.findings.push(format!("{}.{} {}: {why}", self.holder, self.columns, key_text(&key)));
                }
            }
        }
        tally
    }

    fn accepts(&self, key: &[String]) -> bool {
        [&self.table, &self.holder].iter().any(|table| self.accept.accepts(table, &self.named, key))
    }

    /// Whether the new key opened it, rather than the old one.
    fn opened(&self, texts: &[Option<&str>]) -> Result<bool, Unopened> {
        let (aad, values) = texts.split_at(texts.len() - self.content.len());
        let bytes: Vec<Option<Vec<u8>>> = values
            .iter()
            .zip(&self.content)
            .map(|(text, content)| match content {
                Content::Bytes => text.and_then(|text| hex::decode(text).ok()),
                Content::Text => text.map(|text| text.as_bytes().to_vec()),
            })
            .collect();
        let parts: Vec<Option<&[u8]>> = bytes.iter().map(Option::as_deref).collect();
        let keys: Vec<&str> = aad.iter().map(|text| text.unwrap_or_default()).collect();
        let aad = self.aad.render(&keys).map_err(|_: Error| Unopened::FailedAuthentication)?;
        self.keyring.open(&parts, &aad).map(|opened| opened.by_primary())
    }
}
