//! Whether a server is there, is an Unleash, knows our token, and lets us do what will be needed.

use futures_util::future::{join, join4};
use serde_json::Value;

use super::Unleash;
use super::api::{CONFIGURATION, Call, Fault};
use crate::backend::BackendError;
use crate::checkup::{self, Check, ClockRead, Health};
use crate::clock::Clock;
use crate::engine::{Span, Timestamp};
use crate::http::{self, Reply, bounded, segment};

/// What will be needed, in the server's word and in ours.
const NEEDED: [(&str, &str); 5] = [
    (MAKES_FLAGS, "make flags"),
    ("CREATE_FEATURE_STRATEGY", "add strategies"),
    ("UPDATE_FEATURE_STRATEGY", "change strategies"),
    ("DELETE_FEATURE_STRATEGY", "remove strategies"),
    ("UPDATE_FEATURE_ENVIRONMENT", "switch on and off"),
];
/// The only one that can be done without: flags may be there already.
const MAKES_FLAGS: &str = "CREATE_FEATURE";

const ADDRESS: &str = "check `url`, its path too, that the server runs, and that this machine may reach it";
const TOKEN: &str = "make a personal access token in Unleash for a user with the root role Editor, and let `token_env`, \
                     `token_file` or `token_command` say it";
const ROLE: &str = "give the token's user the root role Editor, or a project role with what is missing";
const LOG: &str = "the server's own log says more";

impl Unleash {
    /// Everything about it that does not depend on a flag.
    pub(super) async fn checks(&self, clock: &dyn Clock) -> Vec<Check> {
        let mut checks: Vec<Check> = self.transport().into_iter().collect();
        let before = clock.now();
        let knocked = async { (self.api.knock().await, clock.now()) };
        let ((knocked, after), token) = join(knocked, self.api.token()).await;
        let reply = match knocked {
            Ok((reply, Ok(_) | Err(Fault::Other(BackendError::NotAuthorised { .. })))) => reply,
            Ok((_, Err(fault))) => {
                let check = failed("reachable", self.told(fault), ADDRESS);
                // whatever it is that answers, it is not what was looked for
                checks.push(Check { health: Health::Failed(checkup::Fault::Unreachable), ..check });
                return checks;
            }
            Err(why) => {
                checks.push(Check::failed("reachable", checkup::Fault::Unreachable, why.detail, ADDRESS));
                return checks;
            }
        };
        checks.push(Check::fine("reachable", format!("it answers, in {} ms", after.since(before).0)));
        match token {
            Ok(_) => checks.extend(self.with_token().await),
            Err(fault) => checks.push(failed("token", self.told(fault), TOKEN)),
        }
        checks.push(time(&reply, before, after));
        checks
    }

    fn transport(&self) -> Option<Check> {
        let advice = "write `https://` in `url`; `http://` is for this machine and for trials";
        let seen = "the token travels unencrypted to another machine";
        self.api.tells_everybody().then(|| Check::warning("transport", seen, advice))
    }

    /// What a server says to those whom it knows.
    async fn with_token(&self) -> Vec<Check> {
        let get = |path: &str| {
            let call = Call::get(path.to_owned());
            async move { self.api.call(&call).await }
        };
        let overview = format!("/api/admin/projects/{}/overview", segment(&self.project));
        let asked =
            join4(get("/api/admin/user"), get(CONFIGURATION), get(&overview), get("/api/admin/search/events?limit=1"));
        let (user, configuration, project, events) = asked.await;
        let user = match user {
            Ok(user) => user,
            Err(fault) => return vec![failed("token", self.told(fault), TOKEN)],
        };
        let configuration = match configuration {
            Ok(configuration) => configuration,
            Err(fault) => return vec![failed("version", self.told(fault), LOG)],
        };
        vec![
            version(&configuration),
            whose(&user),
            self.permissions(&user),
            self.place_of_flags(project),
            match events {
                Ok(_) => Check::fine("events", "the flags' events can be read"),
                Err(fault) => {
                    failed("events", self.told(fault), "they tell of changes by hand: let the token's user read them")
                }
            },
            maintenance(&configuration),
        ]
    }

    fn permissions(&self, user: &Value) -> Check {
        let place = format!("in project {}, environment {}", self.project, self.environment);
        let Some(granted) = user.get("permissions").and_then(Value::as_array) else {
            return Check::fine("permissions", "not said");
        };
        let missing: Vec<_> = NEEDED.iter().filter(|(name, _)| !self.grants(granted, name)).collect();
        let named: Vec<String> = missing.iter().map(|(name, words)| format!("{words} ({name})")).collect();
        let seen = format!("it may not {} {place}", named.join(", "));
        match missing.as_slice() {
            [] => {
                let may: Vec<&str> = NEEDED.iter().map(|(_, words)| *words).collect();
                Check::fine("permissions", format!("it may {} {place}", may.join(", ")))
            }
            [(MAKES_FLAGS, _)] => {
                Check::warning("permissions", seen, format!("make each flag before its release starts, or {ROLE}"))
            }
            _ => Check::failed("permissions", checkup::Fault::NotAuthorised, seen, ROLE),
        }
    }

