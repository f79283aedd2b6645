//! The API's description: valid by a validator that is not ours, and true of what is really answered.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::report::table;
use crate::web::{Running, Setup, client, header, start};

async fn document(site: &Running) -> Value {
    let response = site.get("/api/v1/openapi.json").await;
    assert_eq!(header(&response, "content-type"), "application/json");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Runs the validator of `tests/requirements.txt`; gives what it has to complain of.
pub(crate) fn complaints(document: &Value, answers: &[Value]) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    assert!(python.exists(), "tests/run makes target/venv of tests/requirements.txt");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/web/openapi.py");
    let mut run = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!({ "document": document, "answers": answers });
    run.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

#[tokio::test]
async fn a_validator_finds_the_description_and_the_answers_right() {
    let site = start(Setup { table: table::sample(), ..Setup::default() }).await;
    let document = document(&site).await;
    let mut answers = Vec::new();
    for (documented, path, status) in [
        ("/api/v1/backendhealth", "/api/v1/backendhealth", 200),
        ("/api/v1/backendhealth", "/api/v1/backendhealth?pool=nobody", 200),
        ("/api/v1/backendhealth", "/api/v1/backendhealth?state=up", 400),
        ("/api/v1/backendhealth/{id}", "/api/v1/backendhealth/0000000000000012", 200),
        ("/api/v1/backendhealth/{id}", "/api/v1/backendhealth/0000000000000013", 200),
        ("/api/v1/backendhealth/{id}", "/api/v1/backendhealth/ff", 404),
        ("/api/v1/events", "/api/v1/events", 200),
        ("/api/v1/events", "/api/v1/events?limit=0", 400),
        ("/api/v1/openapi.json", "/api/v1/openapi.json", 200),
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let kind = header(&response, "content-type");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        answers.push(json!({ "path": documented, "status": status.to_string(), "type": kind, "body": body }));
    }
    for (sent, status) in [("{}", 400), ("{\"id\": \"ff\"}", 404)] {
        let response = client().post(site.http("/api/v1/troubleshoot")).body(sent).send().await.unwrap();
        assert_eq!(response.status(), status, "{sent}");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        answers.push(json!({
            "path": "/api/v1/troubleshoot", "method": "post", "status": status.to_string(), "type": "application/json",
            "body": body,
        }));
    }
    assert_eq!(complaints(&document, &answers), "");

    // It would find what is wrong.
    let mut broken = document.clone();
    broken["paths"]["/api/v1/events"]["get"]["parameters"][0]["in"] = "nowhere".into();
    assert!(complaints(&broken, &[]).contains("nowhere"));
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut answer = answers[0].clone();
        change(&mut answer["body"]["rows"][0]);
        complaints(&document, &[answer])
    };
    assert!(wrong(&|row| row["state"] = "healthy".into()).contains("'healthy' is not one of"));
    assert!(wrong(&|row| row["since"] = "yesterday".into()).contains("'yesterday' is not a 'date-time'"));
    assert!(wrong(&|row| row["port"] = "80".into()).contains("'80' is not of type 'integer'"));
    assert!(wrong(&|row| row["further"] = 1.into()).contains("'further' was unexpected"));
    assert!(wrong(&|row| _ = row.as_object_mut().unwrap().remove("cause")).contains("'cause' is a required property"));
}

#[tokio::test]
async fn what_is_described_is_answered_and_the_filters_are_those_that_work() {
    let site = start(Setup { table: table::sample(), ..Setup::default() }).await;
    let document = document(&site).await;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 5, "{paths:?}");
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path} has another one's name");
            let path = path.replace("{id}", "0000000000000011");
            let asked: Method = method.to_uppercase().parse().unwrap();
            let response = client().request(asked, site.http(&path)).send().await.unwrap();
            assert!(response.status() != 404 && response.status() != 405, "{method} {path}: {}", response.status());
            for status in operation["responses"].as_object().unwrap().keys() {
                assert!(status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)), "{method} {path}");
            }
            let parameters = operation["parameters"].as_array().unwrap();
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().unwrap();
                // No value is a text, but no number and none of a list.
                let (schema, items) = (&parameter["schema"], &parameter["schema"]["items"]);
                let takes_any_text = schema["type"] == "array" && items.get("enum").is_none();
                let url = site.http(&format!("{path}?{name}="));
                let expected = if takes_any_text { 200 } else { 400 };
                assert_eq!(client().get(url).send().await.unwrap().status(), expected, "{path} {name}");
            }
        }
    }
    let version = document["info"]["version"].as_str().unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    for schema in ["Report", "Row", "Event", "Events", "ReportHead", "Error", "Problem", "Certificate"] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
}
