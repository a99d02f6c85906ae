mod copy;
mod model;
mod on_rows;
mod recognised;
mod statements;

use lifeboat_core::{Kind, Result};

use super::{CopyTarget, Lexer, StatementKind, Token, Trailer};

/// A script as the lexer told it, put together again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Statement(StatementKind, Vec<u8>),
    CopyBegin(CopyTarget, Vec<u8>),
    Rows(Vec<Vec<u8>>),
}

#[derive(Debug, Default)]
struct Reader {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    sql: Vec<u8>,
    rows: Vec<u8>,
}

impl Reader {
    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Sql(sql) => {
                self.bytes.extend_from_slice(sql);
                self.sql.extend_from_slice(sql);
            }
            Token::StatementEnd(kind) => self.pieces.push(Piece::Statement(kind, std::mem::take(&mut self.sql))),
            Token::CopyBegin(target) => self.pieces.push(Piece::CopyBegin(target, std::mem::take(&mut self.sql))),
            Token::Rows(rows) => {
                self.bytes.extend_from_slice(rows);
                self.rows.extend_from_slice(rows);
            }
            Token::CopyEnd => {
                assert!(self.sql.is_empty());
                self.pieces.push(Piece::Rows(lines(&std::mem::take(&mut self.rows))));
            }
        }
    }
}

fn lines(rows: &[u8]) -> Vec<Vec<u8>> {
    rows.split_inclusive(|&byte| byte == b'\n').map(|row| row.strip_suffix(b"\n").unwrap().to_vec()).collect()
}

/// Reads a script in slices of these lengths, over and over.
fn read_in(script: &[u8], lengths: &[usize]) -> Result<(Vec<Piece>, Trailer)> {
    let (mut lexer, mut reader, mut rest) = (Lexer::new(), Reader::default(), script);
    for &length in lengths.iter().cycle() {
        let (slice, after) = rest.split_at(length.min(rest.len()));
        lexer.push(slice, &mut |token| {
            reader.take(token);
            Ok(())
        })?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let trailer = lexer.finish()?;
    assert_eq!(reader.bytes, script, "all bytes are told, and in order");
    Ok((reader.pieces, trailer))
}

/// Reads a script in slices of several lengths, which must not matter.
fn read(script: &[u8]) -> Result<(Vec<Piece>, Trailer)> {
    let whole = read_in(script, &[usize::MAX]);
    for length in [1, 2, 3, 5, 64] {
        match (&whole, read_in(script, &[length])) {
            (Ok(whole), Ok(sliced)) => assert_eq!(*whole, sliced, "in slices of {length}"),
            (Err(whole), Err(sliced)) => assert_eq!(whole.chain(), sliced.chain(), "in slices of {length}"),
            (whole, sliced) => panic!("{whole:?}, but in slices of {length}: {sliced:?}"),
        }
    }
    whole
}

/// The statements of a script without rows, white space around them removed.
fn statements(script: &str) -> Vec<String> {
    let (pieces, _) = read(script.as_bytes()).unwrap();
    let statement = |piece: Piece| match piece {
        Piece::Statement(_, text) => String::from_utf8(text).unwrap().trim().to_owned(),
        other => panic!("not a statement: {other:?}"),
    };
    pieces.into_iter().map(statement).collect()
}

fn error(script: &str) -> (Kind, String) {
    let error = read(script.as_bytes()).unwrap_err();
    (error.kind(), error.chain())
}
