//! Every environment variable that the binaries read, in one place; those of a store that have no meaning outside of it are in
//! `lifeboat_core::store::settings`. Libraries take no setting from any; the documentation of `lifeboat_core` says what is read
//! beneath them.

/// The configuration file.
pub(crate) const CONFIG: &str = "LIFEBOAT_CONFIG";
/// The store: `s3://bucket/prefix`, `b2://bucket/prefix?region=…` or `file:///folder`.
pub(crate) const STORE: &str = "LIFEBOAT_STORE";
/// Bytes in a second to and from the store.
pub(crate) const BANDWIDTH: &str = "LIFEBOAT_BANDWIDTH";
/// How long calls to the store are repeated.
pub(crate) const RETRY_FOR: &str = "LIFEBOAT_RETRY_FOR";
/// The name, in the store, of the one database this run is about.
pub(crate) const NAME: &str = "LIFEBOAT_NAME";
/// How to connect to that database: a secret reference, or a connection string without a password.
pub(crate) const DATABASE_URL: &str = "LIFEBOAT_DATABASE_URL";
/// The folder of Postgres's tools.
pub(crate) const TOOLS_DIR: &str = "LIFEBOAT_TOOLS_DIR";
/// The command, split at white space, through which Postgres's tools run, such as `docker exec -i db`.
pub(crate) const TOOLS_PREFIX: &str = "LIFEBOAT_TOOLS_PREFIX";
/// The class of new backups.
pub(crate) const CLASS: &str = "LIFEBOAT_CLASS";
/// The dump method.
pub(crate) const METHOD: &str = "LIFEBOAT_METHOD";
/// How the script is compressed.
pub(crate) const COMPRESSION: &str = "LIFEBOAT_COMPRESSION";
/// How many connections dump rows.
pub(crate) const JOBS: &str = "LIFEBOAT_JOBS";
/// How many parts of 16 MiB may be in flight.
pub(crate) const PARTS_IN_FLIGHT: &str = "LIFEBOAT_PARTS_IN_FLIGHT";
/// How long a backup may stand still.
pub(crate) const STALL_TIMEOUT: &str = "LIFEBOAT_STALL_TIMEOUT";
/// How long a backup waits for a table lock.
pub(crate) const LOCK_TIMEOUT: &str = "LIFEBOAT_LOCK_TIMEOUT";
/// How long a change of a table may wait for a backup.
pub(crate) const YIELD_TO_DDL: &str = "LIFEBOAT_YIELD_TO_DDL";
/// How old a backup's snapshot may become.
pub(crate) const SNAPSHOT_MAX_AGE: &str = "LIFEBOAT_SNAPSHOT_MAX_AGE";
/// Where the keyring is: a secret reference.
pub(crate) const KEYRING: &str = "LIFEBOAT_KEYRING";
/// Public keys that backups are sealed to as well, between spaces or commas.
pub(crate) const RECIPIENTS: &str = "LIFEBOAT_RECIPIENTS";
/// The only signers whose backups are read, between spaces or commas.
pub(crate) const TRUSTED_SIGNERS: &str = "LIFEBOAT_TRUSTED_SIGNERS";
/// What kind of scratch database drills use.
pub(crate) const DRILL_SCRATCH: &str = "LIFEBOAT_DRILL_SCRATCH";
/// The folder of throwaway clusters.
pub(crate) const DRILL_DIR: &str = "LIFEBOAT_DRILL_DIR";
/// The major version of throwaway clusters.
pub(crate) const DRILL_POSTGRES: &str = "LIFEBOAT_DRILL_POSTGRES";
/// A server for drills that is not production.
pub(crate) const DRILL_SERVER: &str = "LIFEBOAT_DRILL_SERVER";
/// Sessions of a drill.
pub(crate) const DRILL_JOBS: &str = "LIFEBOAT_DRILL_JOBS";
/// How long rows may be compared.
pub(crate) const DRILL_BUDGET: &str = "LIFEBOAT_DRILL_BUDGET";
/// How long a drill may take.
pub(crate) const DRILL_TIMEOUT: &str = "LIFEBOAT_DRILL_TIMEOUT";
/// Until when the database has to be usable.
pub(crate) const DRILL_RTO: &str = "LIFEBOAT_DRILL_RTO";
/// How much may be lost.
pub(crate) const DRILL_RPO: &str = "LIFEBOAT_DRILL_RPO";
/// The log filter, as in `lifeboat_core=debug`; stronger than `-v`.
pub(crate) const LOG: &str = "LIFEBOAT_LOG";

/// The folder for what must outlive a run; set by systemd's `StateDirectory=`.
pub(crate) const STATE_DIRECTORY: &str = "STATE_DIRECTORY";
/// The folder for credential files of child processes; set by systemd's `RuntimeDirectory=`.
pub(crate) const RUNTIME_DIRECTORY: &str = "RUNTIME_DIRECTORY";
/// The folder of `credential:` references; set by systemd's `LoadCredential=`.
pub(crate) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// Device and inode of the journal's stream, when stderr may be it; set by systemd.
pub(crate) const JOURNAL_STREAM: &str = "JOURNAL_STREAM";
/// Where `STATUS=` goes; set by systemd.
pub(crate) const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// The base folder of data, by the XDG convention; `~/.local/share` without it.
pub(crate) const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// The base folder of state, by the XDG convention; `~/.local/state` without it.
pub(crate) const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// The home folder.
pub(crate) const HOME: &str = "HOME";
/// Where programs are looked for.
pub(crate) const PATH: &str = "PATH";
/// No colour when set to anything.
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// The kind of terminal; `dumb` means no colour and no bars.
pub(crate) const TERM: &str = "TERM";

/// The object store's usual variables start so; all of them are handed to it.
pub(crate) const AWS_PREFIX: &str = "AWS_";
/// The same of Google Cloud Storage, for `gs://`.
pub(crate) const GOOGLE_PREFIX: &str = "GOOGLE_";
/// The same of Azure, for `az://`.
pub(crate) const AZURE_PREFIX: &str = "AZURE_";
/// The store's endpoint, for servers other than AWS.
pub(crate) const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// The same, for S3 alone: stronger than [`AWS_ENDPOINT_URL`], as the AWS tools have it.
pub(crate) const AWS_ENDPOINT_URL_S3: &str = "AWS_ENDPOINT_URL_S3";
/// The same, by an older name.
pub(crate) const AWS_ENDPOINT: &str = "AWS_ENDPOINT";
/// `true` puts the bucket into the host name, where nothing else says so.
pub(crate) const AWS_VIRTUAL_HOSTED_STYLE_REQUEST: &str = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST";
/// The checksum of each part, where nothing else names one.
pub(crate) const AWS_CHECKSUM_ALGORITHM: &str = "AWS_CHECKSUM_ALGORITHM";
/// The store's region.
pub(crate) const AWS_REGION: &str = "AWS_REGION";
/// `true` allows a store without TLS; for loopback.
pub(crate) const AWS_ALLOW_HTTP: &str = "AWS_ALLOW_HTTP";
/// The store's access key.
pub(crate) const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// The secret of the access key.
pub(crate) const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// The token of a temporary access key.
pub(crate) const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// libpq's own variables that say which database is meant; they serve a database without a `url`. A host alone does not: the
/// user's own database would be backed up under another's name.
pub(crate) const POSTGRES: [&str; 2] = ["PGDATABASE", "PGSERVICE"];
