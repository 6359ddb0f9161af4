//! What `validate` says of notifications.

use serde_json::Value;

use crate::serve::kit::{FLAG_FILE, flagstaff, project};

/// The findings for an entry, as `code marked` with the help.
fn findings(entry: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let page = super::kit::page();
    project(folder.path(), &page, FLAG_FILE, &format!("  notifications:\n    {entry}\n"));
    let output = flagstaff(folder.path(), &["validate", "-o", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let about = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {} ({})", text("severity"), text("code"), text("message"), text("help"))
    };
    let all = answer["findings"].as_array().unwrap_or_else(|| panic!("{answer:#}")).iter();
    all.filter(|finding| finding["line"].as_u64().is_some_and(|line| (11..=12).contains(&line))).map(about).collect()
}

#[test]
fn what_is_wrong_with_a_notification_is_said_where_it_is() {
    let webhook = "url: \"https://hooks.example/x\", secret_env: S";
    assert_eq!(findings(&format!("it: {{ webhook: {{ {webhook} }} }}")), [""; 0]);
    for (entry, expected) in [
        (
            format!("it: {{ webhook: {{ {webhook} }}, events: [pause] }}"),
            "error notification-event: there is no event `pause` (did you mean `paused`?)",
        ),
        (format!("it: {{ webhook: {{ {webhook} }}, events: [] }}"), "error notification-event: nothing is named"),
        (
            format!("it: {{ webhook: {{ {webhook} }}, environments: [her] }}"),
            "error unknown-environment: there is no environment `her` (did you mean `here`?)",
        ),
        (format!("it: {{ webhook: {{ {webhook} }}, on: [paused] }}"), "error unknown-key: `on` is not known here"),
        (
            "it: { webhook: { url: \"https://hooks.example/x\" } }".to_owned(),
            "error token: it needs one of `secret_env`, `secret_file`, `secret_command`",
        ),
        (format!("it: {{ webhook: {{ {webhook}, secret_file: f }} }}"), "error token: it needs one of"),
        (
            "it: { webhook: { url: \"https://me:pw@hooks.example/x\", secret_env: S } }".to_owned(),
            "error url: an address carries no user or password",
        ),
        (
            "it: { webhook: { url: \"http://hooks.example/x\", secret_env: S } }".to_owned(),
            "warning in-the-clear: messages travel unencrypted",
        ),
        (
            "it: { webhook: { url: \"hooks.example\", secret_env: S } }".to_owned(),
            "error address: `hooks.example` is no address",
        ),
        (
            "it: { webhook: { url: \"https://hooks.example/?key=1\", secret_env: S } }".to_owned(),
            "error address: the address has a query",
        ),
        (
            format!("it: {{ webhook: {{ {webhook}, headers: {{ X-Token: abc }} }} }}"),
            "error header: this header is a secret",
        ),
        (
            format!("it: {{ webhook: {{ {webhook}, headers: {{ Webhook-Id: abc }} }} }}"),
            "error header: `Webhook-Id` is written for each message",
        ),
        (
            "it: { slack: { url: \"https://hooks.slack.example/T/B/x\" } }".to_owned(),
            "error unknown-key: `url` is not known here",
        ),
        ("it: { slack: {} }".to_owned(), "error token: it needs one of `url_env`, `url_file`, `url_command`"),
        (
            format!("it: {{ webhook: {{ {webhook} }}, slack: {{ url_env: U }} }}"),
            "error missing-key: a notification has one receiver",
        ),
        ("it: { events: [paused] }".to_owned(), "error missing-key: a notification has one receiver"),
        ("\"a b\": { slack: { url_env: U } }".to_owned(), "error name: this cannot be a name"),
    ] {
        let found = findings(&entry);
        assert!(found.iter().any(|finding| finding.starts_with(expected)), "{entry}: {found:#?}");
        assert!(!found.iter().any(|finding| finding.contains("pw@")), "{found:?}");
    }
}
