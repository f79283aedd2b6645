//! Deep checks of rows that somebody asks for over HTTP, with the running exporter's own prober: what it remembers of names
//! shows. Only rows of the configuration in use are checked, and nothing of it is recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::parse_duration;
use crate::health::HealthTable;
use crate::probe::Prober;
use crate::target::Target;
use crate::troubleshoot::{Examination, Question, Stage, troubleshoot};
use crate::view::check::Check;
use crate::view::page::row::Asked;
use crate::view::page::{Place, check};
use crate::view::report::Links;
use crate::web::checks::{Begin, Form, Named, Refusal, Told, Wanted, Work};
use crate::web::results::Results;

/// What begins a check. `metrics_path` is below the route prefix.
pub(super) fn begin(
    table: Arc<HealthTable>,
    prober: Arc<Prober>,
    links: &Links,
    metrics_path: Arc<str>,
    results: Results,
) -> Arc<Begin> {
    let links = Arc::new(links.clone());
    Arc::new(move |wanted, form| {
        let question = question(&table, wanted)?;
        let (prober, links, metrics_path) = (prober.clone(), links.clone(), metrics_path.clone());
        let results = results.clone();
        Ok(Work {
            timeout: question.timeout,
            run: Box::new(move |tell| {
                Box::pin(async move {
                    let tell = |stage: Stage| {
                        if let Some(number) = stage.number() {
                            let (code, doing, of) = (stage.code(), stage.as_str(), Stage::PARTS.len());
                            tell(Told { stage: code, doing, number, of });
                        }
                    };
                    let examination = troubleshoot(&prober, &question, &tell).await;
                    write(&examination, form, &links, &metrics_path, &results)
                })
            }),
        })
    })
}

fn question(table: &HealthTable, wanted: &Wanted) -> Result<Question, Refusal> {
    let Wanted { row, tries, timeout } = wanted;
    let tries = match tries {
        None => DEFAULT_TRIES,
        Some(tries) => {
            let right = u32::try_from(*tries).ok().filter(|tries| (1..=MOST_TRIES).contains(tries));
            right.ok_or_else(|| Refusal::BadValue(format!("tries {tries} is not from 1 to {MOST_TRIES}")))?
        }
    };
    let timeout = match timeout {
        None => LONGEST,
        Some(text) => {
            let read = parse_duration(text);
            let timeout = read.map_err(|error| Refusal::BadValue(format!("timeout {text:?}: {error}")))?;
            if !(SHORTEST..=LONGEST).contains(&timeout) {
                return Err(Refusal::BadValue(format!("timeout {text:?}: it goes from 2s to 30s")));
            }
            timeout
        }
    };
    let target = find(table, row).ok_or_else(|| {
        let what = match row {
            Named::ById(id) => format!("no row has the id {id:?}"),
            Named::ByNames { pool, setting, server } => {
                format!("no row has the pool {pool:?}, the setting {setting:?} and the server {server:?}")
            }
        };
        Refusal::NoSuchRow(format!("{what}; /api/v1/backendhealth lists the rows, and only these can be checked"))
    })?;
    Ok(Question { target: Target::clone(&target), tls_if_spoken: None, tries, timeout })
}

fn find(table: &HealthTable, row: &Named) -> Option<Arc<Target>> {
    match row {
        Named::ById(id) => table.row(id).map(|(_, row)| row.target),
        Named::ByNames { pool, setting, server } => {
            let (pool, setting, server) = (pool.clone(), setting.clone(), server.clone());
            let snapshot = table.snapshot(SystemTime::now());
            Asked { pool, setting, server }.find(&snapshot).map(|row| row.target.clone())
        }
    }
}

fn write(examination: &Examination, form: Form, links: &Links, metrics_path: &str, results: &Results) -> String {
    // What is shown to a person can be shown to another one, too.
    let kept = || {
        let id = results.id();
        let page = check::page(examination, Place { root: ROOT, metrics_path }, &id);
        results.keep(id.clone(), &page);
        (id, page)
    };
    match form {
        Form::Json => Check::of(examination, Some(links)).json(),
        Form::Line => Check::of(examination, Some(links)).json_line(),
        Form::Page => kept().1,
        Form::Part => serde_json::Value::from(check::part(examination, ROOT, &kept().0)).to_string(),
    }
}

/// Pages stand right below the route prefix.
const ROOT: &str = ".";

const DEFAULT_TRIES: u32 = 10;
const MOST_TRIES: u32 = 20;

/// For the whole check.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);
