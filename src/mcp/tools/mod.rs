//! The tools, a file each. One more is one more file, and a line in [`ALL`].

mod abort;
mod audit_log;
mod explain;
mod find_flag;
mod pause;
mod plan;
mod schema;
mod status;
mod stop;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures_util::future::LocalBoxFuture;
use rmcp::model::{self, JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Setup;
use super::answer::Given;
use super::caller::Caller;
use super::problem::{FAILED, Problem, UNREACHABLE, USAGE};
use crate::clock::Clock;
use crate::control::stop::StopSite;
use crate::control::{ControlError, Rollout, Site};
use crate::engine::input::Actor;
use crate::spec;
use crate::view::safe::safe;
use crate::view::schemas;

/// A name or a reason is no longer than this.
const WORDS_AT_MOST: usize = 1000;
/// A proposed document is no longer than this.
const TEXT_AT_MOST: usize = 1024 * 1024;

/// All of them, in the order in which they are listed.
static ALL: [&Tool; 9] = [
    &status::TOOL,
    &explain::TOOL,
    &find_flag::TOOL,
    &plan::TOOL,
    &validate::TOOL,
    &audit_log::TOOL,
    &schema::TOOL,
    &pause::TOOL,
    &abort::TOOL,
];

/// A tool.
pub(super) struct Tool {
    pub(super) name: &'static str,
    title: &'static str,
    description: &'static str,
    input: fn() -> JsonObject,
    /// The answer's name; none where it is any object.
    output: Option<&'static str>,
    /// Whether it talks to what others change as well, or brings their texts.
    open_world: bool,
    pub(super) does: Does,
    pub(super) run: fn(Call) -> LocalBoxFuture<'static, Result<Given, Problem>>,
}

/// What a tool does to exposure. There is none that enlarges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It looks.
    Read,
    /// It keeps exposure from growing, which a person can take back.
    Hold,
    /// It takes a feature away from people.
    Reduce,
}

/// A call of a tool.
pub(super) struct Call {
    pub(super) setup: Arc<Setup>,
    pub(super) caller: Caller,
    pub(super) arguments: JsonObject,
}

/// `release@environment` of everything that was ever started, as far as the journal can be read.
pub(super) fn begun(call: &Call) -> Vec<String> {
    let actor = call.caller.actor(&call.setup.person);
    let site = StopSite::open(&call.setup.dir, actor, Arc::clone(&call.setup.clock));
    let rollouts =
        |site: StopSite| site.store().iter().flat_map(|store| store.rollouts()).map(Rollout::address).collect();
    site.map(rollouts).unwrap_or_default()
}

/// What `explain` answers of an address.
pub(super) async fn explain(call: &Call, address: &str) -> Result<Given, Problem> {
    explain::of(call, &Meant::of(address, None)).await
}

/// The schema of a kind of document, or of an answer.
pub(super) fn schema(name: &str) -> Option<Value> {
    spec::schema::of_kind(name).or_else(|| schemas::all().into_iter().find(|(known, _)| *known == name).map(|of| of.1))
}

/// All names that have a schema.
pub(super) fn schema_names() -> Vec<&'static str> {
    spec::schema::kinds().iter().copied().chain(schemas::all().into_iter().map(|(name, _)| name)).collect()
}

/// The tool of a name.
pub(super) fn named(name: &str) -> Option<&'static Tool> {
    ALL.into_iter().find(|tool| tool.name == name)
}

/// What a client is told of them: those that write only where it may.
pub(super) fn listed(may_write: bool) -> Vec<model::Tool> {
    // the schemas are the same as long as the process lives
    static TOLD: OnceLock<Vec<model::Tool>> = OnceLock::new();
    let told = TOLD.get_or_init(|| {
        let answers = schemas::all();
        ALL.iter().map(|tool| tool.told(&answers)).collect()
    });
    let is_listed = |tool: &&Tool| may_write || tool.does == Does::Read;
    ALL.into_iter().zip(told).filter(|(tool, _)| is_listed(tool)).map(|(_, told)| told.clone()).collect()
}

