//! Rows for the picture, as their JSON, and what is to be read in the picture of one.

use backend_health_exporter::verdict::{Cause, Stage, Words};
use backend_health_exporter::view::picture;
use backend_health_exporter::view::report::ReportRow;
use serde_json::{Value, json};

use crate::sample::now;

pub(super) const LEAF: &str = "CN=app.example.com,O=Corp";
pub(super) const INTERMEDIATE: &str = "CN=Issuing CA,O=Corp";
pub(super) const ROOT: &str = "CN=Corp Root,O=Corp";

/// A row of the report as its JSON, and how to change it.
#[derive(Clone)]
pub(super) struct Sample(pub(super) Value);

impl Sample {
    /// A Healthy https row, whose server sent its own certificate and an intermediate.
    pub(super) fn healthy() -> Self {
        let trust = json!({"mode": "configured", "anchors": [ROOT]});
        let request =
            json!({"url": "https://app.example.com:443/", "host": "app.example.com", "sni": "app.example.com"});
        Self(json!({
            "id": "0000000000000001", "pool": "web", "setting": "https-443", "server": "app.example.com", "port": 443,
            "protocol": "https", "state": "Healthy", "since": "2026-11-22T01:00:00Z", "consecutive_failures": 0,
            "unhealthy_threshold": 3, "cause": null, "also": [], "warnings": [],
            "probe": {
                "interval_seconds": 30.0, "unhealthy_interval_seconds": 30.0, "timeout_seconds": 10.0, "expected_status_codes": ["200-399"],
                "expected_body": "", "name": "app.example.com", "name_source": "host of the probe", "trust": trust,
                "client_certificate": false, "proxy_protocol": false, "validate_cert_chain_and_expiry": true,
                "validate_sni": true, "request": request,
            },
            "last_probe": {
                "at": "2026-11-22T03:12:00.000Z", "duration_seconds": 0.02, "address": "10.0.0.4:443", "result": "success",
                "cause": null, "attempts": [],
                "phases": {"dns": 0.001, "connect": 0.002, "tls": 0.003, "first_byte": 0.004, "transfer": 0.005},
                "request": request,
                "response": {"status": 200, "version": "HTTP/1.1", "body_excerpt": "ok"},
                "tls": {"version": "TLS 1.3", "cipher": "TLS_AES_128_GCM_SHA256", "verified": true, "chain": [], "trust": trust},
            },
            "history": [],
        }))
        .sending(&[("leaf", LEAF, INTERMEDIATE), ("intermediate", INTERMEDIATE, ROOT)])
    }

    /// With these certificates instead: role, subject and issuer.
    pub(super) fn sending(mut self, chain: &[(&str, &str, &str)]) -> Self {
        let certificate = |(position, (role, subject, issuer)): (usize, &(&str, &str, &str))| {
            let names: &[&str] = if *role == "leaf" { &["app.example.com"] } else { &[] };
            json!({
                "position": position, "role": role, "subject": subject, "issuer": issuer, "serial": "0a",
                "not_before": "2026-10-01T00:00:00Z", "not_after": "2027-06-01T00:00:00Z", "dns_names": names,
                "ip_addresses": [], "public_key": "ECDSA P-256", "signature_algorithm": "ECDSA with SHA256",
                "fingerprint_sha256": fingerprint(position), "faults": [],
            })
        };
        let chain: Vec<Value> = chain.iter().enumerate().map(certificate).collect();
        self.0["last_probe"]["tls"]["chain"] = chain.into();
        self
    }

    /// Failed with this cause, which is about the certificate at this position.
    pub(super) fn failing(mut self, cause: Cause, position: usize) -> Self {
        let problem = problem(cause.words(), &fingerprint(position));
        self.0["state"] =
            if matches!(cause.stage(), Stage::Local | Stage::Dns) { "Unknown" } else { "Unhealthy" }.into();
        self.0["cause"] = problem.clone();
        let probe = &mut self.0["last_probe"];
        probe["cause"] = problem;
        probe["result"] = if cause.stage() == Stage::Local { "no_verdict" } else { "failure" }.into();
        probe["tls"]["verified"] = false.into();
        let reached = match cause.stage() {
            Stage::Local | Stage::Dns => 1,
            Stage::Tcp => 2,
            Stage::Tls => 3,
            Stage::Http => 5,
        };
        for phase in ["dns", "connect", "tls", "first_byte", "transfer"].iter().skip(reached) {
            probe["phases"][phase] = 0.0.into();
        }
        if reached < 5 {
            probe["response"] = Value::Null;
        }
        if reached < 3 {
            probe["tls"] = Value::Null;
        }
        if cause == Cause::NotProbedYet {
            self.0["last_probe"] = Value::Null;
        }
        self
    }

    pub(super) fn also(mut self, cause: Cause, position: usize) -> Self {
        self.0["also"].as_array_mut().unwrap().push(problem(cause.words(), &fingerprint(position)));
        self
    }

    pub(super) fn warning(mut self, words: &Words, certificate: &str) -> Self {
        self.0["warnings"].as_array_mut().unwrap().push(problem(words, certificate));
        self
    }

    pub(super) fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *self.0.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value.into();
        self
    }

    pub(super) fn picture(&self) -> Picture {
        let row: ReportRow = serde_json::from_value(self.0.clone()).unwrap();
        Picture { both: picture::svg(&row, now()).into_string(), told: picture::told(&row, now()).into_string() }
    }
}

pub(super) fn fingerprint(position: usize) -> String {
    format!("{position:064x}")
}

pub(super) fn problem(words: &Words, certificate: &str) -> Value {
    json!({
        "code": words.code, "stage": words.stage.as_str(), "side": words.side.as_str(), "title": words.title,
        "explanation": words.explanation, "detail": "what was seen", "remedy": ["do it"], "reproduce": null,
        "certificate": certificate, "docs_url": "./docs/troubleshooting",
    })
}

pub(super) struct Picture {
    pub(super) both: String,
    pub(super) told: String,
}

impl Picture {
    pub(super) fn wide(&self) -> &str {
        self.both.split("</svg>").next().unwrap()
    }

    pub(super) fn tall(&self) -> &str {
        self.both.split("</svg>").nth(1).unwrap()
    }

    /// The accessible names of all parts, in the order of the blocks.
    pub(super) fn names(&self) -> Vec<String> {
        names(self.wide())
    }

    /// Those that end so.
    pub(super) fn marked(&self, mark: &str) -> Vec<String> {
        self.names().into_iter().filter_map(|name| Some(name.strip_suffix(&format!(": {mark}"))?.to_owned())).collect()
    }

    /// The names of the parts of one block.
    pub(super) fn block(&self, title: &str) -> Vec<String> {
        let (_, after) = self.wide().split_once(&format!("role=\"group\" aria-label=\"{title}\"")).unwrap();
        names(after.split("role=\"group\"").next().unwrap())
    }
}

pub(super) fn names(svg: &str) -> Vec<String> {
    svg.split("role=\"img\" aria-label=\"").skip(1).map(|part| part.split('"').next().unwrap().to_owned()).collect()
}
