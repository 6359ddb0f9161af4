//! The schema of documents: what people write is valid by it, what is wrong is not, and it knows the keys that are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use flagstaff::spec::finding::SourceFile;
use flagstaff::spec::{documents, schema, yaml};
use serde_json::{Value, json};

use crate::support::schema::{faults, published};

/// A key that nobody knows, and nobody could have meant.
const UNKNOWN: &str = "zzzzzzzzzzzzzzzzzzzzzzzz";

/// A document of each kind in which every mapping occurs in every form.
const EVERYTHING: &str = r#"
- kind: Project
  spec:
    journal: { sqlite: j.db }
    stickiness: userId
    include: [a, b]
    sources:
      one: { prometheus: { url: u, scrape_every: 15s, token_file: f, token_env: E, token_command: [c], username: u, password_file: p, password_env: E, password_command: c, ca_file: a, client_cert_file: c, client_key_file: k }, arms: { flag: f, variant: v, exposed: [a], control: b } }
      client: { prometheus: { url: u, oauth2: { token_url: u, client_id: c, client_secret_env: S, client_secret_file: f, client_secret_command: [c], scopes: [a, b], audience: a } } }
      tenant: { prometheus: { url: u, headers: { X-Scope-OrgID: t, A: { env: E }, B: { file: f }, C: { command: [c] } } } }
      two: { scrape: { targets: [t], every: 5s } }
      three: { scrape: { targets: [t] }, arms: unleash-impact }
    environments:
      here: { backend: { flagd: { path: p } }, protected: true, template: t, policy: p, source: s, match: { env: here, canary: true }, window: ["daily 00:00-24:00 UTC"] }
      there: { backend: { unleash: { url: u, project: p, environment: e, token_env: T, ca_file: a, client_cert_file: c, client_key_file: k, shutdown: own } } }
      file: { backend: { unleash: { url: u, environment: e, token_file: f } } }
      command: { backend: { unleash: { url: u, environment: e, token_command: [a, b] } } }
    defaults: { environments: [here], template: t, policy: p, source: s, match: { a: 1 }, window: "Mon-Fri 09:00-16:00 Europe/Madrid" }
    people: { group: [a], other: b }
    freezes:
      - { name: n, from: "2026-12-20", to: "2027-01-03T18:00", zone: UTC, environments: [here], releases: r, reason: why }
    breaker: { share: 30%, least: 5 }
    signals:
      one: { alertmanager: { release: r, environment: e }, token_env: T, environments: [here], then: pause }
      two: { grafana: { release: r }, hmac: { secret_file: f, style: grafana }, then: { rollback: previous } }
      three: { json: { release: /a, environment: /b, id: /c, detail: /d, when: { /e: [x] } }, hmac: { secret_env: S, style: github }, then: shutdown }
      four: { json: {}, releases: [a], token_command: [a, b], then: notify }
      five: { json: {}, releases: a, hmac: { secret_command: c, style: standard-webhooks }, then: pause }
    notifications:
      one: { webhook: { url: "https://h/x", secret_env: S, headers: { X-Team: t, A: { env: E }, B: { file: f }, C: { command: [c] } }, ca_file: a, client_cert_file: c, client_key_file: k }, events: [paused, would-act], environments: [here] }
      two: { webhook: { url: "https://h/x", secret_file: f }, events: stopped, environments: here }
      three: { webhook: { url: "https://h/x", secret_command: [a, b] } }
      four: { slack: { url_env: U } }
      five: { slack: { url_file: f } }
      six: { slack: { url_command: c } }
- kind: Audience
  spec:
    any:
      - { attribute: a, in: [x, 1] }
      - { attribute: a, ends_with: x }
      - { attribute: a, starts_with: x }
      - { attribute: a, contains: x }
      - { segment: s }
