//! `--wait`, and what is said of a value that no row has.

use std::time::Duration;

use super::{Behaviour, Servers, code, http, report};

#[tokio::test]
async fn it_looks_again_until_all_rows_are_healthy() {
    let servers = Servers::every("300ms").await;
    servers.good().set(Behaviour::Refused).unwrap();
    let exporter = servers.exporter(&[]).await;
    let url = exporter.url("/");
    for source in [&["--url", url.as_str()] as &[_], &["--config.file", servers.config.path.to_str().unwrap()]] {
        servers.good().set(Behaviour::Refused).unwrap();
        let arguments = [source, &["--server", "127.31.0.1", "--wait", "50s"]].concat();
        let (ended, ()) = tokio::join!(report(&arguments), async {
            // A moment in which it looks in vain; what it finds then does not hang on how long it is.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            servers.good().set(http::ok()).unwrap();
        });
        assert_eq!(code(&ended), Some(0), "{ended:?}");
        assert!(ended.stdout.contains("1 row: 0 Unhealthy, 0 Unknown, 1 Healthy"), "{ended:?}");
    }
}

#[tokio::test]
async fn when_the_time_is_over_the_exit_code_says_how_the_rows_are() {
    let servers = Servers::start().await;
    let exporter = servers.exporter(&[]).await;
    exporter.get_until("/-/ready", 200).await;
    let url = exporter.url("/");
    for (pool, expected) in [("web", 1), ("names", 3), ("nobody", 2)] {
        let ended = report(&["--url", &url, "--pool", pool, "--wait", "2s"]).await;
        assert_eq!(code(&ended), Some(expected), "{ended:?}");
    }
    let ended = report(&["--url", "127.0.0.1:1", "--wait", "1s"]).await;
    assert_eq!(code(&ended), Some(2), "{ended:?}");
    assert!(ended.stderr.contains("connection refused"), "{ended:?}");
}

#[tokio::test]
async fn a_value_that_no_row_has_comes_with_the_one_that_was_probably_meant() {
    let servers = Servers::start().await;
    let exporter = servers.exporter(&[]).await;
    let url = exporter.url("/");
    let cases: [(&[&str], &str); 7] = [
        (&["--pool", "nams"], "no pool is called nams; did you mean names?"),
        (&["--setting", "htp"], "no setting is called htp; did you mean http?"),
        (&["--server", "127.31.0.11"], "no server is called 127.31.0.11; did you mean 127.31.0.1?"),
        (&["--pool", "names", "--server", "127.31.0.1"], "no row matches --pool, "),
        (&["--cause", "tcp_refusd"], "did you mean tcp_refused?"),
        (&["--cause", "cert_expire_soon"], "did you mean cert_expires_soon?"),
        (&["--side", "sever"], "none of network, gateway, server, exporter"),
    ];
    for (flags, words) in cases {
        for ended in [servers.report(flags).await, report(&[&["--url", url.as_str()], flags].concat()).await] {
            assert_eq!(code(&ended), Some(2), "{flags:?}: {ended:?}");
            assert!(ended.stderr.contains(words), "{flags:?} without {words:?}: {ended:?}");
        }
    }
}
