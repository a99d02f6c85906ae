//! Reads the SQL script that `pg_dump` prints: which bytes are rows of which table, and where the script may be cut.
//!
//! Guards the claim that what the index calls a row, a statement or a table is what `psql` and the server would take
//! it for. Nothing here does IO. Text may be in any server encoding: all of them keep ASCII bytes for ASCII
//! characters, and names are kept as bytes ([`SqlName`]).

mod capture;
mod class;
mod copy_target;
mod foreign;
mod head;
mod header;
mod inside;
mod lexer;
mod name;
mod nesting;
mod on_rows;
mod recognise;
mod rows;
mod scan;
mod setval;
mod statements;
mod token;
mod words;

pub use copy_target::CopyTarget;
pub use foreign::{Transaction, beyond_the_database, created_extension, makes_or_drops_a_database, roles_named};
pub use header::{CommentHeader, comment_header};
pub use lexer::Lexer;
pub use name::SqlName;
pub use on_rows::{Built, OnRows, TableName, on_rows};
pub use recognise::{
    changes_owner_or_privileges, creates_user_mapping, is_session_setting, may_name_roles, refreshes_materialized_view,
};
pub use setval::{Setval, qualified_name, setval};
pub use statements::{Statement, Statements};
pub use token::{StatementKind, Token, Trailer};

#[cfg(test)]
mod tests;
