//! How pools stand: which have no healthy server, and how large a part of each is out of service.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::SystemTime;

use super::report::Summary;
use crate::health::{Row, State};
use crate::verdict::Cause;

/// One pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    pub pool: &'a str,
    /// Its rows by state.
    pub summary: Summary,
    /// Its servers, each once, however many settings it is probed under.
    pub servers: usize,
    /// The settings under which probes have ended and no server is Healthy.
    pub down_under: Vec<&'a str>,
    /// Whether there is no healthy server under any of its settings.
    pub is_down_whole: bool,
    /// How many settings it has.
    pub settings: usize,
    /// What most of its rows that are not Healthy have, and how many have it.
    pub commonest: Option<(Cause, usize)>,
    /// When one of its rows last took its state.
    pub changed: SystemTime,
}

impl Standing<'_> {
    /// Whether at least one of its settings reaches no healthy server.
    #[must_use]
    pub fn is_down(&self) -> bool {
        !self.down_under.is_empty()
    }

    /// No healthy server at all first, then none under some setting, then the larger share that is not Healthy, then the
    /// larger number of rows that are not.
    fn order(&self) -> (u8, Reverse<usize>, Reverse<usize>) {
        let Summary { healthy, unhealthy, unknown } = self.summary;
        let ill = unhealthy + unknown;
        let down = match (self.is_down(), self.is_down_whole) {
            (false, _) => 2,
            (true, true) => 0,
            (true, false) => 1,
        };
        (down, Reverse(ill * SHARES / (healthy + ill).max(1)), Reverse(ill))
    }
}

/// Shares are compared in thousandths.
const SHARES: usize = 1_000;

/// How each pool of these rows stands, the worst first; those that stand alike in the configuration's order.
#[must_use]
pub fn standings<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Standing<'a>> {
    let mut pools: Vec<Gathered<'a>> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let at = *known.entry(&row.target.pool).or_insert_with(|| {
            pools.push(Gathered::default());
            pools.len() - 1
        });
        pools[at].rows.push(row);
    }
    let mut standings: Vec<Standing<'a>> = pools.into_iter().filter_map(Gathered::standing).collect();
    standings.sort_by_key(Standing::order);
    standings
}

/// The same for some of the rows: what is counted is of these, and whether a pool is down is told by `all` of them, because
/// a filter that hides the healthy ones takes nobody out of service.
#[must_use]
pub fn standings_among<'a>(rows: impl IntoIterator<Item = &'a Row>, all: &[Standing<'a>]) -> Vec<Standing<'a>> {
    let whole: HashMap<&str, &Standing<'a>> = all.iter().map(|standing| (standing.pool, standing)).collect();
    let mut standings = standings(rows);
    for standing in &mut standings {
        if let Some(whole) = whole.get(standing.pool) {
            standing.down_under.clone_from(&whole.down_under);
            standing.is_down_whole = whole.is_down_whole;
        }
    }
    standings.sort_by_key(Standing::order);
    standings
}

/// Each server of each pool once, in its worst state under whichever setting.
#[must_use]
pub fn servers<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Summary {
    let mut worst: HashMap<(&str, &str), State> = HashMap::new();
    for row in rows {
        let state = worst.entry((&row.target.pool, &row.target.server)).or_insert(row.state);
        if badness(row.state) > badness(*state) {
            *state = row.state;
        }
    }
    Summary::of(worst.into_values())
}

fn badness(state: State) -> u8 {
    match state {
        State::Healthy => 0,
        State::Unknown => 1,
        State::Unhealthy => 2,
    }
}

#[derive(Default)]
struct Gathered<'a> {
    rows: Vec<&'a Row>,
}

impl<'a> Gathered<'a> {
    fn standing(self) -> Option<Standing<'a>> {
        let Self { rows } = self;
        let pool = &*rows.first()?.target.pool;
        let mut settings: Vec<(&str, bool, bool)> = Vec::new();
        let mut causes: Vec<(Cause, usize)> = Vec::new();
        for row in &rows {
            let setting = &*row.target.setting;
            let (is_healthy, is_probed) = (row.state == State::Healthy, row.last_probe.is_some());
            match settings.iter_mut().find(|(name, ..)| *name == setting) {
                Some((_, healthy, probed)) => (*healthy, *probed) = (*healthy || is_healthy, *probed || is_probed),
                None => settings.push((setting, is_healthy, is_probed)),
            }
            if let Some(cause) = row.cause.as_ref().filter(|_| !is_healthy) {
                match causes.iter_mut().find(|(code, _)| *code == cause.code) {
                    Some((_, count)) => *count += 1,
                    None => causes.push((cause.code, 1)),
                }
            }
        }
        let down = settings.iter().filter(|(_, healthy, probed)| *probed && !healthy);
        let summary = Summary::of(rows.iter().map(|row| row.state));
        let down_under: Vec<&str> = down.map(|(name, ..)| *name).collect();
        Some(Standing {
            pool,
            summary,
            is_down_whole: summary.healthy == 0 && !down_under.is_empty(),
            servers: servers(rows.iter().copied()).total(),
            down_under,
            settings: settings.len(),
            // The first of several that are as common, so that it stays the same from look to look.
            commonest: causes.into_iter().rev().max_by_key(|(_, count)| *count),
            changed: rows.iter().map(|row| row.since).max()?,
        })
    }
}
