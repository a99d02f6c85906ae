//! The servers the tests run against.

pub mod certificates;
mod cluster;
pub mod installation;
pub mod lookalikes;
pub mod pgbouncer;
pub mod postgres;
pub mod seaweed;
