//! Whether a server is there, is an Unleash, knows our token, and lets us do what will be needed.

use futures_util::future::{join, join4};
use serde_json::Value;

use super::Unleash;
use super::api::{CONFIGURATION, Call, Fault, NO_PAGE};
use crate::backend::BackendError;
use crate::checkup::{self, Check, ClockRead};
use crate::clock::Clock;
use crate::engine::{Span, Timestamp};
use crate::http::{self, Reply, bounded, segment};

const ADDRESS: &str = "check `url`, its path too, that the server runs, and that this machine may reach it";
const TOKEN: &str = "make a personal access token in Unleash for a user with the root role Editor, and let `token_env`, \
                     `token_file` or `token_command` say it";
const CERTIFICATES: &str =
    "check `ca_file`, `client_cert_file` and `client_key_file`: paths start at the project's folder";
const LOG: &str = "it answers strangers, so that its address is right: its own log says more, or its database is gone";

impl Unleash {
    /// Everything about it that does not depend on a flag.
    pub(super) async fn checks(&self, clock: &dyn Clock) -> Vec<Check> {
        let mut checks: Vec<Check> = self.transport().into_iter().collect();
        if let Err(why) = self.api.client() {
            checks.push(Check::failed("certificates", checkup::Fault::Other, why, CERTIFICATES));
            return checks;
        }
        let before = clock.now();
        let knocked = async { (self.api.knock().await, clock.now()) };
        let ((knocked, after), token) = join(knocked, self.api.token()).await;
        let reply = match knocked {
            Ok((reply, Err(Fault::Other(BackendError::NotAuthorised { .. })))) => Ok(reply),
            // where it asks nobody who they are
            Ok((reply, Ok(said))) if said.get("version").is_some() => Ok(reply),
            Ok((_, Ok(_))) => Err("it answers, and not as an Unleash does".to_owned()),
            // whatever it is that answers, it is not what was looked for
            Ok((_, Err(fault))) => Err(self.told(fault).detail().to_owned()),
            Err(why) => Err(why.detail),
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => {
                checks.push(Check::failed("reachable", checkup::Fault::Unreachable, why, ADDRESS));
                return checks;
            }
        };
        checks.push(Check::fine("reachable", format!("it answers, in {} ms", after.since(before).0)));
        match token {
            Ok(_) => checks.extend(self.with_token().await),
            Err(fault) => checks.push(failed("token", &self.told(fault), TOKEN)),
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
        let overview = self.overview_path();
        let asked =
            join4(get("/api/admin/user"), get(CONFIGURATION), get(&overview), get("/api/admin/search/events?limit=1"));
        let (user, configuration, project, events) = asked.await;
        let user = match user {
            Ok(user) => user,
            Err(fault) => return vec![failed("token", &self.told(fault), TOKEN)],
        };
        let configuration = match configuration {
            Ok(configuration) => configuration,
            Err(fault) => return vec![failed("version", &self.told(fault), LOG)],
        };
        vec![
            version(&configuration),
            whose(&user),
            self.permissions(&user),
            self.place_of_flags(project),
            match events {
                Ok(_) => Check::fine("events", "the flags' events can be read"),
                Err(fault) => {
                    failed("events", &self.told(fault), "they tell of changes by hand: let the token's user read them")
                }
            },
            maintenance(&configuration),
        ]
    }

    fn place_of_flags(&self, overview: Result<Value, Fault>) -> Check {
        let (project, environment) = (&self.project, &self.environment);
        match self.lacks(overview) {
            Ok(None) => Check::fine("project", format!("project {project} has environment {environment}")),
            Ok(Some((seen, advice))) => Check::failed("project", checkup::Fault::Other, seen, advice),
            Err(fault) => failed("project", &self.told(fault), "let the token's user see the project"),
        }
    }

    /// What the project lacks for our flags, and what to do about it.
    fn lacks(&self, overview: Result<Value, Fault>) -> Result<Option<(String, &'static str)>, Fault> {
        let (project, environment) = (&self.project, &self.environment);
        let overview = match overview {
            Ok(overview) => overview,
            Err(Fault::Missing(_)) => {
                let advice = "check `project`: it is the project's id, not its name";
                return Ok(Some((format!("there is no project {project}"), advice)));
            }
            Err(fault) => return Err(fault),
        };
        let known = overview.get("environments").and_then(Value::as_array);
        let known: Vec<String> = known
            .into_iter()
            .flatten()
            .filter_map(|known| known.get("environment").or(Some(known))?.as_str())
            .map(bounded)
            .collect();
        if known.contains(environment) {
            return Ok(None);
        }
        let seen = format!("project {project} has no environment {environment}, only {}", known.join(", "));
        Ok(Some((seen, "check `environment`, or let the project have it (Unleash: the project's settings)")))
    }

    /// Whether flags are looked for in a project and an environment that are there: elsewhere, that one is missing says
    /// nothing. Asked once. A server that does not let us see the project has shown us no flag of it either.
    ///
    /// # Errors
    /// There is no such project or environment, or the server does not answer.
    pub(super) async fn place_is_there(&self) -> Result<(), BackendError> {
        let ask = async {
            let call = Call::get(self.overview_path());
            match self.lacks(self.api.call(&call).await) {
                Ok(Some((seen, advice))) => Err(self.refused(format!("{seen}: {advice}"))),
                Ok(None) => Ok(()),
                Err(fault) => match self.told(fault) {
                    BackendError::NotAuthorised { .. } => Ok(()),
                    error => Err(error),
                },
            }
        };
        self.api.place_is_there.get_or_try_init(|| ask).await.copied()
    }

    fn overview_path(&self) -> String {
        format!("/api/admin/projects/{}/overview", segment(&self.project))
    }

    fn told(&self, fault: Fault) -> BackendError {
        fault.unexpected(&self.api.place)
    }
}

/// A failure as the server told it, without the place: that stands above. What does not answer has no answer to it either.
fn failed(name: &'static str, error: &BackendError, advice: &str) -> Check {
    let (fault, advice) = match error {
        BackendError::NotAuthorised { .. } => (checkup::Fault::NotAuthorised, advice),
        BackendError::Unreachable { detail, .. } if detail == NO_PAGE => (checkup::Fault::Unreachable, ADDRESS),
        BackendError::Unreachable { .. } => (checkup::Fault::Unreachable, LOG),
        _ => (checkup::Fault::Other, advice),
    };
    Check::failed(name, fault, error.detail(), advice)
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
    match configuration.get("maintenanceMode").and_then(Value::as_bool) {
        Some(false) => Check::fine("maintenance", "it takes writes"),
        None => Check::fine("maintenance", "not said"),
        Some(true) => Check::failed(
            "maintenance",
            checkup::Fault::Unreachable,
            "it is in maintenance mode and refuses every write, switching off included",
            "end it in Unleash before anything starts; what must be off now cannot be switched off before that",
        ),
    }
}

fn time(reply: &Reply, before: Timestamp, after: Timestamp) -> Check {
    let Some(theirs) = reply.date.as_deref().and_then(http::date) else { return Check::fine("clock", "not said") };
    let read = ClockRead { theirs: Timestamp(theirs), step: Span::seconds(1), before, after };
    read.check("its event log tells other times than the journal")
}