    /// Whether a list of permissions has one, or all, for this project and environment, as the server judges it.
    fn grants(&self, granted: &[Value], wanted: &str) -> bool {
        granted.iter().any(|granted| {
            let within = |key: &str, ours: &str| {
                granted.get(key).and_then(Value::as_str).is_none_or(|theirs| theirs == ours || theirs == "*")
            };
            let name = granted.get("permission").and_then(Value::as_str).unwrap_or_default();
            (name == wanted || name == "ADMIN")
                && within("project", &self.project)
                && within("environment", &self.environment)
        })
    }

    fn place_of_flags(&self, overview: Result<Value, Fault>) -> Check {
        let (project, environment) = (&self.project, &self.environment);
        let overview = match overview {
            Ok(overview) => overview,
            Err(Fault::Missing(_)) => {
                let (other, seen) = (checkup::Fault::Other, format!("there is no project {project}"));
                return Check::failed("project", other, seen, "check `project`: it is the project's id, not its name");
            }
            Err(fault) => return failed("project", self.told(fault), "let the token's user see the project"),
        };
        let known = overview.get("environments").and_then(Value::as_array);
        let known: Vec<String> = known
            .into_iter()
            .flatten()
            .filter_map(|known| known.get("environment").or(Some(known))?.as_str())
            .map(bounded)
            .collect();
        if known.contains(environment) {
            return Check::fine("project", format!("project {project} has environment {environment}"));
        }
        let seen = format!("project {project} has no environment {environment}, only {}", known.join(", "));
        let advice = "check `environment`, or let the project have it (Unleash: the project's settings)";
        Check::failed("project", checkup::Fault::Other, seen, advice)
    }

    fn told(&self, fault: Fault) -> BackendError {
        fault.unexpected(&self.api.place)
    }
}

/// A failure as the server told it, without the place: that stands above.
fn failed(name: &'static str, error: BackendError, advice: &str) -> Check {
    match error {
        BackendError::NotAuthorised { detail, .. } => {
            Check::failed(name, checkup::Fault::NotAuthorised, detail, advice)
        }
        BackendError::Unreachable { detail, .. } => Check::failed(name, checkup::Fault::Unreachable, detail, advice),
        BackendError::Refused { detail, .. } => Check::failed(name, checkup::Fault::Other, detail, advice),
        error => Check::failed(name, checkup::Fault::Other, error.to_string(), advice),
    }
}

fn version(configuration: &Value) -> Check {
    let text = |path: &str| configuration.pointer(path).and_then(Value::as_str).map(bounded).unwrap_or_default();
    let edition = match text("/environment") {
        name if name.eq_ignore_ascii_case("open source") => "open source".to_owned(),
        name if name.is_empty() => "of an edition that it does not say".to_owned(),
        name => name,
    };
    match text("/version") {
        version if version.is_empty() => Check::fine("version", "not said"),
        version => Check::fine("version", format!("Unleash {version}, {edition}")),
    }
}

/// The answer holds an admin token's secret: nothing of it but a name goes anywhere.
fn whose(user: &Value) -> Check {
    let text = |key: &str| user.get("user")?.get(key)?.as_str().map(bounded).filter(|text| !text.is_empty());
    let name = text("username").or_else(|| text("email")).or_else(|| text("name"));
    let name = name.unwrap_or_else(|| "without a name".to_owned());
    let is_admin_token = user.pointer("/user/internalAdminTokenUserId").is_some();
    Check::fine(
        "token",
        match is_admin_token {
            true => format!("an admin token, {name}"),
            false => format!("that of user {name}"),
        },
    )
}

/// Who is no administrator may not ask for it, but everybody is told.
fn maintenance(configuration: &Value) -> Check {
    if configuration.get("maintenanceMode").and_then(Value::as_bool) == Some(true) {
        let seen = "it is in maintenance mode and refuses every write, switching off included";
        let advice =
            "end it in Unleash before anything starts; what must be off now cannot be switched off before that";
        return Check::failed("maintenance", checkup::Fault::Unreachable, seen, advice);
    }
    Check::fine("maintenance", "it takes writes")
}

fn time(reply: &Reply, before: Timestamp, after: Timestamp) -> Check {
    let Some(theirs) = reply.date.as_deref().and_then(http::date) else { return Check::fine("clock", "not said") };
    let read = ClockRead { theirs: Timestamp(theirs), step: Span::seconds(1), before, after };
    read.check("its event log tells other times than the journal")
}