- kind: ReleaseTemplate
  spec:
    allow_full_start: true
    reason: why
    stages:
      - { name: one, audiences: [a], percentage: 12.5%, bake: 1h30m, samples: 50, idle: bake, approval: { from: [g], count: 2 } }
      - { name: two, samples: { of: requests, at_least: 5 } }
- kind: ThresholdPolicy
  spec:
    every: 30s
    window: 5m
    delay: 15s
    settle: 6m
    catch_up: 7d
    presets: { http: { duration: d, failed: 'code="5"' } }
    metrics:
      a: { scope: service, ratio: { of: a, over: b } }
      b: { count: c }
      c: { quantile: { q: 0.99, of: h } }
      d: { slow: { bound: 500ms, of: h } }
      e: { query: "x{ {{ match }} }", unit: ratio }
    healthy: [ "a < 1%", { when: "b > 1", for: 2m } ]
    safeguards:
      - { name: n, when: "a > 1%", for: 2m, then: pause }
      - { name: m, when: "a > 1%", then: { rollback: previous } }
      - { name: o, when: "a > 1%", false_alarms: { max: 5%, per: 24h }, catches: 5%, cluster: 5, observe: true, then: pause }
      - { name: p, when: "a > 1.5 * baseline(a)", false_alarms: { max: 0.5%, per: 1h }, catches: 2.5x, then: pause }
      - { name: q, when: "burn_rate(a, 99.9%) > 14.4", over: [1h, 5m], then: pause }
    no_data: { after: 10m, then: pause }
    sample_ratio: { of: b, within: 20%, false_alarms: { max: 1%, per: 24h }, cluster: 10, observe: true }
    observe: false
    expect: { requests: 300/m, a: 1%, "slow(500ms)": 0.5% }
- kind: Release
  spec:
    flag: f
    environments: [a, { b: { template: t, policy: p, source: s, match: { x: y }, window: [], after: { release: r, completed: true } } }]
    template: t
    policy: p
    source: s
    match: { x: y }
    window: "Fri,Sun 22:00-02:00 UTC"
    after: [ { release: r, environment: a, reached: half }, { release: q, completed: true } ]
- kind: Flag
  spec: { key: k, type: boolean, description: d, owner: o, expected_lifetime: 40d, project: p }
"#;

fn everything() -> Vec<Value> {
    let mut all: Vec<Value> = serde_yaml::from_str(EVERYTHING).unwrap();
    for document in &mut all {
        document["apiVersion"] = json!("flagstaff/v1");
        document["metadata"] = json!({ "name": "n", "labels": { "team": "t" } });
    }
    all
}

fn written(text: &str) -> Vec<Value> {
    serde_yaml::from_multiple(text).unwrap()
}

