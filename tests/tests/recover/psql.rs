//! What stock psql makes of it.

use std::io::{Seek as _, Write as _};
use std::process::Stdio;

use lifeboat_tests::recover::recover_py;
use lifeboat_tests::{Major, Postgres};

use crate::archive::{Archive, END, HEAD, KEYRING};

const TABLE: &str = "SET lc_monetary = 'C';\nCREATE TABLE t (a text);\n";
const ROWS: &str = "COPY t FROM stdin;\n1\n22\n333\n";
const REST: &str = "\\.\nCREATE INDEX ON t (a);\nINSERT INTO t VALUES ('it''s');\n";

#[test]
fn stock_psql_takes_the_dump_from_a_pipe() {
    for major in Major::ALL {
        let archive = Archive::sealed(&[TABLE, ROWS, REST]).wrapped_under("offline");
        std::fs::write(archive.path("keyring.toml"), KEYRING).unwrap();
        let database = Postgres::shared(major).database("recovered");
        let mut recover = recover_py();
        recover.arg("--keyring").arg(archive.path("keyring.toml")).arg(archive.folder.path());
        let mut recover = recover.stdout(Stdio::piped()).spawn().unwrap();
        let mut psql = database.server.client("psql", &database.name);
        let psql = psql.args(["-X", "-q"]).stdin(recover.stdout.take().unwrap()).output().unwrap();
        assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
        assert!(recover.wait().unwrap().success());
        assert_eq!(database.psql("SELECT string_agg(a, ' ' ORDER BY a) FROM t"), "1 22 333 it's");
    }
}

/// However it came about: without the frame psql commits the rows it got and exits with 0.
#[test]
fn psql_fails_on_a_dump_that_ends_early_wherever_that_is() {
    let dump = format!("{HEAD}{TABLE}{ROWS}{REST}{END}");
    for major in Major::ALL {
        let server = Postgres::shared(major);
        let database = server.database("cut");
        for at in HEAD.len()..dump.len() - 2 {
            // Whole lines, and here and there a part of one.
            if dump.as_bytes()[at - 1] != b'\n' && at % 5 != 0 {
                continue;
            }
            database.psql("DROP TABLE IF EXISTS t");
            let mut psql = server.client("psql", &database.name);
            let cut = input(&dump[..at]);
            let output = psql.args(["-X", "-q"]).stdin(cut).output().unwrap();
            assert_eq!(output.status.code(), Some(3), "cut to {at}: {:?}", &dump[..at]);
        }
    }
}

#[test]
fn psql_in_one_transaction_leaves_nothing_of_a_dump_that_ends_early() {
    let dump = format!("{HEAD}{TABLE}{ROWS}");
    for major in Major::ALL {
        let database = Postgres::shared(major).database("cut");
        let mut psql = database.server.client("psql", &database.name);
        let output = psql.args(["-X", "-q", "-1", "-f", "-"]).stdin(input(&dump)).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(database.psql("SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");
    }
}

#[test]
fn psql_fails_when_the_backup_is_refused() {
    let archive = Archive::sealed(&[TABLE]);
    archive.damage("dump-0000.sql.gz.sealed", |bytes| bytes[60] ^= 1);
    let refused = archive.recover(&[]);
    let database = Postgres::shared(Major::V18).database("refused");
    assert_eq!(database.feed(refused.stdout.as_bytes()).status.code(), Some(3));
}

/// A file with this text, open at its beginning.
fn input(text: &str) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}
