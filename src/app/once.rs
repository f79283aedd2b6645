//! The rows of a configuration probed for one who looks now: each of them once, and then on its beat for as long as
//! somebody looks. The parts are those of the exporter, so that states mean the same.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::process::Crowding;
use super::{beat, process, start_probing};
use crate::config::{Problem, Problems};
use crate::health::{HealthTable, Snapshot};
use crate::probe::Prober;
use crate::resolver;
use crate::resolver::Resolver;
use crate::scheduler::Scheduler;
use crate::target::Target;
use crate::verdict::Judge;
use crate::view::report::Filter;

/// The rows that are wanted, and what their probes said.
pub struct Probing {
    table: Arc<HealthTable>,
    prober: Arc<Prober>,
    targets: Vec<Arc<Target>>,
    all: Vec<Arc<Target>>,
    slots: usize,
    warnings: Vec<Problem>,
}

impl Probing {
    /// Reads a configuration; of its rows those that have the names which `filter` asks for. Must be called within a
    /// runtime. Blocks.
    ///
    /// # Errors
    /// All that is wrong with the file.
    pub fn of(config_file: &Path, resolver: resolver::Options, filter: &Filter) -> Result<Self, Problems> {
        let (config, all) = super::check(config_file)?;
        let (table, now) = (HealthTable::new(), SystemTime::now());
        // Rows as nobody has probed them yet: they have nothing but names.
        table.replace(&all, now);
        let names = filter.of_names();
        let rows = table.snapshot(now).rows;
        let targets: Vec<_> = rows.into_iter().filter(|row| names.matches(row)).map(|row| row.target).collect();
        table.replace(&targets, now);
        table.configuration_loaded(now);
        Ok(Self {
            table: Arc::new(table),
            prober: Arc::new(Prober::new(Resolver::new(resolver))),
            targets,
            all,
            slots: process::raise_descriptor_limit().probes,
            warnings: config.warnings,
        })
    }

    /// What is allowed in the configuration but probably not meant.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Every row of the configuration, those that are not wanted too.
    #[must_use]
    pub fn all(&self) -> &[Arc<Target>] {
        &self.all
    }

    /// How many rows are wanted.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.targets.len()
    }

    /// Probes every row once, many at a time, and tells after each how many have been.
    pub async fn once(&self, mut tell: impl FnMut(usize)) {
        let mut under_way = JoinSet::new();
        let (mut waiting, mut ended) = (self.targets.iter().cloned(), 0);
        let judge = Arc::new(Judge::default());
        loop {
            while under_way.len() < self.slots.min(MOST_AT_ONCE)
                && let Some(target) = waiting.next()
            {
                let (prober, judge, table) = (self.prober.clone(), judge.clone(), self.table.clone());
                under_way.spawn(async move { beat(&prober, &judge, &table, &target).await });
            }
            match under_way.join_next().await {
                None => return,
                Some(Ok(_)) => {}
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_cancelled) => return,
                },
            }
            ended += 1;
            tell(ended);
        }
    }

    /// Goes on probing every row on its own beat until `shutdown`.
    #[must_use]
    pub fn go_on(&self, shutdown: &CancellationToken) -> Scheduler {
        // Nobody watches how crowded the host is: a person looks at a few rows for a while.
        let scheduler = start_probing(self.slots, &Crowding::new(), &self.table, self.prober.clone(), shutdown);
        scheduler.replace(self.targets.clone());
        scheduler
    }

    /// The rows as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.table.snapshot(SystemTime::now())
    }
}

/// Enough to be done soon although thousands of servers may not answer, and little enough that none waits for us.
const MOST_AT_ONCE: usize = 1_000;