#[test]
fn examples_and_the_starter_are_valid_by_the_schema_of_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let starter = tempfile::tempdir().unwrap();
    let init = Command::new(env!("CARGO_BIN_EXE_flagstaff")).arg("init").current_dir(starter.path()).output().unwrap();
    assert!(init.status.success());
    let mut seen = BTreeMap::new();
    for folder in [root.join("examples"), starter.path().to_owned(), root.join("src/demo/project")] {
        for path in yaml_below(&folder) {
            for document in written(&fs::read_to_string(&path).unwrap()) {
                let kind = document["kind"].as_str().unwrap().to_owned();
                for schema in [published("documents"), schema::of_kind(&kind).unwrap()] {
                    let faults = faults(&schema, &document);
                    assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
                }
                *seen.entry(kind).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.len() >= 5, "{seen:?}");
    for document in everything() {
        let faults = faults(&published("documents"), &document);
        assert!(faults.is_empty(), "{faults:#?}\n{document:#}");
    }
}

#[test]
fn wrong_documents_are_not_valid_by_the_schema() {
    let schema = published("documents");
    let valid = |document: &Value| faults(&schema, document).is_empty();
    let broken = |kind: &str, at: &str, value: Value| {
        let mut document = everything().into_iter().find(|document| document["kind"] == kind).unwrap();
        assert!(valid(&document));
        *document.pointer_mut(at).unwrap_or_else(|| panic!("{at} is not there")) = value;
        assert!(!valid(&document), "{kind}{at} may be this: {document:#}");
        let kind = schema::of_kind(kind).unwrap();
        assert!(!faults(&kind, &document).is_empty(), "{at}");
    };
    broken("Release", "/apiVersion", json!("flagstaff/v2"));
    broken("Release", "/kind", json!("Relaese"));
    broken("Release", "/metadata", json!({}));
    broken("Release", "/spec/environments", json!("a"));
    broken("Release", "/spec/window", json!("Mon-Fri 9:00-16:00 UTC"));
    broken("Release", "/spec/window", json!("Mon-Fri 09:00-16:00"));
    broken("Release", "/spec/after/0", json!({ "release": "r" }));
    broken("Release", "/spec/after/0", json!({ "release": "r", "reached": "a", "completed": true }));
    broken("Project", "/spec/freezes/0/from", json!("20.12.2026"));
    broken("Project", "/spec/freezes/0", json!({ "name": "n", "from": "2026-12-20", "to": "2026-12-21" }));
    broken("Project", "/spec", json!({}));
    broken("Project", "/spec/environments/here/backend", json!({ "unleash": {} }));
    broken("Project", "/spec/sources/two", json!({ "graphite": {} }));
    broken("Project", "/spec/environments/here/protected", json!("yes"));
    broken("Project", "/spec/environments/here/match", json!({ "a b": "c" }));
    broken("Project", "/spec/breaker", json!({ "least": 5 }));
    broken("Project", "/spec/breaker/share", json!(30));
    broken("Project", "/spec/breaker/least", json!(1));
    broken("Project", "/spec/signals/one/then", json!("hold"));
    broken("Project", "/spec/signals/three/json/release", json!("a"));
    broken("Project", "/spec/signals/two/hmac/style", json!("md5"));
    broken("Project", "/spec/signals/two", json!({ "grafana": { "release": "r" }, "then": "pause" }));
    broken("Project", "/spec/notifications/one/events/0", json!("pause"));
    broken("Project", "/spec/notifications/two", json!({ "webhook": { "url": "https://h/x" } }));
    broken("Project", "/spec/notifications/four", json!({ "slack": { "url": "https://h/x" } }));
    broken("Project", "/spec/notifications/five", json!({ "events": ["paused"] }));
    broken("Audience", "/spec/any/0", json!({ "attribute": "a", "in": ["x"], "contains": "y" }));
    broken("ReleaseTemplate", "/spec/stages/0/percentage", json!(10));
    broken("ReleaseTemplate", "/spec/stages/0/percentage", json!("101%"));
    broken("ReleaseTemplate", "/spec/stages/0/bake", json!("30m1h"));
    broken("ReleaseTemplate", "/spec/stages/0/bake", json!("5"));
    broken("ReleaseTemplate", "/spec/stages/0/idle", json!("maybe"));
    broken("ReleaseTemplate", "/spec/stages", json!([]));
    broken("ThresholdPolicy", "/spec/safeguards/0/then", json!("shut down"));
    broken("ThresholdPolicy", "/spec/safeguards/2/catches", json!("5"));
    broken("ThresholdPolicy", "/spec/safeguards/2/false_alarms", json!({ "max": "5%" }));
    broken("ThresholdPolicy", "/spec/safeguards/2/observe", json!("yes"));
    broken("ThresholdPolicy", "/spec/metrics/e/query", json!("up"));
    broken("ThresholdPolicy", "/spec/metrics/b", json!({ "count": "a", "query": "b" }));
    broken("ThresholdPolicy", "/spec/presets/http", json!("opentelemetry"));
}

/// Puts a key that nobody knows into every mapping of every document, one at a time. What the reader says it knows there is
/// what the schema knows there.
#[test]
fn the_schema_of_documents_knows_the_keys_that_are_read() {
    let schema = published("documents");
    // by the place in the schema: what the schema knows, and what readers were heard to know
    let mut known: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for document in everything() {
        let mut places = Vec::new();
        mappings(&document, "", &mut places);
        for place in places {
            let mut wrong = document.clone();
            wrong.pointer_mut(&place).unwrap()[UNKNOWN] = json!("x");
            let here = objects(&schema, &schema, &document, &place);
            let closed: Vec<&Value> = here.into_iter().filter(|here| here["additionalProperties"] == false).collect();
            let read = known_keys(&wrong);
            assert_eq!(closed.is_empty(), read.is_none(), "{place}: {document:#}");
            let (Some(read), false) = (read, closed.is_empty()) else { continue };
            assert!(!faults(&schema, &wrong).is_empty(), "{place} may have any key");
            let properties = closed.iter().flat_map(|here| here["properties"].as_object().unwrap().keys().cloned());
            let properties: BTreeSet<String> = properties.collect();
            let entry = known.entry(format!("{properties:?}")).or_default();
            entry.0.extend(properties);
            entry.1.extend(read);
        }
    }
    assert!(known.len() > 20, "{known:#?}");
    for (schema, read) in known.values() {
        assert_eq!(schema, read, "the schema knows the left, the reader the right");
    }
}

/// Pointers to every mapping of a document.
fn mappings(value: &Value, at: &str, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            places.push(at.to_owned());
            map.iter().for_each(|(key, value)| mappings(value, &format!("{at}/{key}"), places));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| mappings(item, &format!("{at}/{index}"), places));
        }
        _ => {}
    }
}

