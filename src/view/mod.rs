//! Pure renderings of one [`Snapshot`](crate::health::Snapshot): no clock, no files, no network. Whoever calls says
//! what time it is and where the text goes.

pub mod exposition;
mod family;
mod labels;
pub mod metrics;
mod numbers;
pub mod page;
pub mod ranking;
pub mod remedy;
pub mod terminal;
pub mod text;
mod time;
pub mod troubleshoot;
