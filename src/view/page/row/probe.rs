//! What the latest probe asked, what came back, and how long each part took.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::verdict::Stage;
use crate::view::page::strip;
use crate::view::picture::place;
use crate::view::report::{LastProbe, ReportRow, RequestView};
use crate::words::{age, masked, one_line, readable, setting, span, took};

pub(super) fn facts(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    html! {
        section aria-labelledby="latest-title" {
            h2 id="latest-title" { "Latest probe" }
            @match &row.last_probe {
                None => p { "The first one has not ended yet." },
                Some(probe) => {
                    (strip::phases(&probe.phases, probe.duration_seconds))
                    (strip::key(&probe.phases))
                    (list(row, probe, now))
                }
            }
        }
    }
}

/// In seconds; 0 when there is only one interval.
fn other_interval(row: &ReportRow<'_>) -> f64 {
    let other = row.probe.unhealthy_interval_seconds;
    if seconds(other) == seconds(row.probe.interval_seconds) { 0.0 } else { other }
}

fn list(row: &ReportRow<'_>, probe: &LastProbe<'_>, now: SystemTime) -> Markup {
    let LastProbe { at, duration_seconds, address, attempts, request, response, tls, .. } = probe;
    let RequestView { url, host, sni } = request;
    html! {
        dl.facts {
            dt { "Started" }
            dd { (readable(*at)) ", " (span(age(now, *at))) " ago; one every " (setting(seconds(row.probe.interval_seconds)))
                @if other_interval(row) > 0.0 {
                    ", every " (setting(seconds(other_interval(row)))) " after a failure and until it is Healthy"
                }
            }
            dt { "Took" }
            dd { (took(seconds(*duration_seconds))) " of at most " (took(seconds(row.probe.timeout_seconds))) }
            dt { "Address" }
            dd { @match address { Some(address) => code { (address) }, None => "none: the name gave no address" } }
            @if !attempts.is_empty() {
                dt { "Addresses that failed" }
                dd {
                    @for attempt in attempts {
                        code { (attempt.address) } ": "
                        @match place::parse(&attempt.cause) { Some(code) => (code.words().title), None => (attempt.cause) }
                        @if !attempt.detail.is_empty() { " – " bdi { (one_line(&attempt.detail)) } }
                        br;
                    }
                }
            }
            dt { "Asked" }
            dd {
                code { bdi { (one_line(url)) } }
                @if let Some(host) = host { ", Host " code { bdi { (one_line(host)) } } }
                @if let Some(sni) = sni { ", SNI " code { bdi { (one_line(sni)) } } }
                @for part in row.probe.sends.iter().filter(|part| !part.starts_with("path ")) {
                    br; bdi { (one_line(part)) }
                }
            }
            @if row.probe.expects.len() > 1 {
                dt { "Expected" }
                dd { @for (index, part) in row.probe.expects.iter().enumerate() { @if index > 0 { br; } bdi { (one_line(part)) } } }
            }
            @if let Some(tls) = tls && let Some(version) = &tls.version {
                dt { "TLS" }
                dd { (version) @if let Some(cipher) = &tls.cipher { ", " (cipher) } @if tls.verified { ", verified" } @else { ", not verified" } }
            }
            @if row.protocol.has(Stage::Http) {
                dt { "Response" }
                dd {
                    @match response {
                        None => "none",
                        Some(response) => {
                            (response.version) " " b { (response.status) }
                            @if response.body_excerpt.is_empty() { ", without a body" } @else {
                                pre.excerpt tabindex="0" role="region" aria-label="The body's beginning" {
                                    bdi { (masked(&response.body_excerpt)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
