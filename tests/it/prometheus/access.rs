//! Getting at a server: passwords, tokens of others, headers, certificates, and answers that are packed. No secret is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use flagstaff::checkup::Health;
use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::engine::plan::{Form, Query};
use flagstaff::engine::{Reading, Span, Timestamp, Unknown};
use flagstaff::http::{Access, Certificates, Credential, Field, Login, TokenServer};
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::{Answered, Source};
use serde_json::json;

use super::{decimal, query, started};
use crate::support::certificates::certificates;
use crate::support::server::{Asked, Fake, Reply};

const CANARY: &str = "canary-7c1e";

fn raw(text: &str) -> [Query; 1] {
    [query(Form::Raw { text: text.to_owned() }, "shop")]
}

fn kept(folder: &Path, name: &str, text: &str) -> Credential {
    let path: PathBuf = folder.join(name);
    fs::write(&path, text).unwrap();
    Credential::File(path)
}

fn two(asked: &Asked) -> Reply {
    let at: f64 = asked.field("time").parse().unwrap_or_default();
    let body = json!({ "status": "success", "data": { "resultType": "scalar", "result": [at, "2"] } });
    Reply::with(body.to_string())
}

fn at(url: &str, access: Access) -> Prometheus {
    Prometheus::new(url, access, Span::seconds(1), Arc::new(SystemClock))
}

async fn one(prometheus: &Prometheus) -> Answered {
    prometheus.instant(&raw("vector(2)"), SystemClock.now()).await.remove(0)
}

fn is_two(answered: &Answered) {
    assert_eq!(answered.reading, Reading::Value(decimal("2")), "{answered:?}");
}

fn says(answered: &Answered, what: &str) {
    assert_eq!(answered.reading, Reading::Unknown(Unknown::Error), "{answered:?}");
    let detail = answered.detail.as_deref().unwrap();
    assert!(detail.contains(what) && !detail.contains(CANARY), "{detail}");
}

fn has(asked: &Asked, header: &str) -> bool {
    let headers = asked.headers.to_ascii_lowercase();
    headers.lines().any(|line| line == header.to_ascii_lowercase())
}

