//! The REST API of the real program: what a backend's end looks like to who listens.

use std::time::Duration;

use backend_health_exporter::lab::{Backend, http};
use nix::sys::signal::Signal;
use reqwest::Response;
use serde_json::Value;

use super::{ConfigFile, DEADLINE, Exporter};

/// Reads a stream up to an event of this kind for which this holds.
async fn told(stream: &mut Response, buffer: &mut String, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let read = async {
        loop {
            while let Some((event, rest)) = buffer.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.map(|data| serde_json::from_str(data).expect("the data is JSON"));
                let is_it = event.lines().any(|line| line.strip_prefix("event: ") == Some(kind));
                *buffer = rest.into();
                if let Some(data) = data.filter(|data| is_it && holds(data)) {
                    return data;
                }
            }
            let chunk = stream.chunk().await.expect("the stream is not cut off").expect("the stream goes on");
            *buffer += std::str::from_utf8(&chunk).expect("events are UTF-8");
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("nothing comes")
}

#[tokio::test]
async fn a_backend_that_dies_is_told_to_who_listens() {
    let backend = Backend::start([127, 0, 0, 1].into(), http::status(200, "OK")).expect("a backend starts");
    let config = ConfigFile::new(&format!(
        "probes: [{{name: quick, protocol: http, interval: 100ms, timeout: 20s, unhealthy_threshold: 2}}]\n\
         backend_settings: [{{name: http, protocol: http, port: {}, probe: quick}}]\n\
         backend_pools: [{{name: web, settings: [http], servers: [127.0.0.1]}}]\n",
        backend.address().port()
    ));
    let arguments =
        ["run", "--config.file", super::text(&config.path), "--web.external-url", "https://h.example/health"];
    let mut exporter = Exporter::start(&arguments).await;
    let url = format!("http://{}/health/api/v1/stream", exporter.address);
    let request = exporter.client.get(url).timeout(Duration::from_mins(3)).header("last-event-id", "0");
    let mut stream = request.send().await.expect("the stream begins");
    let mut buffer = String::new();
    let rose = told(&mut stream, &mut buffer, "transition", |_| true).await;
    assert_eq!((&rose["number"], &rose["to"], &rose["cause"]), (&1.into(), &"Healthy".into(), &Value::Null));
    told(&mut stream, &mut buffer, "report", |head| head["summary"]["healthy"] == 1).await;

    drop(backend);
    let fell = told(&mut stream, &mut buffer, "transition", |_| true).await;
    assert_eq!((&fell["from"], &fell["to"]), (&"Healthy".into(), &"Unhealthy".into()));
    assert_eq!(fell["cause"]["code"], "tcp_refused", "{fell:#}");
    assert_eq!(fell["cause"]["docs_url"], "https://h.example/health/docs/troubleshooting#tcp_refused");
    told(&mut stream, &mut buffer, "report", |head| head["summary"]["unhealthy"] == 1).await;

    let events: Value = serde_json::from_str(&exporter.get("/health/api/v1/events").await.body).unwrap();
    assert_eq!(events["events"][0], fell);
    assert_eq!(events["events"][1], rose);
    let path = format!("/health/api/v1/backendhealth/{}", fell["id"].as_str().unwrap());
    let row: Value = serde_json::from_str(&exporter.get(&path).await.body).unwrap();
    assert_eq!((&row["state"], &row["cause"]["code"]), (&"Unhealthy".into(), &"tcp_refused".into()));
    assert_eq!(exporter.get("/health/docs/troubleshooting").await.status, 200);

    // A listener holds up nobody's end.
    exporter.process.signal(Signal::SIGTERM);
    while stream.chunk().await.expect("the stream ends in good order").is_some() {}
    assert_eq!(exporter.process.ended(Duration::from_secs(10)).await.status.code(), Some(0));
}