impl Tool {
    fn told(&self, answers: &[(&'static str, Value)]) -> model::Tool {
        let found = answers.iter().find(|(name, _)| Some(*name) == self.output).map(|(_, schema)| schema.clone());
        let output = match found {
            Some(Value::Object(schema)) => schema,
            _ => json!({ "type": "object" }).as_object().cloned().unwrap_or_default(),
        };
        let hints = ToolAnnotations::from_raw(
            Some(self.title.to_owned()),
            Some(self.does == Does::Read),
            Some(self.does == Does::Reduce),
            Some(true),
            Some(self.open_world),
        );
        model::Tool::new(self.name, self.description, (self.input)())
            .with_title(self.title)
            .with_raw_output_schema(Arc::new(output))
            .with_annotations(hints)
    }
}

impl Call {
    /// The arguments of a tool, each within its bounds.
    fn arguments<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        for (name, value) in &self.arguments {
            let text = value.as_str().unwrap_or_default();
            let (long, most) = match name.as_str() {
                "text" => (text.len() > TEXT_AT_MOST, "1 MiB"),
                _ => (text.chars().count() > WORDS_AT_MOST, "1000 characters"),
            };
            if long {
                let why = format!("`{}` is longer than {most}", safe(name));
                return Err(Problem::new(USAGE, why, None));
            }
        }
        serde_json::from_value(Value::Object(self.arguments.clone())).map_err(|error| {
            let why = format!("the arguments cannot be used: {}", safe(&error.to_string()));
            Problem::new(USAGE, why, Some("the tool's inputSchema says what it takes"))
        })
    }

    /// The project with its journal; there is one already. Nothing that waits beside it is taken in: a look writes nothing.
    fn site(&self) -> Result<Site, Problem> {
        self.site_by(Site::open)
    }

    /// As [`Call::site`]; a journal that is locked is not waited for.
    fn site_at_once(&self) -> Result<Site, Problem> {
        self.site_by(|dir, actor, clock| Site::open_to_stop(dir, actor, clock, None))
    }

    fn site_by(
        &self,
        open: impl FnOnce(&Path, Actor, Arc<dyn Clock>) -> Result<Site, ControlError>,
    ) -> Result<Site, Problem> {
        let path = self.journal().map_err(|found| Problem::invalid(&found))?;
        if !path.try_exists().unwrap_or(true) {
            let why = format!("there is no journal at {}: nothing was ever started", path.display());
            return Err(Problem::new(UNREACHABLE, why, Some("the tool `status` tells what backends serve")));
        }
        let actor = self.caller.actor(&self.setup.person);
        Ok(open(&self.setup.dir, actor, Arc::clone(&self.setup.clock))?)
    }

    /// Where the journal is.
    fn journal(&self) -> Result<PathBuf, Vec<spec::Finding>> {
        spec::project_only(&self.setup.dir).map(|project| self.setup.dir.join(project.journal))
    }
}

/// A release, and an environment where one is meant.
struct Meant {
    release: String,
    environment: Option<String>,
}

impl Meant {
    /// `release@environment`, as answers write it, is understood too.
    fn of(release: &str, environment: Option<&str>) -> Meant {
        let (name, behind) = match release.split_once('@') {
            Some((name, behind)) if environment.is_none_or(|named| named == behind) => (name, Some(behind)),
            _ => (release, None),
        };
        Meant { release: name.to_owned(), environment: behind.or(environment).map(str::to_owned) }
    }

    /// The newest rollout that is meant, if it is clear which one.
    fn rollout<'s>(&self, site: &'s Site) -> Result<&'s Rollout, Problem> {
        let is_meant = |rollout: &&Rollout| {
            rollout.plan.release == self.release
                && self.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment)
        };
        let all: Vec<&Rollout> = site.store.rollouts().filter(is_meant).collect();
        let live: Vec<&Rollout> = all.iter().copied().filter(|rollout| rollout.state.is_live()).collect();
        match (live.as_slice(), all.as_slice()) {
            ([only], _) | ([], [only]) => Ok(*only),
            ([], []) => {
                let declared = site.loaded.releases().iter().any(|known| known.release == self.release);
                let why = match declared {
                    true => format!("{} has no rollout yet", self.told()),
                    false => site.no_release(&self.release),
                };
                Err(Problem::new(FAILED, safe(&why), Some("the tool `find_flag` lists releases and flags")))
            }
            _ => {
                let several: Vec<&str> = all.iter().map(|rollout| rollout.plan.environment.as_str()).collect();
                let why = format!("{} goes to several environments: name one of {}", self.told(), several.join(", "));
                Err(Problem::new(USAGE, safe(&why), None))
            }
        }
    }

    fn told(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{}@{environment}", self.release),
            None => format!("`{}`", self.release),
        }
    }
}

/// The schema of a tool's arguments.
fn input<T: JsonSchema>() -> JsonObject {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    let Value::Object(mut schema) = schema else { return JsonObject::new() };
    schema.remove("$schema");
    schema.remove("title");
    schema.remove("description");
    for property in
        schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
    {
        if let Some(property) = property.as_object_mut() {
            // what only Rust knows
            property.remove("format");
            property.remove("default");
        }
    }
    schema.entry("properties").or_insert_with(|| json!({}));
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_says_what_it_takes_gives_and_does() {
        let all = listed(true);
        assert_eq!(all.len(), ALL.len());
        for (tool, told) in ALL.iter().zip(&all) {
            assert_eq!(told.input_schema["additionalProperties"], false, "{}", tool.name);
            assert_eq!(told.input_schema["type"], "object", "{}", tool.name);
            let hints = told.annotations.as_ref().expect("hints");
            assert_eq!(hints.read_only_hint, Some(tool.does == Does::Read));
            assert!(
                hints.destructive_hint.is_some() && hints.idempotent_hint.is_some() && hints.open_world_hint.is_some()
            );
            assert_eq!(told.output_schema.as_ref().expect("a schema")["type"], "object");
        }
        assert_eq!(listed(false).len(), ALL.len() - 2);
    }
}
