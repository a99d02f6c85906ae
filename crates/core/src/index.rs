//! The index: where every row lies, what proves it, and what the database was.
//!
//! Invariant: ranges leave no gap in the script, and every relation of the source is in `relations` or in `skipped`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::codec::{ByteRange, Fingerprint, gunzip};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::manifest::refuse_other_formats;

/// The index of one backup; `docs/format.md` section 4 says what each field means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Version of the archive format.
    pub format: u32,
    /// The server and database, where a leader could ask.
    pub source: Option<Source>,
    /// What an imported dump says of where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dumped_from: Option<DumpedFrom>,
    /// What ran.
    pub tools: Tools,
    /// Session settings under which rows were printed.
    pub settings: BTreeMap<String, String>,
    /// Properties a created database gets.
    pub database: DatabaseProperties,
    /// Roles the database refers to.
    pub roles: Vec<Role>,
    /// Extensions of the source.
    pub extensions: Vec<Extension>,
    /// Sequences as the script sets them.
    pub sequences: Vec<Sequence>,
    /// Large objects in the script.
    pub large_objects: LargeObjects,
    /// Relations whose rows are in the script.
    pub relations: Vec<Relation>,
    /// Whether rows of an imported dump come as INSERT: they are of no relation, and have no fingerprints.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inserts: bool,
    /// All other relations.
    pub skipped: Vec<Skipped>,
    /// The script, in order.
    pub ranges: Vec<Range>,
    /// SQL bytes of the script.
    pub script_bytes: u64,
    /// What the operator was told.
    pub warnings: Vec<String>,
}

/// The server and database that were dumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `pg_control_system().system_identifier`, where the role may read it.
    pub system_identifier: Option<String>,
    /// As in `15.18 (Debian 15.18-0+deb12u1)`.
    pub server_version: String,
    /// As in 150018.
    pub server_version_num: u32,
    /// The database's own name.
    pub database: String,
    /// Server encoding, as in `UTF8`.
    pub encoding: String,
    /// `libc`, `icu` or `builtin`.
    pub locale_provider: String,
    /// `datcollate`.
    pub collate: String,
    /// `datctype`.
    pub ctype: String,
    /// The provider's own locale, for `icu` and `builtin`.
    pub locale: Option<String>,
    /// Rules that the database adds to its ICU locale, from PostgreSQL 16 on.
    #[serde(default)]
    pub icu_rules: Option<String>,
    /// Version of the collation's provider.
    pub collation_version: Option<String>,
    /// `pg_database_size`.
    pub size_bytes: u64,
    /// Write-ahead log position at the snapshot.
    pub lsn: String,
    /// Whether the server was a standby.
    pub standby: bool,
    /// The exported snapshot.
    pub snapshot: String,
    /// When the snapshot was taken, by the server's clock.
    pub snapshot_at: Timestamp,
}

/// What an imported dump says of where it is from; nobody asked the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedFrom {
    /// As in `15.18 (Debian 15.18-0+deb12u1)`.
    pub server_version: Option<String>,
    /// The database's own name.
    pub database: Option<String>,
}

/// What ran to make the backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// Version line of pg_dump.
    pub pg_dump: String,
    /// The program the tools ran through, if any: its first word.
    pub prefix: Option<String>,
}

/// Properties of the database itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseProperties {
    /// Owner's name.
    pub owner: Option<String>,
    /// -1 is no limit.
    pub connection_limit: i32,
    /// Comment.
    pub comment: Option<String>,
    /// `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET`.
    pub settings: Vec<DatabaseSetting>,
    /// GRANT and REVOKE statements with `%DATABASE%` for the database's quoted name.
    pub privileges: Vec<String>,
    /// Its tablespace, unless that is `pg_default`.
    #[serde(default)]
    pub tablespace: Option<String>,
    /// Whether it is a template.
    #[serde(default)]
    pub is_template: bool,
    /// `SECURITY LABEL … ON DATABASE`.
    #[serde(default)]
    pub security_labels: Vec<SecurityLabel>,
}

/// A label that a security provider gave the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityLabel {
    /// Provider.
    pub provider: String,
    /// Label.
    pub label: String,
}

/// One setting bound to the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSetting {
    /// The role it holds for; every role without one.
    pub role: Option<String>,
    /// Parameter.
    pub name: String,
    /// Value as `pg_db_role_setting` has it.
    pub value: String,
}

/// A role the database refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Name.
    pub name: String,
    /// Whether it may log in.
    pub login: bool,
    /// Whether it is a superuser.
    pub superuser: bool,
}

