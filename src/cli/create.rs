//! `create`.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::apply::{FlagChange, Options};
use crate::control::create::{self, CreateError, Drafted, Wish};
use crate::spec::documents::Body;
use crate::spec::{Loaded, load};
use crate::view::create::{CreateAnswer, SnippetRow, alike, print, safe_lines};
use crate::view::proposal::{self, AppliedRow};
use crate::view::safe::safe;
use crate::view::snippet::{self, snippet};

/// Make the documents of a new flag and its release, checked with all others before anything is written
///
/// At a terminal what is not said by options is asked for, and nothing is written before you agree. Nobody gets the feature
/// by it: `flagstaff start` releases.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The flag's key
    pub(crate) flag: String,
    /// Name the release so; otherwise by the key
    #[arg(long, value_name = "NAME")]
    pub(crate) release: Option<String>,
    /// What kind of flag it is: release, experiment, operational, kill-switch, permission, sunset
    #[arg(long = "type", value_name = "TYPE", default_value = "release")]
    pub(crate) kind: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "WHO")]
    pub(crate) owner: Option<String>,
    /// How long it should live: 40d
    #[arg(long, value_name = "DURATION")]
    pub(crate) lifetime: Option<String>,
    /// Take this release template instead of the project's
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,
    /// Take this threshold policy instead of the project's
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Release there, in this order, instead of where all releases go
    #[arg(long, value_name = "ENV", value_delimiter = ',')]
    pub(crate) to: Vec<String>,
    /// Label the release
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) label: Vec<(String, String)>,
    /// Add the documents to this file, below what stands in it; otherwise a file of their own below flagstaff/
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<String>,
    /// Make it although a flag is declared whose key differs in case and separators only
    #[arg(long)]
    pub(crate) anyway: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Make the flag at the backends too, off, for nobody
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) at_backend: bool,
    /// Print code that asks for the flag
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) snippet: Option<Language>,
    /// The SDK of that code
    #[arg(long, value_name = "SDK", default_value = "openfeature")]
    pub(crate) sdk: Sdk,
}

/// Languages of snippets.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Language {
    /// TypeScript on a server
    Typescript,
    /// JavaScript on a server
    Javascript,
    /// React
    React,
    /// Python
    Python,
    /// Java
    Java,
    /// Kotlin
    Kotlin,
    /// Go
    Go,
    /// C#
    Csharp,
    /// Rust
    Rust,
    /// Ruby
    Ruby,
}

