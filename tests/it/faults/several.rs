//! Several faults at once: the first by the contract's order is the cause, the others stand beside it.

use std::sync::Arc;

use backend_health_exporter::lab::http::{answer, response};
use backend_health_exporter::lab::script::Step;
use backend_health_exporter::lab::tls::{Credential, Identity, Profile, ServerTls, Usage, Validity};
use backend_health_exporter::lab::{Script, Service, http};
use backend_health_exporter::probe::{Trust, TrustMode};
use backend_health_exporter::verdict::Role::{Intermediate, Leaf, Root};
use backend_health_exporter::verdict::{Cause, Role};

use super::{HOST, Part, Probe, Secure, check, fails, row, trusting};

const OTHER: &str = "other.lab.test";

fn past() -> Validity {
    Validity::days(-100, -10)
}

/// The causes in their order, the first one first.
async fn expect(name: &str, identity: &Identity, trust: &Arc<Trust>, chain: &[Role], causes: &[Cause]) {
    let tls = ServerTls::new(identity).expect("a usable key");
    let expected = fails(causes[0], Part::Tls).also(&causes[1..]).chain(chain);
    check([row(name, Service::tls(&tls, http::ok()), Probe::https(trust), expected)]).await;
}

#[tokio::test]
async fn of_several_certificate_faults_the_first_in_order_is_the_cause() {
    let secure = Secure::new();
    let pki = &secure.pki;
    let issue = |issuer: &Credential, profile: &Profile| issuer.issue(profile).unwrap();
    let by_itself = |profile: &Profile| Identity::new(&Credential::self_signed(profile).unwrap(), &[]);
    let usual = [Leaf, Intermediate];

    let profile = Profile { validity: past(), ..Profile::server(OTHER) };
    let leaf = issue(&pki.intermediate, &profile);
    let (intermediate, strange) = (&pki.intermediate, &pki.strange_intermediate);
    let expect = async |name, identity: Identity, chain: &[Role], causes: &[Cause]| {
        expect(name, &identity, &secure.trust, chain, causes).await;
    };
    expect(
        "dates, name",
        Identity::new(&leaf, &[intermediate]),
        &usual,
        &[Cause::CertExpired, Cause::CertNameMismatch],
    )
    .await;
    expect(
        "dates, link, name",
        Identity::new(&leaf, &[]),
        &[Leaf],
        &[Cause::CertExpired, Cause::CertIntermediateMissing, Cause::CertNameMismatch],
    )
    .await;
    expect(
        "dates, self-signed, name",
        by_itself(&profile),
        &[Leaf],
        &[Cause::CertExpired, Cause::CertSelfSigned, Cause::CertNameMismatch],
    )
    .await;
    let from_stranger = issue(strange, &profile);
    expect(
        "order, dates, trust, name",
        Identity { key: from_stranger.key_der(), ..Identity::new(strange, &[&from_stranger]) },
        &[Intermediate, Leaf],
        &[Cause::CertLeafNotFirst, Cause::CertExpired, Cause::CertIssuerMismatch, Cause::CertNameMismatch],
    )
    .await;
    expect(
        "dates, trust, name",
        Identity::new(&from_stranger, &[strange, &pki.strange_root]),
        &[Leaf, Intermediate, Root],
        &[Cause::CertExpired, Cause::CertRootMismatch, Cause::CertNameMismatch],
    )
    .await;
    let for_clients = issue(intermediate, &Profile { usages: vec![Usage::Client], ..profile.clone() });
    expect(
        "usage, dates, name",
        Identity::new(&for_clients, &[intermediate]),
        &usual,
        &[Cause::CertInvalid, Cause::CertExpired, Cause::CertNameMismatch],
    )
    .await;
    let future = Profile { validity: Validity::days(5, 50), ..Profile::server(HOST) };
    let old = issue(&pki.root, &Profile { validity: past(), ..Profile::authority("Old CA") });
    expect(
        "the leaf's dates, the intermediate's dates",
        Identity::new(&issue(&old, &future), &[&old]),
        &usual,
        &[Cause::CertNotYetValid, Cause::CertExpired],
    )
    .await;
    let foreign_old = issue(&pki.strange_root, &Profile { validity: past(), ..Profile::authority("Old CA") });
    expect(
        "the intermediate's dates, trust",
        Identity::new(&issue(&foreign_old, &Profile::server(HOST)), &[&foreign_old]),
        &usual,
        &[Cause::CertExpired, Cause::CertIssuerMismatch],
    )
    .await;
}

