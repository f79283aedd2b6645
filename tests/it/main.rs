//! The integration tests: the product against real backends over real sockets. One binary, a module for each theme; what
//! is pure is tested in its own file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a test says when it skips, and what it measured")]

// Who may name whom, and what is pure.
mod architecture;
mod contributing;

// The configuration file, and that of whoever asks a running exporter.
mod config;
mod http_config;

// The words for every cause, and the documentation that is made of them.
mod docs;
mod reference;

// Names and addresses.
mod dns;

// The fault table: what each behaviour of a backend comes to.
mod faults;

// The same against OpenSSL's servers, against hostile certificates, and with whatever comes by chance.
mod openssl;
mod hostile;
mod fuzz;

// What servers as they are installed answer.
mod servers;

// The lab's backends do what their names say.
mod lab;

// CPU time, for bounds that hold on a busy machine.
mod effort;

// A terminal, to be written to.
mod terminal;

// A server on all addresses that notes when it was asked.
mod everywhere;

// One deep check of one server.
mod troubleshoot;

// Networks of their own, and this host in trouble.
mod network;
mod overload;

// Certificate chains: ours, random ones and the world's test cases.
mod chains;
mod limbo;

// Renderings of a sample table.
mod exposition;
mod metrics;
mod report;
mod azure;
mod picture;
mod table;
mod history;
mod page;
mod row;
mod remedies;
mod sample;

// Rules, alerts, routes, and what is said about them.
mod alerts;

// The exporter's own listener, and its log.
mod log;
mod web;

// The program itself, as a process of its own.
mod exporter;

// The dashboards, against the real Prometheus that scrapes the demo.
mod dashboards;
// The pages in a real browser.
mod browser;