/// SDKs of snippets.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Sdk {
    /// OpenFeature, with the provider of any backend
    Openfeature,
    /// Unleash
    Unleash,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let loaded = load(&context.dir);
        if loaded.project().is_none() {
            return Err(Failure::invalid(loaded.findings));
        }
        if loaded.has_errors() {
            // a document that cannot be read may be the one that declares it
            return Err(Failure::invalid(loaded.findings));
        }
        self.sound(context, &loaded)?;
        let asks = !self.yes
            && !self.dry_run
            && !context.printer.machine()
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal();
        let wish = self.wish(&loaded, asks)?;
        let drafted = wish.drafted(&loaded).map_err(failure)?;
        let code = self.code()?;
        if !context.printer.machine() {
            print(&context.printer, &drafted);
        }
        if let Some(known) = drafted.alike.iter().find(|known| known.same_letters && !self.anyway) {
            let why = format!("`{}` and `{}` differ in case and separators only", safe(&known.flag), safe(&self.flag));
            return Err(Failure::new(Exit::Failed, why).help("use that flag; --anyway makes another one all the same"));
        }
        let written = if self.dry_run {
            None
        } else {
            if asks && !dialoguer::Confirm::new().with_prompt("write this?").default(true).interact().unwrap_or(false) {
                return Err(Failure::new(Exit::Failed, "nothing was written"));
            }
            Some(create::write(&loaded, &drafted).map_err(failure)?)
        };
        let (backends, exit) = if self.at_backend { self.make(context).await? } else { (Vec::new(), Exit::Done) };
        let answer = self.answer(&drafted, written.into(), backends, code, exit == Exit::Done);
        if !context.printer.machine() {
            if let Some(snippet) = &answer.snippet {
                context.printer.out("");
                context.printer.out(&safe_lines(&snippet.code));
            }
            context.printer.note(&format!("next: {}", answer.next));
        }
        context.printer.answer(&answer);
        Ok(exit)
    }

    /// What is known to be wrong before anybody is asked anything.
    fn sound(&self, context: &Context, loaded: &Loaded) -> Result<(), Failure> {
        let known: Vec<&str> = loaded
            .project()
            .iter()
            .flat_map(|project| &project.environments)
            .map(|known| known.name.value.as_str())
            .collect();
        if let Some(unknown) = context.environment.as_deref().filter(|named| !known.contains(named)) {
            return Err(Failure::new(Exit::Usage, format!("there is no environment `{}`", safe(unknown)))
                .help(format!("the project has: {}", known.join(", "))));
        }
        if let Some(twice) = self.to.iter().enumerate().find(|(index, name)| self.to[..*index].contains(name)) {
            return Err(Failure::new(Exit::Usage, format!("`--to` names `{}` twice", safe(twice.1))));
        }
        self.base().untaken(loaded).map_err(failure)
    }

    fn base(&self) -> Wish {
        Wish { flag: self.flag.clone(), release: self.release.clone(), ..Wish::default() }
    }

    /// What is wanted: by options, and, where somebody is there to be asked, by answers.
    fn wish(&self, loaded: &Loaded, asks: bool) -> Result<Wish, Failure> {
        let mut wish = Wish {
            flag: self.flag.clone(),
            release: self.release.clone(),
            kind: Some(self.kind.clone()),
            description: self.description.clone(),
            owner: self.owner.clone(),
            expected_lifetime: self.lifetime.clone(),
            template: self.template.clone(),
            policy: self.policy.clone(),
            environments: self.to.clone(),
            labels: self.label.clone(),
            file: self.file.clone(),
        };
        if asks {
            let asked = |prompt: &str, known: &mut Option<String>| -> Result<(), Failure> {
                if known.is_none() {
                    let said = dialoguer::Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text();
                    let said = said.map_err(|_| Failure::new(Exit::Interrupted, "nothing was written"))?;
                    *known = Some(said).filter(|said| !said.trim().is_empty());
                }
                Ok(())
            };
            asked("what it is for", &mut wish.description)?;
            asked("who answers for it", &mut wish.owner)?;
            chosen("release template", &templates(loaded), &mut wish.template)?;
            chosen("threshold policy", &policies(loaded), &mut wish.policy)?;
        }
        Ok(wish)
    }

    fn code(&self) -> Result<Option<SnippetRow>, Failure> {
        let Some(language) = self.snippet else { return Ok(None) };
        let (sdk, language) = (self.sdk.into(), language.into());
        match snippet(sdk, language, &self.flag) {
            Some(code) => Ok(Some(SnippetRow { sdk, language, code })),
            None => Err(Failure::new(Exit::Usage, "the Unleash SDK for Rust asks for flags by an enum of your own")
                .help("leave out --snippet, or take --sdk openfeature")),
        }
    }

    /// The flag at the backends, off. What is there already is left alone.
    async fn make(&self, context: &Context) -> Result<(Vec<AppliedRow>, Exit), Failure> {
        let mut site = context.site()?;
        let proposal = site.propose_flag(&self.flag, context.environment.as_deref()).await;
        let mut exit = Exit::Done;
        for row in &proposal.flags {
            let address = safe(&row.address());
            let trouble = match &row.change {
                FlagChange::Adopt { .. } => "somebody else made it: `flagstaff apply --adopt` takes it".to_owned(),
                FlagChange::Blocked(why) => safe(why),
                FlagChange::Unknown { why, not_authorised } => {
                    exit = exit.worst(if *not_authorised { Exit::NotAuthorised } else { Exit::Unreachable });
                    safe(why)
                }
                _ => continue,
            };
            exit = exit.worst(Exit::Failed);
            context.printer.err(&format!("{address}: {trouble}"));
        }
        let rows = site.apply(&proposal, &Options::default(), &|_, _| ()).await?;
        let shown = proposal::applied_rows(&rows);
        if !context.printer.machine() {
            proposal::applied(&context.printer, &shown);
        }
        let failed = rows.into_iter().filter_map(|row| row.error).map(|error| Failure::from(error).exit);
        Ok((shown, failed.fold(exit, Exit::worst)))
    }

    fn answer(
        &self,
        drafted: &Drafted,
        written: crate::view::create::WrittenWord,
        backends: Vec<AppliedRow>,
        snippet: Option<SnippetRow>,
        made: bool,
    ) -> CreateAnswer {
        let next = match (self.dry_run, self.at_backend) {
            (true, _) => "the same without --dry-run".to_owned(),
            (false, true) if !made => "flagstaff apply".to_owned(),
            (false, true) => format!("flagstaff start {} -e ENV", drafted.release),
            (false, false) => "flagstaff plan".to_owned(),
        };
        CreateAnswer {
            flag: self.flag.clone(),
            release: drafted.release.clone(),
            file: drafted.draft.name.clone(),
            written,
            documents: drafted.documents.clone(),
            alike: alike(&drafted.alike),
            backends,
            snippet,
            next,
        }
    }
}

