//! The servers the tests run against.

pub mod certificates;
pub mod installation;
pub mod pgbouncer;
pub mod postgres;
pub mod seaweed;
