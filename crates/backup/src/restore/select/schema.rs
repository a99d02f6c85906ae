//! Fetches the schema archive of a backup, proven, and reads it.

use std::collections::{BTreeSet, HashMap};

use lifeboat_core::store::Store;
use lifeboat_core::store::layout::SCHEMA;
use lifeboat_core::{Error, Job, Kind, Result};

use super::toc::{self, Toc};
use crate::archive::Archive;
use crate::postgres::{DirectSession, decode};

/// The bytes of a schema archive.
pub(super) async fn fetch(store: &Store, archive: &Archive, job: &Job) -> Result<Vec<u8>> {
    let object = archive.manifest.attachment(SCHEMA).ok_or_else(|| {
        Error::new(
            Kind::Policy,
            "select from the backup: it has no schema archive, for it was taken through other tools",
        )
        .hint("restore it whole, into a database of its own, and take from there what you need")
    })?;
    lifeboat_core::codec::gunzip(&archive.read_object(store, job, object).await?)
}

/// The table of contents. `session` converts texts in another encoding than UTF-8.
pub(super) async fn read(bytes: &[u8], session: &mut DirectSession) -> Result<Toc> {
    let encoding = toc::encoding(bytes)?;
    let foreign = foreign(bytes)?;
    // SQL_ASCII has no encoding: the server hands its bytes over as they are.
    let texts = match encoding.as_str() {
        "UTF8" | "SQL_ASCII" => foreign.iter().map(|text| utf8(text)).collect::<Result<Vec<_>>>()?,
        encoding => converted(session, encoding, &foreign).await?,
    };
    let texts: HashMap<_, _> = foreign.into_iter().zip(texts).collect();
    toc::read(bytes, &mut |text| match texts.get(text) {
        Some(text) => Ok(text.clone()),
        None => utf8(text),
    })
}

/// Every text that is not ASCII, once.
fn foreign(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut foreign = BTreeSet::new();
    toc::read(bytes, &mut |text| {
        if !text.is_ascii() {
            foreign.insert(text.to_vec());
        }
        Ok(String::from_utf8_lossy(text).into_owned())
    })?;
    Ok(foreign.into_iter().collect())
}

async fn converted(session: &mut DirectSession, encoding: &str, texts: &[Vec<u8>]) -> Result<Vec<String>> {
    let mut converted = Vec::with_capacity(texts.len());
    for some in texts.chunks(TEXTS_AT_ONCE) {
        let some: Vec<_> = some.iter().map(Vec::as_slice).collect();
        let decoded = decode(session, encoding, &some).await;
        converted.extend(decoded.map_err(|error| error.while_doing("read the names of the schema archive"))?);
    }
    Ok(converted)
}

fn utf8(text: &[u8]) -> Result<String> {
    let lossy = || String::from_utf8_lossy(text).chars().take(TEXT_SHOWN).collect::<String>();
    String::from_utf8(text.to_vec())
        .map_err(|_| Error::new(Kind::Failure, format!("read {:?} of the schema archive: it is not UTF-8", lossy())))
}

const TEXTS_AT_ONCE: usize = 100;
const TEXT_SHOWN: usize = 80;
