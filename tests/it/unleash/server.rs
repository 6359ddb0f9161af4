//! A real Unleash server for the whole test process, started on first use.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::{Value, json};

/// A cold start takes seconds; a machine that builds at the same time takes more.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
/// Flagstaff's own token in these tests, with a secret that must appear nowhere.
pub(crate) const TOKEN: &str = "*:*.canary-4f1c9a7d2e";
/// What a backend's SDK uses.
pub(crate) const CLIENT_TOKEN: &str = "default:production.client-secret-of-the-tests";
const PASSWORD: &str = "a-Person-of-the-tests-1";

/// The server.
pub(crate) struct Server {
    /// Its address.
    pub(crate) url: String,
    address: String,
    scratch: PathBuf,
    /// A person's token: whatever is done with it was done by another hand.
    person: OnceLock<String>,
    // its standard input ends with this process, and with that the server
    watchdog: Mutex<Child>,
}

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// The folder with the server and the client.
pub(crate) fn installed() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install-unleash");
    let output = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(
        output.status.success(),
        "the real Unleash could not be installed; tests/install-servers says what it needs"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

impl Server {
    /// Starts another one, for tests that freeze or break it.
    pub(crate) fn start() -> Server {
        let installed = installed();
        // a socket's path is at most some hundred bytes
        let long = std::env::temp_dir();
        let short = if long.as_os_str().len() > 60 { Path::new("/tmp") } else { &long };
        let scratch = tempfile::Builder::new().prefix("fs-unleash-").tempdir_in(short).unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let watchdog = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/unleash/serve"))
            .arg(installed)
            .arg(&scratch)
            .arg(port.to_string())
            .args([TOKEN, CLIENT_TOKEN])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let server = Server {
            url: format!("http://{address}"),
            address,
            scratch,
            person: OnceLock::new(),
            watchdog: Mutex::new(watchdog),
        };
        server.wait_until_healthy();
        server
    }

    fn wait_until_healthy(&self) {
        let began = Instant::now();
        let ended = || self.watchdog.lock().unwrap().try_wait().unwrap().is_some();
        while began.elapsed() < HEALTHY_WITHIN && !ended() {
            if matches!(self.try_call("GET", "/health", "", None), Ok((200, _))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = |name: &str| fs::read_to_string(self.scratch.join(name)).unwrap_or_default();
        panic!("the real Unleash did not start:\n{}\n{}", log("postgres.log"), log("unleash.log"));
    }

    /// A call with a token; the status and the answer.
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, text) = self.try_call(method, path, &format!("Authorization: {token}\r\n"), body).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A call that must succeed, by flagstaff's own token.
    pub(crate) fn ours(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.call(method, path, TOKEN, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A call that must succeed, by a person.
    pub(crate) fn person(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let token = self.person.get_or_init(|| self.personal_token("admin", PASSWORD));
        let (status, answer) = self.call(method, path, token, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A user of this role (1 admin, 2 editor, 3 viewer), and a token of theirs.
    pub(crate) fn user(&self, name: &str, role: u8) -> String {
        let user = json!({ "username": name, "rootRole": role, "password": PASSWORD, "sendEmail": false });
        self.person("POST", "/api/admin/user-admin", Some(&user));
        self.personal_token(name, PASSWORD)
    }

    fn personal_token(&self, name: &str, password: &str) -> String {
        let login = json!({ "username": name, "password": password });
        let raw = self.raw("POST", "/auth/simple/login", "", Some(&login)).unwrap();
        let cookie = raw.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
        let cookie = cookie.unwrap_or_else(|| panic!("no session: {raw}"))[11..].split(';').next().unwrap().trim();
        let wanted = json!({ "description": "tests", "expiresAt": "2099-01-01T00:00:00.000Z" });
        let header = format!("Cookie: {cookie}\r\n");
        let (status, text) = self.try_call("POST", "/api/admin/user/tokens", &header, Some(&wanted)).unwrap();
        assert_eq!(status, 201, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["secret"].as_str().unwrap().to_owned()
    }

    fn try_call(&self, method: &str, path: &str, header: &str, body: Option<&Value>) -> std::io::Result<(u16, String)> {
        let raw = self.raw(method, path, header, body)?;
        let (head, text) = raw.split_once("\r\n\r\n").unwrap_or((&raw, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok((status, text.to_owned()))
    }

    fn raw(&self, method: &str, path: &str, header: &str, body: Option<&Value>) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        // HTTP/1.0: the answer comes in one piece, and ends with the connection
        write!(stream, "{method} {path} HTTP/1.0\r\n{header}{length}\r\n{body}")?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The processes of the database, to freeze it: it has one for each connection.
    pub(crate) fn database(&self) -> Vec<Pid> {
        let first = self.pid("postgres.pid");
        let number = first.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap();
        let children = children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?));
        children.chain([first]).collect()
    }

    /// The server's process, to freeze it.
    pub(crate) fn process(&self) -> Vec<Pid> {
        vec![self.pid("unleash.pid")]
    }

    fn pid(&self, file: &str) -> Pid {
        let text = fs::read_to_string(self.scratch.join(file)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }
}

/// The path of a flag in the production environment.
pub(crate) fn environment(flag: &str) -> String {
    format!("/api/admin/projects/default/features/{flag}/environments/production")
}
