//! The servers the tests run against.

pub mod azurite;
pub mod certificates;
mod cluster;
mod fetched;
pub mod installation;
pub mod lookalikes;
pub mod pgbouncer;
pub mod postgres;
pub mod seaweed;
pub mod tinyproxy;