#[tokio::test]
async fn revocation_comes_after_the_dates_and_before_the_name() {
    let secure = Secure::new();
    let pki = &secure.pki;
    let trusting_less = |revoked: &Credential| {
        let list = pki.intermediate.revocation_list(&[revoked]).unwrap();
        Arc::new(Trust::new(TrustMode::Configured, vec![pki.root.der()], vec![list]).unwrap())
    };
    for (profile, causes) in [
        (Profile::server(OTHER), &[Cause::CertRevoked, Cause::CertNameMismatch][..]),
        (Profile { validity: past(), ..Profile::server(HOST) }, &[Cause::CertExpired, Cause::CertRevoked]),
        (
            Profile { validity: past(), usages: vec![Usage::Client], ..Profile::server(OTHER) },
            &[Cause::CertInvalid, Cause::CertExpired, Cause::CertRevoked, Cause::CertNameMismatch],
        ),
    ] {
        let leaf = pki.intermediate.issue(&profile).unwrap();
        let identity = Identity::new(&leaf, &[&pki.intermediate]);
        expect("revoked", &identity, &trusting_less(&leaf), &[Leaf, Intermediate], causes).await;
    }
}

#[tokio::test]
async fn an_unknown_root_and_a_wrong_name_are_both_told() {
    let secure = Secure::new();
    let pki = &secure.pki;
    let well_known = trusting(TrustMode::WellKnown, vec![pki.strange_root.der()]);
    let leaf = pki.intermediate.issue(&Profile::server(OTHER)).unwrap();
    let identity = Identity::new(&leaf, &[&pki.intermediate]);
    let causes = [Cause::CertIssuerNotWellKnown, Cause::CertNameMismatch];
    expect("issuer, name", &identity, &well_known, &[Leaf, Intermediate], &causes).await;
}

#[tokio::test]
async fn a_wrong_status_stands_before_a_wrong_body_and_before_a_broken_response() {
    let wanting = || Probe::http().wanting_body("ready");
    let broken = "HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nready or not";
    check([
        row(
            "status and body",
            answer(response(503, &[], "later")),
            wanting(),
            fails(Cause::HttpStatusMismatch, Part::Transfer).also(&[Cause::HttpBodyMismatch]).status(503),
        ),
        row(
            "short body and status",
            answer(broken),
            wanting(),
            fails(Cause::HttpStatusMismatch, Part::Transfer).also(&[Cause::HttpMalformed]).status(503),
        ),
        row(
            "status and reset",
            http::status_then_reset(503),
            wanting(),
            fails(Cause::HttpStatusMismatch, Part::Transfer).also(&[Cause::TcpReset]).status(503),
        ),
        row(
            "another status and reset",
            http::status_then_reset(413),
            wanting(),
            fails(Cause::HttpStatusMismatch, Part::Transfer).also(&[Cause::TcpReset]).status(413),
        ),
        row(
            "good status and reset",
            http::status_then_reset(200),
            wanting(),
            fails(Cause::TcpReset, Part::Transfer).saying("after 15 of 1000 bytes").status(200),
        ),
        row(
            "status and a body that does not end",
            Script::new([Step::send("HTTP/1.1 500 \r\n\r\nhalf"), Step::Hold]),
            wanting().within(super::SHORT),
            fails(Cause::HttpStatusMismatch, Part::Transfer).also(&[Cause::HttpTimeout]).status(500),
        ),
    ])
    .await;
}
