//! The report on a terminal: a block for each fault with who acts and the first step, the worst one last, where the eye is
//! when the command has ended.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::time::SystemTime;

use super::cell::{cut, folded, width};
use super::look::{Colour, Look, Order};
use super::table::{sgr, summary, table};
use crate::health::State;
use crate::verdict::Side;
use crate::view::ranking::{Urgency, worst_first};
use crate::view::report::{Problem, Report, ReportRow};
use crate::words::{age, endpoint, span, visible};

/// The faults of a report, as many of the worst as fit `look.lines`, and how many rows are in which state. A single row
/// stands as in [`table`], with all that is known of it.
#[must_use]
pub fn faults(report: &Report<'_>, look: &Look) -> String {
    if let [_] = report.rows.as_slice() {
        return table(report, look);
    }
    let groups = grouped(&report.rows, look);
    let (mut blocks, mut room) = (Vec::new(), look.lines.map(|lines| lines.saturating_sub(SUMMARY)));
    let mut left = groups.iter();
    for group in left.by_ref() {
        let (block, lines) = group.block(look, room);
        // The worst one is always shown.
        if !blocks.is_empty() && room.is_some_and(|room| lines > room) {
            let rows = group.rows.len() + left.clone().map(|group| group.rows.len()).sum::<usize>();
            let faults = 1 + left.len();
            let more = format!(
                "… {faults} more {} on {rows} {}; --all shows them\n",
                plural(faults, "fault"),
                plural(rows, "row")
            );
            blocks.push(more);
            break;
        }
        room = room.map(|room| room.saturating_sub(lines));
        blocks.push(block);
    }
    blocks.reverse();
    let hidden = report.rows.iter().filter(|row| Urgency::of(*row) == Urgency::Healthy).count();
    let hint = if hidden > 0 && !look.healthy { " (--all shows every row)" } else { "" };
    let mut text = blocks.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report.summary) + hint + "\n"
}

/// Lines that are no block: what is left out and a blank, the summary, and the next command's.
const SUMMARY: usize = 4;

/// Rows of a group that are shown where not all are.
const FIRST_ROWS: usize = 5;

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// Rows with the same fault.
struct Group<'r, 'a> {
    urgency: Urgency,
    /// Of the row that is shown first; `None` of rows that are well.
    problem: Option<&'r Problem<'a>>,
    rows: Vec<&'r ReportRow<'a>>,
}

/// The worst first: by urgency, then the one with the latest change (where all were probed just now, the largest).
fn grouped<'r, 'a>(rows: &'r [ReportRow<'a>], look: &Look) -> Vec<Group<'r, 'a>> {
    let mut groups: Vec<Group<'r, 'a>> = Vec::new();
    let mut known = HashMap::new();
    let ranked = worst_first(rows).into_iter().filter(|(urgency, _)| look.healthy || *urgency != Urgency::Healthy);
    for (urgency, row) in ranked.flat_map(|(urgency, rows)| rows.into_iter().map(move |row| (urgency, row))) {
        let problem = urgency.problem_of(row);
        let fault = problem.map(|problem| (&*problem.code, side(problem.side), problem.certificate.as_deref()));
        match known.entry((urgency, fault)) {
            Entry::Occupied(place) => {
                let place: &usize = place.get();
                groups[*place].rows.push(row);
            }
            Entry::Vacant(place) => {
                place.insert(groups.len());
                groups.push(Group { urgency, problem, rows: vec![row] });
            }
        }
    }
    let newest = |group: &Group<'_, '_>| group.rows.iter().map(|row| row.since).max().unwrap_or(SystemTime::UNIX_EPOCH);
    match look.order {
        Order::LatestChange => groups.sort_by_key(|group| (group.urgency, Reverse(newest(group)))),
        Order::Configuration => groups.sort_by_key(|group| (group.urgency, Reverse(group.rows.len()))),
    }
    groups
}

impl Group<'_, '_> {
    /// The block, and how many lines it takes with the blank one after it; fewer rows where there is less room.
    fn block(&self, look: &Look, room: Option<usize>) -> (String, usize) {
        let all = self.rows.len();
        let mut shown = match room {
            None => all,
            // Rows that are well say nothing beside their names.
            Some(room) if self.problem.is_none() => room.saturating_sub(3).max(1),
            Some(_) => FIRST_ROWS,
        };
        loop {
            let block = self.written(look, shown.min(all));
            let lines = block.lines().count() + 1;
            if shown <= 1 || room.is_none_or(|room| lines <= room) {
                return (block, lines);
            }
            shown -= 1;
        }
    }

    fn written(&self, look: &Look, shown: usize) -> String {
        let columns = look.width.unwrap_or(usize::MAX);
        let mut text = String::new();
        let rows = format!("{} {}", self.rows.len(), plural(self.rows.len(), "row"));
        let state = self.urgency.title();
        let heading = match self.problem {
            None => format!("{state}: {rows}"),
            Some(Problem { code, title, side: who, .. }) => {
                format!("{state}: {title} ({code}), {rows}; {} acts", side(*who))
            }
        };
        let heading = folded(&visible(&heading), 2, columns);
        match (look.colour, heading.strip_prefix(state)) {
            (Colour::Ansi, Some(rest)) => drop(writeln!(text, "\u{1b}[{}m{state}\u{1b}[0m{rest}", sgr(self.state()))),
            (Colour::Ansi | Colour::None, _) => drop(writeln!(text, "{heading}")),
        }
        self.list(&mut text, look, shown);
        if let Some(problem) = self.problem {
            line(&mut text, "Seen", &problem.detail, columns);
            if let Some(step) = problem.remedy.first() {
                // The side stands above already.
                let own = step.split_once(": ").filter(|(who, _)| who.eq_ignore_ascii_case(side(problem.side)));
                line(&mut text, "First", own.map_or(step, |(_, rest)| rest), columns);
            }
        }
        text
    }

    fn state(&self) -> State {
        self.rows.first().map_or(State::Unknown, |row| row.state)
    }

    /// A line for each row, in columns, and how many more there are.
    fn list(&self, text: &mut String, look: &Look, shown: usize) {
        let cells = |row: &&ReportRow<'_>| {
            let since = span(age(look.now, row.since)).to_string();
            [row.pool.to_string(), endpoint(&row.server, row.port), row.setting.to_string(), since]
                .map(|cell| visible(&cell).into_owned())
        };
        let lines: Vec<[String; 4]> = self.rows[..shown].iter().map(cells).collect();
        let widths = [0, 1, 2].map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0));
        for [pool, server, setting, since] in &lines {
            let mut whole = String::from("  ");
            for (cell, wide) in [pool, server, setting].into_iter().zip(widths) {
                let _ = write!(whole, "{cell}{}  ", " ".repeat(wide - width(cell)));
            }
            let _ = write!(whole, "for {since}");
            let _ = writeln!(text, "{}", look.width.map_or(whole.as_str().into(), |columns| cut(&whole, columns)));
        }
        if let more @ 1.. = self.rows.len() - shown {
            let _ = writeln!(text, "  and {more} more");
        }
    }
}

fn line(text: &mut String, name: &str, value: &str, columns: usize) {
    let whole = format!("  {name:<7}{}", visible(value));
    let _ = writeln!(text, "{}", folded(&whole, 9, columns));
}

/// Who acts, as the metrics and filters call it.
fn side(side: Side) -> &'static str {
    side.as_str()
}