/// An extension of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Name.
    pub name: String,
    /// Installed version.
    pub version: String,
    /// Schema it lives in.
    pub schema: String,
}

/// A sequence's value as the script sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Schema; empty where the script names none.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Value.
    pub value: i64,
    /// Whether that value was already given out.
    pub called: bool,
}

/// Large objects in the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    /// How many.
    pub count: u64,
}

/// A relation whose rows are in the script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// `pg_class.oid`, where a leader could ask.
    pub oid: Option<u32>,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `pg_class.relkind`, where a leader could ask.
    pub kind: Option<String>,
    /// Columns in the order of the rows.
    pub columns: Vec<String>,
    /// The WHERE clause that an extension gave for its configuration table: only those rows are in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// All rows.
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
}

/// A relation whose rows are not in the script, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: String,
    /// Why its rows are not in the script.
    pub reason: String,
}

/// A piece of the script that can be fetched and proven by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Position of its object in the manifest's `script`.
    pub object: usize,
    /// Where it lies, and what proves it.
    #[serde(flatten)]
    pub bytes: ByteRange,
    /// What it holds.
    #[serde(flatten)]
    pub content: Content,
}

impl Range {
    /// Position among the index's relations of the one whose rows it holds, where it holds rows.
    #[must_use]
    pub fn relation(&self) -> Option<usize> {
        match &self.content {
            Content::Rows(rows) => Some(rows.relation),
            Content::Sql { .. } => None,
        }
    }
}

/// What a range holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Content {
    /// Statements.
    Sql {
        /// Section of its first statement.
        section: Section,
        /// Whether it holds nothing but lines that open and close COPY blocks, and comments: who loads rows through the
        /// index has no use for it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_copy: bool,
    },
    /// Lines of a COPY block.
    Rows(Rows),
}

/// A section of `pg_dump`'s output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Definitions that rows need.
    #[default]
    PreData,
    /// Rows, sequences' values, large objects.
    Data,
    /// Indexes, constraints, triggers and what else stands on rows.
    PostData,
}

/// Lines of one COPY block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Position in `relations`.
    pub relation: usize,
    /// Whether the block begins with this range.
    pub opens: bool,
    /// Whether the block ends with this range.
    pub closes: bool,
    /// These rows.
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
}

impl DatabaseProperties {
    /// Whether the database belongs to the role, or has privileges or settings for it.
    #[must_use]
    pub fn refers_to(&self, role: &str) -> bool {
        self.owner.as_deref() == Some(role)
            || self.settings.iter().any(|setting| setting.role.as_deref() == Some(role))
            || self.privileges.iter().any(|statement| statement.contains(role))
    }
}

impl Index {
    /// The major version of the server, as far as anybody said.
    #[must_use]
    pub fn server_major(&self) -> Option<u32> {
        let asked = self.source.as_ref().map(|source| source.server_version_num / 10_000);
        let told = || {
            self.dumped_from
                .as_ref()?
                .server_version
                .as_deref()?
                .split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        };
        asked.or_else(told)
    }

    /// Reads `index.json.gz`.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is damaged or contradicts itself, [`Kind::Config`] when its format is another.
    pub fn parse(gzip_bytes: &[u8]) -> Result<Self> {
        let json = gunzip(gzip_bytes)?;
        refuse_other_formats(&json)?;
        let index: Self = serde_json::from_slice(&json).kind_of(Kind::Integrity, || "read the index".into())?;
        index.check()?;
        Ok(index)
    }

    /// Positions and counts within the index agree.
    fn check(&self) -> Result<()> {
        let contradiction = |what: &str| Error::new(Kind::Integrity, format!("check the index: {what}"));
        let mut sums = vec![Fingerprint::default(); self.relations.len()];
        let (mut object, mut end) = (0, 0);
        for range in &self.ranges {
            if range.object != object {
                (object, end) = (object + 1, 0);
            }
            if range.object != object || range.bytes.offset != end {
                return Err(contradiction("ranges leave a gap"));
            }
            end = end.checked_add(range.bytes.length).ok_or_else(|| contradiction("a range without end"))?;
            if let Content::Rows(rows) = &range.content {
                *sums.get_mut(rows.relation).ok_or_else(|| contradiction("rows of no relation"))? += rows.fingerprint;
            }
        }
        if self.relations.iter().zip(sums).any(|(relation, sum)| relation.fingerprint != sum) {
            return Err(contradiction("a relation's rows are not the sum of its ranges"));
        }
        Ok(())
    }

    /// Rows of all relations.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.relations.iter().fold(0, |rows: u64, relation| rows.saturating_add(relation.fingerprint.rows))
    }
}