/// The keys that the reader says it knows beside the unknown one; `None` where any key may stand.
fn known_keys(document: &Value) -> Option<Vec<String>> {
    let file = SourceFile::new("f.yaml", document.to_string());
    let mut findings = Vec::new();
    for node in yaml::parse(&file, &mut findings) {
        documents::read(&node, &mut findings);
    }
    let finding = findings.iter().find(|finding| finding.code == "unknown-key" && finding.message.contains(UNKNOWN))?;
    let help = finding.help.as_deref().unwrap_or_default();
    Some(help.trim_start_matches("known: ").split(", ").map(str::to_owned).collect())
}

/// The schemas of mappings that apply at a place of a document.
fn objects<'s>(root: &'s Value, schema: &'s Value, value: &Value, place: &str) -> Vec<&'s Value> {
    let mut schemas = Vec::new();
    spread(root, schema, value, &mut schemas);
    let Some(rest) = place.strip_prefix('/') else { return schemas };
    let (key, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let inner = value.pointer(&format!("/{key}")).unwrap();
    let below = schemas.into_iter().filter_map(|schema| match value {
        Value::Array(_) => schema.get("items"),
        _ => schema["properties"].get(key).or(schema.get("additionalProperties").filter(|any| any.is_object())),
    });
    below.flat_map(|below| objects(root, below, inner, rest)).collect()
}

/// A schema with what it refers to and the alternatives in it that fit the value's type.
fn spread<'s>(root: &'s Value, schema: &'s Value, value: &Value, into: &mut Vec<&'s Value>) {
    if let Some(name) = schema["$ref"].as_str() {
        return spread(root, root.pointer(name.trim_start_matches('#')).unwrap(), value, into);
    }
    for rule in schema["allOf"].as_array().into_iter().flatten() {
        if rule["if"]["properties"]["kind"]["const"] == value["kind"] {
            spread(root, &rule["then"], value, into);
        }
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        spread(root, choice, value, into);
    }
    let fits = if value.is_array() { "array" } else { "object" };
    if schema["type"] == fits || (schema["type"].is_null() && schema.get("properties").is_some()) {
        into.push(schema);
    }
}

fn yaml_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(yaml_below(&path)),
            false if path.extension().is_some_and(|extension| extension == "yaml") => found.push(path),
            false => {}
        }
    }
    found
}
