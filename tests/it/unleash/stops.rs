//! Stops at a server that is slow, or of which only a part answers. What answers here is a fake of the tests, not an Unleash.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::proxy::{Call, Fate, Proxy, fake};

const PROJECT: &str = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: slow }
spec:
  environments:
    production: { backend: { unleash: { url: "URL", project: default, environment: production, token_env: SHOP_TOKEN } } }
"#;

/// A flag that is on, at a server whose events search hangs. The first so many looks hang as well.
async fn server(hanging: usize) -> (Proxy, Arc<AtomicBool>) {
    let (on, looks) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let is_on = Arc::clone(&on);
    let judge = move |call: Call| {
        let (on, looks) = (Arc::clone(&is_on), Arc::clone(&looks));
        async move {
            if call.path.ends_with("/off") {
                on.store(false, Ordering::SeqCst);
                return fake(200, "");
            }
            if !call.path.ends_with("/features/key") || looks.fetch_add(1, Ordering::SeqCst) < hanging {
                return Fate::Hang;
            }
            let enabled = on.load(Ordering::SeqCst);
            let environment = serde_json::json!({ "name": "production", "enabled": enabled, "strategies": [] });
            fake(200, &serde_json::json!({ "environments": [environment] }).to_string())
        }
    };
    (Proxy::before("http://127.0.0.1:9", judge).await, on)
}

async fn abort(proxy: &Proxy) -> Output {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("flagstaff.yaml"), PROJECT.replace("URL", &proxy.url)).unwrap();
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        command.args(["abort", "key"]).current_dir(dir.path()).env_remove("FLAGSTAFF_DIR").env("SHOP_TOKEN", "a-token");
        command.output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_off_needs_no_read_of_who_did_what_and_waits_for_no_look_that_hangs() {
    for hanging in [0, 1] {
        let (proxy, on) = server(hanging).await;
        let done = abort(&proxy).await;
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{done:?}");
        // it is on for everybody, by no hand of ours, or was not seen
        assert!(out.contains("key@production  OFF  (whom it reached before is not known)"), "{out}");
        assert!(!on.load(Ordering::SeqCst));
        let calls: Vec<(String, bool)> =
            proxy.calls().into_iter().map(|call| (call.method, call.path.ends_with("/off"))).collect();
        let call = |method: &str, off| (method.to_owned(), off);
        assert_eq!(calls, [call("GET", false), call("POST", true), call("GET", false)], "{:?}", proxy.calls());
    }
}
