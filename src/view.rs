//! Pure renderings of one [`Snapshot`](crate::health::Snapshot): no clock, no files, no network. Whoever calls says
//! what time it is and where the text goes.

pub mod azure;
pub mod certificates;
pub mod check;
pub mod exposition;
mod family;
pub mod groups;
pub mod help;
mod labels;
pub mod metrics;
mod numbers;
pub mod report;
pub mod page;
pub mod picture;
pub mod ranking;
pub mod remedy;
pub mod standing;
pub mod text;