/// One of the project's, or what the project says by default.
fn chosen(what: &str, names: &[String], known: &mut Option<String>) -> Result<(), Failure> {
    if known.is_some() || names.len() < 2 {
        return Ok(());
    }
    let mut items = vec!["(the project's default)".to_owned()];
    items.extend(names.iter().map(|name| safe(name)));
    let picked = dialoguer::Select::new().with_prompt(what).items(&items).default(0).interact();
    let picked = picked.map_err(|_| Failure::new(Exit::Interrupted, "nothing was written"))?;
    *known = picked.checked_sub(1).and_then(|index| names.get(index).cloned());
    Ok(())
}

fn templates(loaded: &Loaded) -> Vec<String> {
    let name = |body: &Body| match body {
        Body::Template(template) => Some(template.name.value.clone()),
        _ => None,
    };
    loaded.documents.iter().filter_map(|document| name(&document.body)).collect()
}

fn policies(loaded: &Loaded) -> Vec<String> {
    let name = |body: &Body| match body {
        Body::Policy(policy) => Some(policy.name.value.clone()),
        _ => None,
    };
    loaded.documents.iter().filter_map(|document| name(&document.body)).collect()
}

fn failure(error: CreateError) -> Failure {
    match error {
        CreateError::Invalid(ref findings) => {
            Failure { message: error.to_string(), ..Failure::invalid(findings.clone()) }
        }
        CreateError::Declared { .. } => {
            let why = safe(&error.to_string());
            Failure::new(Exit::Failed, why).help("use that one, or take another key")
        }
        CreateError::File { .. } => Failure::new(Exit::Failed, safe(&error.to_string())),
    }
}

impl From<Sdk> for snippet::Sdk {
    fn from(sdk: Sdk) -> snippet::Sdk {
        match sdk {
            Sdk::Openfeature => snippet::Sdk::OpenFeature,
            Sdk::Unleash => snippet::Sdk::Unleash,
        }
    }
}

impl From<Language> for snippet::Language {
    fn from(language: Language) -> snippet::Language {
        match language {
            Language::Typescript => snippet::Language::Typescript,
            Language::Javascript => snippet::Language::Javascript,
            Language::React => snippet::Language::React,
            Language::Python => snippet::Language::Python,
            Language::Java => snippet::Language::Java,
            Language::Kotlin => snippet::Language::Kotlin,
            Language::Go => snippet::Language::Go,
            Language::Csharp => snippet::Language::Csharp,
            Language::Rust => snippet::Language::Rust,
            Language::Ruby => snippet::Language::Ruby,
        }
    }
}
