//! Certificates of one's own: an authority that no system knows, and clients that must have one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use flagstaff::backend::unleash::{Access, Unleash};
use flagstaff::backend::{Backend as _, BackendError, Switch};
use flagstaff::http::Certificates;

use super::server::{TOKEN, server};
use super::{audiences, expose, exposure, read, saying};
use crate::support::certificates::certificates;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/unleash/tls.mjs");
    let mut node = Command::new("node");
    node.arg(tool).arg(folder.path()).arg(&server().url).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.spawn().unwrap();
    let mut port = String::new();
    BufReader::new(node.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let url = format!("https://127.0.0.1:{}", port.trim());
    let backend = |authority: Option<&str>, client: Option<&str>, key: Option<&str>| {
        let file = |name: Option<&str>| name.map(|name| folder.path().join(name));
        let certificates = Certificates { authority: file(authority), client: file(client), key: file(key) };
        Unleash::new(&url, "default", "production", false, Access { token: Some(saying(TOKEN)), certificates })
    };
    for known in [
        backend(Some("ca.pem"), Some("client.pem"), Some("client.key")),
        backend(Some("ca.pem"), Some("both.pem"), None),
    ] {
        expose(&known, "encrypted", exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
        assert_eq!(read(&known, "encrypted").await.shown(), exposure(&["beta"], 10));
        known.switch_off("encrypted").await.unwrap();
    }
    for unknown in [
        backend(None, Some("both.pem"), None),
        backend(Some("ca.pem"), None, None),
        backend(Some("none.pem"), Some("both.pem"), None),
    ] {
        let answer = unknown.read("encrypted", &audiences()).await;
        assert!(matches!(answer, Err(BackendError::Unreachable { .. })), "{answer:?}");
    }
    drop(node.stdin.take());
    node.wait().unwrap();
}
