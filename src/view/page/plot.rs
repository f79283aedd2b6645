//! Plots over time, drawn as SVG without a library or a style of its own: bars by hour or week, and the bands of a row's
//! states. What each part stands for is in its title, in words beside it, and in a table.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::health::{Span, State};
use crate::words::{age, day, moment, readable, rfc3339, short_day, span};

/// Days of a plot by the hour: seven whole ones and the one that the first of them begins in.
pub(super) const DAYS: usize = 8;

/// Bars by the hour: changes to each state, by [`State::ALL`], above each other. `link` leads to an hour.
pub(super) fn hours(hours: &[(SystemTime, [usize; 3])], link: impl Fn(SystemTime) -> String) -> Markup {
    let most = hours.iter().map(|(_, counts)| counts.iter().sum::<usize>()).max().unwrap_or(0).max(1);
    let bars: Vec<_> = (0..).zip(hours).filter(|(_, (_, counts))| counts.iter().sum::<usize>() > 0).collect();
    html! {
        div.plot {
            p.plot-most { "at most " (most) " an hour" }
            svg.bars viewBox={ "0 0 " (hours.len() * 10) " 100" } preserveAspectRatio="none" role="group" aria-label="Changes by hour; the table below has the numbers" {
                @for (place, (hour, counts)) in bars {
                    // By keys the table is the shorter way.
                    @let says = format!("{}, {}: {}", day(*hour), hour_of(*hour), words(*counts));
                    a href=(link(*hour)) tabindex="-1" aria-label=(says) {
                        title { (says) }
                        rect.reach x=(place * 10) width="10" height="100" {}
                        @for (state, from, high) in stacked(*counts, most) {
                            rect class=(state.label()) x=(place * 10 + 1) width="8" y=(format!("{:.1}", 100.0 - from - high)) height=(format!("{high:.1}")) {}
                        }
                    }
                }
            }
            ol.axis aria-hidden="true" { @for chunk in hours.chunks(24) { li { (short_day(chunk[0].0)) } } }
        }
    }
}

/// A count as a part of another one, of 100.
fn percent(count: usize, of: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(count) / number(of.max(1)) * 100.0
}

/// Where each state's part of a bar begins and how high it is, of 100.
fn stacked(counts: [usize; 3], most: usize) -> Vec<(State, f64, f64)> {
    let [healthy, unhealthy, unknown] = counts;
    let mut from = 0.0;
    [(State::Unhealthy, unhealthy), (State::Unknown, unknown), (State::Healthy, healthy)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| {
            let high = percent(count, most);
            from += high;
            (state, from - high, high)
        })
        .collect()
}

fn words([healthy, unhealthy, unknown]: [usize; 3]) -> String {
    let some = [(unhealthy, "to Unhealthy"), (unknown, "to Unknown"), (healthy, "to Healthy")];
    let some = some.into_iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}"));
    some.collect::<Vec<_>>().join(", ")
}

/// `03:00 to 04:00`.
pub(super) fn hour_of(hour: SystemTime) -> String {
    let hour: u64 = age(hour, SystemTime::UNIX_EPOCH).as_secs() / 3_600 % 24;
    format!("{hour:02}:00 to {:02}:00", (hour + 1) % 24)
}

/// Bars of plain numbers, each with its words; the class says how urgent it is. `axis` is written below, from left to right.
pub(super) fn bars(label: &str, bars: &[(usize, &'static str, String)], axis: &[String]) -> Markup {
    let most = bars.iter().map(|(count, ..)| *count).max().unwrap_or(0).max(1);
    html! {
        div.plot {
            svg.bars viewBox={ "0 0 " (bars.len() * 10) " 100" } preserveAspectRatio="none" role="img" aria-label=(label) {
                @for (place, (count, class, words)) in bars.iter().enumerate().filter(|(_, (count, ..))| *count > 0) {
                    g {
                        title { (words) }
                        rect.reach x=(place * 10) width="10" height="100" {}
                        @let high = percent(*count, most);
                        rect class=(class) x=(place * 10 + 1) width="8" y=(format!("{:.1}", 100.0 - high)) height=(format!("{high:.1}")) {}
                    }
                }
            }
            ol.axis aria-hidden="true" { @for text in axis { li { (text) } } }
        }
    }
}

/// The states of a row from `since` until `now`. What is under the pointer, or has the focus, is said in the element with
/// the id `said`.
pub(super) fn band(spans: &[Span], since: SystemTime, now: SystemTime, said: &str, label: &str) -> Markup {
    let whole = age(now, since).as_secs_f64().max(1.0);
    let place = |at: SystemTime| age(at, since).as_secs_f64() / whole * 1_000.0;
    html! {
        svg.band viewBox="0 0 1000 10" preserveAspectRatio="none" role="group" aria-label=(label) data-said=(said) {
            rect.unheard width="1000" height="10" {}
            @for (number, span) in spans.iter().enumerate() {
                @let says = says(span, now);
                rect class={ (span.state.label()) @if span.is_summed { " summed" } } x=(format!("{:.2}", place(span.from)))
                    width=(format!("{:.2}", (place(span.to) - place(span.from)).max(1.5))) height="10" role="img" aria-label=(says) data-says=(says)
                    tabindex=(if number + 1 == spans.len() { "0" } else { "-1" }) { title { (says) } }
            }
        }
    }
}

/// A span in one line.
fn says(of: &Span, now: SystemTime) -> String {
    let Span { from, to, state, cause, is_summed, shares } = of;
    let until = if is_now(*to, now) { "now".to_owned() } else { moment(*to, now) };
    let time = format!("{} to {until} ({})", moment(*from, now), span(age(*to, *from)));
    match (is_summed, cause) {
        (true, _) => {
            let [healthy, ..] = shares;
            format!("Changed often, Healthy for {:.0} % of the time: {time}", healthy * 100.0)
        }
        (false, Some(cause)) => format!("{}: {time}: {}", state.as_str(), cause.words().title),
        (false, None) => format!("{}: {time}", state.as_str()),
    }
}

/// Spans are known to the millisecond.
fn is_now(at: SystemTime, now: SystemTime) -> bool {
    age(now, at).as_millis() == 0
}

/// The same as a table, the latest first.
pub(super) fn spans(spans: &[Span], now: SystemTime) -> Markup {
    html! {
        table.spans {
            caption.hidden { "States, the latest first" }
            thead { tr { @for column in ["State", "From", "For", "Why"] { th scope="col" { (column) } } } }
            tbody {
                @for of in spans.iter().rev().take(SPANS) {
                    tr {
                        td.state { span class=(of.state.label()) { @if of.is_summed { "Changed often" } @else { (of.state.as_str()) } } }
                        td { time datetime=(rfc3339(of.from)) { (readable(of.from)) } }
                        td.number { (span(age(of.to, of.from))) @if is_now(of.to, now) { " until now" } }
                        td { @if let Some(cause) = of.cause { (cause.words().title) } }
                    }
                }
            }
        }
        @if spans.len() > SPANS { p.note { (spans.len() - SPANS) " earlier ones are left out." } }
    }
}

/// Rows of that table.
const SPANS: usize = 100;
