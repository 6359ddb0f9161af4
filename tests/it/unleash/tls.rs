//! Certificates of one's own: an authority that no system knows, and clients that must have one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use flagstaff::backend::unleash::{Access, Unleash};
use flagstaff::backend::{Backend as _, BackendError, Switch};
use flagstaff::http::Certificates;

use super::server::{TOKEN, server};
use super::{audiences, expose, exposure, read, saying};

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output();
    let output =
        output.unwrap_or_else(|error| panic!("this test needs openssl ({error}); tests/install-servers has it"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and certificates of its for a server and a client.
fn certificates(folder: &Path) {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests -keyout ca.key -out ca.pem");
    for name in ["server", "client"] {
        openssl(folder, &format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        let signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names";
        openssl(folder, &format!("x509 -req -in {name}.csr {signed} -out {name}.pem"));
    }
    let both = ["client.pem", "client.key"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
}

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
