//! A deep check as text: stage by stage, the verdict last, where the eye is when the command has ended.

use super::section::{Block, Cell, Form, Mark, Section};
use super::{Check, TargetView};
use crate::troubleshoot::{ConnectionStatus, Severity, State};
use crate::view::report::Problem;
use crate::view::text::{Colour, facts, fold, folded, width};
use crate::words::{readable, took, visible};

/// All of it, in lines of at most `columns` where that is known. Nothing that a server sent can steer the terminal: every
/// line is escaped as a whole.
#[must_use]
pub fn text(check: &Check<'_>, colour: Colour, columns: Option<usize>) -> String {
    let mut paper = Paper { text: String::new(), colour, columns };
    let TargetView { server, port, protocol, host, path, name, pool, setting, .. } = &check.target;
    let request = path.zip(*host).map(|(path, host)| format!(", GET {path} with Host {host}"));
    let name = name.as_ref().map(|name| format!(", certificate for {name}"));
    let row = pool.zip(*setting).map(|(pool, setting)| format!(" (pool {pool}, setting {setting})"));
    let further: String = [request, name, row].into_iter().flatten().collect();
    let title = paper.folded(0, 2, &format!("{server} port {port}, {protocol}{further}"));
    paper.painted("1", &title);
    let took = took(std::time::Duration::try_from_secs_f64(check.duration_seconds).unwrap_or_default());
    paper.text.extend(["\n", &readable(check.at).to_string(), ", ", &took.to_string(), "\n"]);
    for section in &check.sections {
        paper.section(section);
    }
    paper.verdict(check);
    paper.text
}

/// What is written on, line by line.
struct Paper {
    text: String,
    colour: Colour,
    /// Of the terminal; `None`: lines are as long as they are.
    columns: Option<usize>,
}

impl Paper {
    fn section(&mut self, section: &Section) {
        self.text.push('\n');
        self.sign(section.mark);
        let title = self.folded(2, 2, &format!("{}: {}", section.title, section.outcome));
        self.painted("1", &title);
        self.text.push('\n');
        for block in &section.blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Block) {
        if let Some(title) = &block.title {
            self.line(Mark::None, title);
        }
        if block.form == Form::Table {
            self.table(block);
            return;
        }
        for (index, cell) in block.rows.iter().flatten().enumerate() {
            let words = match block.form {
                Form::List => format!("[{index}] {}", cell.text),
                Form::Wire => format!("| {}", cell.text),
                Form::Lines | Form::Table => cell.text.clone(),
            };
            self.line(cell.mark, &words);
            self.more(cell);
        }
    }

    /// Each column as wide as its longest cell; the row's mark stands before it.
    fn table(&mut self, block: &Block) {
        let mut rows = vec![block.columns.iter().map(|column| visible(column)).collect::<Vec<_>>()];
        rows.extend(block.rows.iter().map(|row| row.iter().map(|cell| visible(&cell.text)).collect()));
        let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
        let widths: Vec<usize> = (0..block.columns.len()).map(|column| widest(column).unwrap_or(0)).collect();
        for (index, row) in rows.iter().enumerate() {
            let cells = index.checked_sub(1).map(|index| &block.rows[index]);
            let mark = Mark::worst(cells.into_iter().flatten().map(|cell| cell.mark));
            let padded =
                row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}  ", " ".repeat(wide - width(cell))));
            self.line(mark, padded.collect::<String>().trim_end());
            cells.into_iter().flatten().for_each(|cell| self.more(cell));
        }
    }

    fn more(&mut self, cell: &Cell) {
        for words in &cell.more {
            self.line(Mark::None, &format!("    {words}"));
        }
    }

    fn line(&mut self, mark: Mark, words: &str) {
        self.text.push_str("  ");
        self.sign(mark);
        let own = words.len() - words.trim_start().len();
        let line = self.folded(4, 4 + own + 2, words);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// Text for a line on which so many columns are taken; what follows below is indented.
    fn folded(&self, taken: usize, indent: usize, words: &str) -> String {
        let words = visible(words);
        let Some(columns) = self.columns else { return words.into_owned() };
        // The first line is shorter by what is taken: blanks stand for that while it is folded.
        let blanks = " ".repeat(taken);
        folded(&format!("{blanks}{words}"), indent, columns)[taken..].to_owned()
    }

    fn sign(&mut self, mark: Mark) {
        let (sign, paint) = match mark {
            Mark::Good => ("✓", "32"),
            Mark::Bad => ("✗", "31"),
            Mark::Odd => ("!", "33"),
            Mark::None => (" ", ""),
        };
        self.painted(paint, sign);
        self.text.push(' ');
    }

    fn painted(&mut self, paint: &str, words: &str) {
        match self.colour {
            Colour::Ansi if !paint.is_empty() => self.text.extend(["\u{1b}[", paint, "m", words, "\u{1b}[0m"]),
            Colour::Ansi | Colour::None => self.text.push_str(words),
        }
    }

    fn verdict(&mut self, check: &Check<'_>) {
        self.text.push('\n');
        self.painted("1", "Verdict");
        self.text.push('\n');
        let mark = match (check.state, check.connection_status) {
            (State::Healthy, ConnectionStatus::Reachable) => Mark::Good,
            (State::Healthy | State::Unknown, _) => Mark::Odd,
            (State::Unhealthy, _) => Mark::Bad,
        };
        let state = format!("{}, {}", check.state.as_str(), check.connection_status.as_str());
        match &check.cause {
            None => self.line(mark, &state),
            Some(cause) => self.problem(mark, &state, cause),
        }
        if check.probe_cut_short {
            let words = "the probe had less time than its own timeout; --timeout gives more to the whole check";
            self.line(Mark::Odd, words);
        }
        for also in &check.also {
            self.problem(Mark::Bad, "also", also);
        }
        for insight in &check.insights {
            let mark = match insight.severity {
                Severity::Error => Mark::Bad,
                Severity::Warning => Mark::Odd,
            };
            self.line(mark, &format!("{}: {}", insight.title, insight.detail));
            for remedy in insight.remedy {
                self.line(Mark::None, &format!("  {}: {remedy}", insight.side.as_str()));
            }
        }
        for warning in &check.warnings {
            self.problem(Mark::Odd, "warning", warning);
        }
    }

    fn problem(&mut self, mark: Mark, label: &str, problem: &Problem<'_>) {
        self.line(mark, &format!("{label}: {} ({})", problem.title, problem.code));
        let start = self.text.len();
        facts(&mut self.text, problem);
        fold(&mut self.text, start, self.columns);
    }
}
