//! Which backends are healthy, why not, whose side has to act, and what to do.
//!
//! One crate: this library is the product, the binary only turns its result into an exit code. Data flows one way; each
//! stage knows its input and its output and nothing else, and only [`app`] knows the order: *observe, judge, record*.
//!
//! ```text
//!         config ─► discovery ─► target ─► scheduler ──beat──► probe ─────► verdict ────► health ─────► view ─► web, cli
//! value   Config     Server      Target     (when)       ProbeSpec→         Observation→   Verdict→      Snapshot→
//!                            pool×server×settings        Observation        Verdict        HealthTable   pages, metrics
//! reads   a file     names         –        the clock    the network           –             –             –
//! ```
//!
//! Beside it stands `troubleshoot`: one deep check of one server, out of the same probe, verdict and resolver. Below all of
//! it lie the small `words` that every room writes the same way.
//!
//! # Invariants
//!
//! The ones with a ✓ are tests (`tests/it/architecture.rs`).
//!
//! 1. Only `app` knows the order of the stages. Who may name whom is a table, in which a name counts for the room that
//!    has it, through whatever room it comes; files beside each other depend one way. ✓
//! 2. `probe` records, `verdict` judges. A failed probe is data, never `Err`.
//! 3. What is known of a row changes in `health` alone. What changes elsewhere is a memory that saves work (answers of
//!    names, accepted chains, judged chains) or is about our own running: beats, reloads, requests under way. ✓ Views
//!    get one snapshot; no view reads another.
//! 4. A loaded config value never changes; a reload makes a new one and swaps it in when it is whole.
//! 5. What is not known is Unknown. Nothing starts healthy. A verdict for a target that is gone is dropped.
//! 6. Words shown to people live in tables, and every surface reads the same row.
//! 7. A backend can never make us hold more than a bounded number of bytes, wait longer than the timeout, or write
//!    outside its own row.
//! 8. Our own trouble (late, out of descriptors, offline) is never booked on a server.
//! 9. `words`, `target`, `verdict` and `view` are pure: no tokio, no clock, no files, no environment. ✓
//!
//! # Where things are added
//!
//! A cause: `verdict/cause.rs` and the arm that sees it. A protocol: its row in `probe/protocol.rs`, and a file
//! in `probe/` when it says something of its own. A key of a probe: `config/probe.rs`, and the value that it is a part
//! of (`probe/request.rs`, `probe/spec.rs`). A metric: `view/metrics.rs`. A source of servers: a file in `discovery/`
//! and `discovery.rs`, and its keys in `config/pool.rs`.

pub mod cli;
pub mod app;
pub mod config;
pub mod resolver;
pub mod discovery;
pub mod target;
pub mod scheduler;
pub mod probe;
pub mod verdict;
pub mod troubleshoot;
pub mod health;
pub mod view;
pub mod web;
pub mod lab;
pub mod words;
