//! A guest book that defends itself: all five `sec-*` crates, in memory. Copy the folder and start.

#![forbid(unsafe_code)]

pub mod app;
pub mod comments;
pub mod config;
pub mod limits;
mod routes;
mod server;
pub mod tour;
pub mod users;
