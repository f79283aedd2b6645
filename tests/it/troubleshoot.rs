//! The deep check: the same cause as the exporter's own probe, and what only it can see.

mod alone;
mod command;
mod hostile;
mod marks;
mod stages;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backend_health_exporter::app;
use backend_health_exporter::lab::Demo;
use backend_health_exporter::lab::demo::CONFIG_FILE;
use backend_health_exporter::probe::{Prober, Trust};
use backend_health_exporter::resolver::{Options, Resolver};
use backend_health_exporter::target::Target;
use backend_health_exporter::troubleshoot::{Examination, Manner, Question, troubleshoot};
use backend_health_exporter::verdict::Cause;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Looks into it; a machine that is too busy to judge is asked again.
pub(crate) async fn examine(prober: &Prober, question: &Question) -> Examination {
    let begun = Instant::now();
    loop {
        let examination = troubleshoot(prober, question, &|_| {}).await;
        let overloaded = |finding: &_| matches!(finding, Cause::LocalOverloaded);
        if !examination.verdict.cause.as_ref().is_some_and(|cause| overloaded(&cause.code)) {
            return examination;
        }
        assert!(begun.elapsed() < Duration::from_mins(3), "this machine is too busy for any verdict");
    }
}

/// No flag but this trust.
fn manner(trust: &Arc<Trust>, timeout: Duration) -> Manner {
    let trust = trust.clone();
    Manner { host: None, sni: None, trust, client_certificate: None, insecure: false, timeout }
}

fn question(target: Target) -> Question {
    Question { target, tls_if_spoken: None, tries: 3, timeout: Duration::from_mins(1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_gives_every_lab_backend_the_cause_that_the_exporter_gives_it() {
    let demo = Demo::start().await.expect("the demo starts");
    let (_, targets) = app::check(&demo.directory().join(CONFIG_FILE)).expect("the configuration is good");
    let resolver = Options { nameservers: vec![demo.nameserver()], last_known_good: Duration::ZERO };
    let prober = Arc::new(Prober::new(Resolver::new(resolver)));
    let slots = Arc::new(Semaphore::new(8));
    let mut under_way = JoinSet::new();
    assert_eq!(targets.len(), demo.expected().len());
    for (target, expected) in targets.iter().zip(demo.expected()) {
        let (prober, slots, expected) = (prober.clone(), slots.clone(), expected.clone());
        let question = question(Target::clone(target));
        under_way.spawn(async move {
            let _slot = slots.acquire().await.expect("it is never closed");
            let examination = examine(&prober, &question).await;
            let cause = examination.verdict.cause.as_ref().map(|cause| cause.code.code());
            let state = examination.state().as_str();
            marks::assert_no_contradiction(&examination);
            marks::assert_certificates_are_shown(&examination);
            (cause != expected.cause || state != expected.state)
                .then(|| format!("{expected:?}: {state}, {:?}", examination.verdict.cause))
        });
    }
    let wrong: Vec<String> = under_way.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