fn packed(script: &str) -> Vec<u8> {
    Command::new("sh").args(["-c", script]).output().unwrap().stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_packed_and_a_bomb_is_refused() {
    let bomb = packed("head -c 200000000 /dev/zero | gzip -1");
    assert!(bomb.len() < 2_000_000, "{} bytes", bomb.len());
    let is_bomb = Arc::new(AtomicUsize::new(0));
    let sends = is_bomb.clone();
    let server = Fake::serve(move |asked| {
        assert!(asked.headers.to_ascii_lowercase().contains("accept-encoding: gzip"), "{}", asked.headers);
        let bytes = match sends.load(Ordering::SeqCst) {
            0 => packed(&format!("printf %s '{}' | gzip", two(asked).body)),
            _ => bomb.clone(),
        };
        let headers = "content-encoding: gzip\r\n".to_owned();
        Reply { headers, bytes: Some(bytes), ..Reply::with("") }
    });
    let prometheus = at(&server.url, Access::default());
    is_two(&one(&prometheus).await);
    is_bomb.store(1, Ordering::SeqCst);
    says(&one(&prometheus).await, "the answer is larger than 33554432 bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_behind_certificates_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificates(folder);
    fs::write(folder.join("prometheus.yml"), "global: { scrape_interval: 1s }\n").unwrap();
    // bcrypt of `opensesame`
    let web = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
               client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users:\n  \
               aladdin: $2b$04$abcdefghijklmnopqrstuuFuhxWRTXIsURoluSTZ1N4tYaWGn9oOi\n";
    fs::write(folder.join("web.yml"), web).unwrap();
    let args = [
        format!("--web.config.file={}", folder.join("web.yml").display()),
        "--web.route-prefix=/metrics/of".to_owned(),
    ];
    let server = started(folder, &args, "https");
    let url = format!("{}/metrics/of/", server.url);
    let login = |password: &str| Login::Password {
        username: "aladdin".to_owned(),
        password: kept(folder, &format!("password-{}", password.len()), &format!("{password}\n")),
    };
    let file = |name: &str| Some(folder.join(name));
    let known = Certificates { authority: file("ca.pem"), client: file("client.pem"), key: file("client.key") };
    let right = at(&url, Access { login: login("opensesame"), certificates: known.clone(), ..Access::default() });
    let mut answered = one(&right).await;
    for _ in 0..60 {
        if answered.reading.value().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        answered = one(&right).await;
    }
    is_two(&answered);
    let checks = right.examine().await;
    let login_check = checks.iter().find(|check| check.name == "login").unwrap();
    assert!(login_check.health == Health::Fine && login_check.seen.contains("as aladdin, with the password of"));
    assert!(checks.iter().any(|check| check.name == "reachable" && check.health == Health::Fine), "{checks:?}");

    let wrong = Access { login: login(CANARY), certificates: known.clone(), ..Access::default() };
    let wrong = at(&url, wrong);
    says(&one(&wrong).await, "status 401, no JSON: Unauthorized");
    let checks = wrong.examine().await;
    assert!(checks.iter().any(|check| check.seen.contains("it does not let us: status 401")), "{checks:?}");
    let nobody = at(&url, Access { certificates: known.clone(), ..Access::default() });
    says(&one(&nobody).await, "status 401");
    for certificates in [
        Certificates { authority: None, ..known.clone() },
        Certificates { client: None, key: None, ..known.clone() },
        Certificates { authority: file("none.pem"), ..known },
    ] {
        let without = at(&url, Access { login: login("opensesame"), certificates, ..Access::default() });
        assert_eq!(one(&without).await.reading, Reading::Unknown(Unknown::Error));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_go_to_the_server_as_they_are_written_and_to_nobody_else() {
    let elsewhere = Fake::serve(two);
    let away = Arc::new(AtomicUsize::new(0));
    let (leads, there) = (away.clone(), elsewhere.url.clone());
    let server = Fake::serve(move |asked| match leads.load(Ordering::SeqCst) {
        0 => two(asked),
        _ => Reply { status: 307, headers: format!("location: {there}{}\r\n", asked.path), ..Reply::with("") },
    });
    let folder = tempfile::tempdir().unwrap();
    let secret = kept(folder.path(), "key", &format!("{CANARY} with blanks\n"));
    let headers = vec![
        ("X-Scope-OrgID".to_owned(), Field::Plain("one|two".to_owned())),
        ("X-Api-Key".to_owned(), Field::Secret(secret)),
    ];
    let prometheus = at(&format!("{}/prefix/", server.url), Access { headers, ..Access::default() });
    is_two(&one(&prometheus).await);
    let asked = server.asked.lock().unwrap().pop().unwrap();
    assert!(has(&asked, "x-scope-orgid: one|two") && has(&asked, &format!("x-api-key: {CANARY} with blanks")));
    assert_eq!(asked.path, "/prefix/api/v1/query");
    assert_eq!((asked.field("nocache"), asked.field("partial_response")), ("1", "false"));
    away.store(1, Ordering::SeqCst);
    says(&one(&prometheus).await, "status 307");
    assert!(elsewhere.asked.lock().unwrap().is_empty(), "what is shown to one server goes to no other");
    let broken = vec![("X-Api-Key".to_owned(), Field::Secret(Credential::File(folder.path().join("none"))))];
    says(&one(&at(&server.url, Access { headers: broken, ..Access::default() })).await, "none: entity not found");
}

/// A clock that a test moves on.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Span(self.0.load(Ordering::SeqCst).unsigned_abs()))
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        let wait = instant.since(self.now());
        Box::pin(tokio::time::sleep(Duration::from_millis(wait.0)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_server_is_kept_until_shortly_before_it_ends_and_fetched_anew_when_refused() {
    // what the token server does: the nth token, which the server takes from `good` on
    let (given, good, fails) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gives, failing) = (given.clone(), fails.clone());
    let tokens = Fake::serve(move |_| {
        if failing.load(Ordering::SeqCst) > 0 {
            let said = format!("{{\"error\":\"invalid_client\",\"error_description\":\"not {CANARY}\"}}");
            return Reply { status: 401, ..Reply::with(said) };
        }
        let token = format!("{CANARY}-token-{}", gives.fetch_add(1, Ordering::SeqCst) + 1);
        Reply::with(json!({ "access_token": token, "token_type": "bearer", "expires_in": 3600 }).to_string())
    });
    let takes = good.clone();
    let server = Fake::serve(move |asked| {
        let from = takes.load(Ordering::SeqCst);
        let token = asked.headers.to_ascii_lowercase();
        let nth = token.lines().find_map(|line| {
            line.strip_prefix(&format!("authorization: bearer {CANARY}-token-"))?.parse::<usize>().ok()
        });
        match nth {
            Some(nth) if nth >= from => two(asked),
            _ => Reply { status: 401, ..Reply::with("Unauthorized") },
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let client = TokenServer {
        url: format!("{}/token", tokens.url),
        client: "flag staff".to_owned(),
        secret: kept(folder.path(), "secret", &format!("{CANARY}:secret")),
        scopes: vec!["metrics.read".to_owned(), "more".to_owned()],
        audience: Some("metrics".to_owned()),
    };
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    let access = Access { login: Login::Client(client), ..Access::default() };
    let prometheus = Prometheus::new(&server.url, access, Span::seconds(1), clock.clone());
    let one = async || prometheus.instant(&raw("vector(2)"), clock.now()).await.remove(0);
    let counts = || (tokens.asked.lock().unwrap().len(), server.asked.lock().unwrap().len());
    is_two(&one().await);
    is_two(&one().await);
    assert_eq!(counts(), (1, 2));
    let asked = tokens.asked.lock().unwrap()[0].clone();
    // base64 of `flag%20staff:canary-7c1e%3Asecret`
    assert!(has(&asked, "authorization: Basic ZmxhZyUyMHN0YWZmOmNhbmFyeS03YzFlJTNBc2VjcmV0"), "{}", asked.headers);
    let fields = ["grant_type", "scope", "audience"].map(|field| asked.field(field).to_owned());
    assert_eq!(fields, ["client_credentials", "metrics.read more", "metrics"]);
    // shortly before its end, a new one
    clock.0.store(3_580_000, Ordering::SeqCst);
    is_two(&one().await);
    assert_eq!(counts(), (2, 3));
    // taken back: the third is taken, and the request is sent once more
    good.store(3, Ordering::SeqCst);
    is_two(&one().await);
    assert_eq!(counts(), (3, 5));
    // refused for ever: no storm of tokens
    good.store(usize::MAX, Ordering::SeqCst);
    for _ in 0..5 {
        says(&one().await, "status 401");
    }
    assert_eq!(counts(), (3, 10));
    // and a server that gives none is not asked by each of many requests
    clock.0.store(8_000_000, Ordering::SeqCst);
    fails.store(1, Ordering::SeqCst);
    let many: Vec<Query> = (0..40).flat_map(|index| raw(&format!("vector({index})"))).collect();
    for answered in prometheus.instant(&many, clock.now()).await {
        says(&answered, "no token from http://127.0.0.1");
        says(&answered, "status 401 invalid_client");
    }
    assert_eq!(counts(), (4, 10));
    assert!(prometheus.examine().await.iter().any(|check| check.name == "login" && check.health != Health::Fine));
    // a server that leads elsewhere gets nothing there
    let asked = tokens.asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.path == "/token"));
}

#[test]
fn what_is_a_secret_is_in_no_answer_error_log_or_journal() {
    let tokens = Fake::serve(|_| {
        Reply::with(json!({ "access_token": format!("{CANARY}-given"), "token_type": "Bearer" }).to_string())
    });
    let logins = [
        "username: ops, password_file: secret".to_owned(),
        "username: ops, password_env: CANARY".to_owned(),
        "token_command: [cat, secret]".to_owned(),
        "headers: { X-Api-Key: { file: secret }, X-Scope-OrgID: shop }".to_owned(),
        format!("oauth2: {{ token_url: \"{}/t\", client_id: c, client_secret_file: secret }}", tokens.url),
    ];
    for login in logins {
        let broken = Arc::new(AtomicUsize::new(0));
        let breaks = broken.clone();
        let fake = Fake::serve(move |asked| {
            if breaks.load(Ordering::SeqCst) == 1 {
                return Reply { status: 401, ..Reply::with(format!("no {}", asked.headers.len())) };
            }
            crate::telemetry::number(&Asked { path: asked.path.replace("/behind/a/prefix", ""), ..asked.clone() }, "0")
        });
        let dir = tempfile::tempdir().unwrap();
        crate::telemetry::project(dir.path(), &fake.url, &login);
        fs::write(dir.path().join("secret"), format!("{CANARY}-kept\n")).unwrap();
        let mut shown = String::new();
        let mut run = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
            command.arg("-C").arg(dir.path()).args(args).env("CANARY", format!("{CANARY}-set"));
            let run = command.output().unwrap();
            let text = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
            shown.push_str(&text);
            text.into_owned()
        };
        run(&["validate"]);
        let plan = run(&["-o", "json", "plan", "r"]);
        assert_eq!(plan.contains("X-Scope-OrgID"), login.contains("X-Scope-OrgID"), "{plan}");
        run(&["doctor"]);
        let started = run(&["-v", "start", "r"]);
        assert!(started.contains("running"), "{login}: {started}");
        broken.store(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2500));
        run(&["-v", "run", "r", "--once"]);
        let explained = run(&["explain", "r"]);
        assert!(explained.contains("status 401"), "{explained}");
        run(&["-o", "json", "-v", "doctor"]);
        run(&["-o", "json", "status"]);
        run(&["audit", "log"]);
        assert!(!shown.contains(CANARY), "{login}: {shown}");
        let reached = fake.asked.lock().unwrap();
        assert!(reached.iter().filter(|asked| asked.field("query").contains("bad")).count() > 1);
        for entry in fs::read_dir(dir.path().join(".flagstaff")).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{login}");
        }
    }
}
