//! Takes off one layer after another, until there is SQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use lifeboat_core::codec::Compression;
use lifeboat_core::{Error, Kind, Result};

use super::by_hand::beneath;
use super::compressed::Decompressed;
use super::crlf::Unreturned;
use super::flow::{Flow, Peeked};
use super::form::{BYTE_ORDER_MARK, Form, HEAD_BYTES};
use super::program::{Program, Said};
use super::remarks::Remarks;
use super::salted::{OTHERWISE_SEALED, Unsalted};
use super::tar::WholeTar;
use super::{Digested, ForeignOptions, Given, Header, gpg};
use crate::program_path::PROGRAM_PATH;
use crate::tools::find;

/// A file without its layers.
pub(crate) struct Unpacked {
    /// The SQL.
    pub(crate) sql: Box<dyn Flow>,
    /// How the file is called.
    pub(crate) name: String,
    /// The layers that were taken off, the outermost first, and what was beneath.
    pub(crate) forms: Vec<&'static str>,
    /// What the dump says of itself.
    pub(crate) header: Header,
    /// When the file was last changed, where it is one of this host.
    pub(crate) modified: Option<Timestamp>,
    /// What is to be told of it, once the SQL has ended.
    pub(crate) remarks: Remarks,
    /// Length and digest of the file, once the SQL has ended.
    pub(crate) digested: Arc<OnceLock<Digested>>,
}

/// Takes off the layers of a file. Reads, and therefore blocks: its first bytes now, the others when the SQL is read.
///
/// # Errors
/// [`Kind::WrongKey`] without the right passphrase; [`Kind::Policy`] for a form that is known and not read; [`Kind::Integrity`] for what is damaged or not known; [`Kind::Tool`] without gpg or
/// pg_restore.
pub(crate) fn unpack(file: Given, options: &ForeignOptions) -> Result<Unpacked> {
    let (name, modified, digested) = (file.name.clone(), file.modified, file.digested());
    let (doing, remarks) = (format!("open {name}"), Remarks::default());
    let (sql, forms, header) = take_off(file, options, &remarks).map_err(|error| error.while_doing(doing))?;
    Ok(Unpacked { sql, name, forms, header, modified, remarks, digested })
}

fn take_off(
    file: Given,
    options: &ForeignOptions,
    remarks: &Remarks,
) -> Result<(Box<dyn Flow>, Vec<&'static str>, Header)> {
    let mut flow: Box<dyn Flow> = Box::new(file);
    let mut forms: Vec<&'static str> = Vec::new();
    let mut header = Header::default();
    while forms.len() < LAYERS_MAX {
        let mut peeked = Peeked::look(flow, HEAD_BYTES);
        if let Some(error) = peeked.failed_at_once() {
            return Err(error);
        }
        let form = Form::of(peeked.head()).map_err(|error| beneath(&forms, error))?;
        let form = form.ok_or_else(|| unknown(forms.last().copied()))?;
        forms.push(form.name());
        flow = match form {
            Form::Gzip => Box::new(Decompressed::new(Box::new(peeked), Compression::Gzip)),
            Form::Zstd => Box::new(Decompressed::new(Box::new(peeked), Compression::Zstd)),
            Form::Salted => Box::new(Unsalted::new(Box::new(peeked), options)?),
            Form::GpgPassphrase | Form::GpgKey => Box::new(gpg::decrypted(Box::new(peeked), form, options, remarks)?),
            Form::Custom | Form::Tar => {
                let toc = if form == Form::Tar { peeked.head().get(TAR_BLOCK_BYTES..) } else { Some(peeked.head()) };
                header = Header::of_archive(toc.unwrap_or_default());
                let archive: Box<dyn Flow> =
                    if form == Form::Tar { Box::new(WholeTar::new(Box::new(peeked))) } else { Box::new(peeked) };
                Box::new(printed(archive, &header, options)?)
            }
            Form::Marked => {
                peeked.skip(BYTE_ORDER_MARK.len());
                Box::new(peeked)
            }
            Form::Returned => Box::new(Unreturned::new(Box::new(peeked))),
            Form::Plain => {
                let script = Header::of_script(peeked.head());
                // What pg_restore prints says no more than the archive did.
                header = if header == Header::default() { script } else { header };
                return Ok((Box::new(peeked), forms, header));
            }
        };
    }
    Err(Error::new(Kind::Policy, format!("take off more than {LAYERS_MAX} layers")))
}

/// Nothing proves what openssl decrypted: nothing known beneath it means that the key is another.
fn unknown(layer: Option<&str>) -> Error {
    if layer == Some(Form::Salted.name()) {
        return Error::new(Kind::WrongKey, "decrypt as openssl does: what comes out is in no form that is known")
            .hint(OTHERWISE_SEALED);
    }
    Error::new(Kind::Integrity, "read a dump: the file is in no form that is known").hint(
        "known are SQL, pg_dump -Fc and -Ft, in gzip, zstd, gpg and openssl enc -aes-256-cbc -pbkdf2; is it the right file?",
    )
}

/// What `pg_restore` makes of an archive.
fn printed(archive: Box<dyn Flow>, header: &Header, options: &ForeignOptions) -> Result<Program> {
    let folder = tools(header.pg_dump_major(), options.tools_dir.as_deref())?;
    let mut command = Command::new(folder.join("pg_restore"));
    command.env_clear().env("PATH", PROGRAM_PATH).env("LC_ALL", "C").env("TZ", "UTC").arg("--file=-");
    Program::start(command, "pg_restore", archive, Box::new(judge), Box::new(()))
}

/// The folder of the tools that made the archive, or of the next newer ones: older ones may not read it, and what newer ones
/// print may be too new for the server.
fn tools(made_by: Option<u32>, configured: Option<&Path>) -> Result<PathBuf> {
    let runtime = tokio::runtime::Handle::current();
    let oldest = made_by.unwrap_or(OLDEST_MAJOR).max(OLDEST_MAJOR);
    let found = (oldest..=NEWEST_MAJOR.max(oldest)).find_map(|major| runtime.block_on(find(major, configured)).ok());
    found.map(|(folder, _)| folder).ok_or_else(|| {
        Error::new(Kind::Tool, format!("find pg_restore of PostgreSQL {oldest} or later, for an archive of pg_dump"))
            .hint(format!(
                "install postgresql-client-{oldest}, or name the folder of its programs by LIFEBOAT_TOOLS_DIR"
            ))
    })
}

fn judge(said: &Said) -> Option<(Kind, &'static str)> {
    if said.words.iter().any(|line| line.contains("unsupported version")) {
        return Some((Kind::Tool, "the archive was made by a newer pg_dump: install the client tools of its version"));
    }
    Some((Kind::Integrity, "the archive is cut or damaged: use another one"))
}

/// More than anybody nests.
const LAYERS_MAX: usize = 8;
const TAR_BLOCK_BYTES: usize = 512;
const OLDEST_MAJOR: u32 = 12;
/// The newest that is looked for.
const NEWEST_MAJOR: u32 = 20;
