//! `validate`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::live::look;
use crate::forecast;
use crate::spec::{self, Loaded, Severity};
use crate::view::arithmetic;
use crate::view::findings::{self, FindingsAnswer};
use crate::view::live_queries as live;
use crate::view::printer::Tone;
use crate::view::verbose;

/// Check all documents and report everything that is wrong with them
///
/// With --arithmetic, each safeguard of each policy that a release uses is simulated, with fixed seeds: how often it fires a day
/// while all is well, how long it takes to find a break, and below which traffic it does not. What is expected stands in
/// `expect` of a policy; what is not, is assumed and said.
///
/// With --live, and only then, the sources are asked, with -e only for one environment. Findings count as others do; a source
/// that cannot be reached ends it with 5, one that does not let us with 4.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Report of these files and folders only
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Compute what each safeguard will cost: false alarms a day, time to find a break, the traffic that it needs
    #[arg(long)]
    pub(crate) arithmetic: bool,
    /// Ask every query once at the sources of the documents: there, one number, fresh, its unit, its window, its bounds
    #[arg(long)]
    pub(crate) live: bool,
    /// Requests that everybody makes, exposed or not: 300/m, 5/s; goes before `expect` of the policies
    #[arg(long, value_name = "RATE", requires = "arithmetic", value_parser = forecast::traffic)]
    pub(crate) traffic: Option<f64>,
}

impl Validate {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let began = context.clock.now();
        let mut loaded = match self.paths.is_empty() {
            true => spec::load(&context.dir),
            false => {
                let paths: Vec<PathBuf> = self.paths.iter().map(|path| context.dir.join(path)).collect();
                spec::load_paths(&context.dir, &paths)
            }
        };
        verbose::loaded(&context.printer, &loaded, context.clock.now().since(began));
        let looked = match self.live {
            true => {
                Validate::known_environment(context, &loaded)?;
                let observer = verbose::observer(&context.printer);
                let mut looked = look(&loaded, context.environment.as_deref(), &context.clock, observer).await;
                loaded.add_findings(std::mem::take(&mut looked.findings));
                Some(looked)
            }
            false => None,
        };
        let (forecasts, left_out) = match self.arithmetic {
            true => forecast::all(&loaded, self.traffic),
            false => (Vec::new(), 0),
        };
        if context.printer.machine() {
            context.printer.answer(&FindingsAnswer {
                files: loaded.files,
                documents: loaded.documents.len(),
                findings: findings::rows(&loaded.findings),
                live: looked.as_ref().map(live::row),
                arithmetic: self.arithmetic.then(|| arithmetic::rows(&forecasts)),
                rules_left_out: self.arithmetic.then_some(left_out),
                left_out: None,
            });
        } else {
            findings::print(&context.printer, &loaded.findings);
            if let Some(looked) = &looked {
                live::print(&context.printer, looked);
            }
            if self.arithmetic {
                arithmetic::print(&context.printer, &forecasts, left_out);
            }
            let count = |severity| loaded.findings.iter().filter(|finding| finding.severity == severity).count();
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            let tone = if errors > 0 { Tone::Bad } else { Tone::Good };
            let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let text = format!(
                "{}, {}: {}, {}",
                many(loaded.files, "file"),
                many(loaded.documents.len(), "document"),
                many(errors, "error"),
                many(warnings, "warning")
            );
            context.printer.out(&context.printer.tone(&text, tone));
            if let Some(first) = loaded.findings.first() {
                context
                    .printer
                    .err(&format!("flagstaff help {} explains the first; so it does for every code", first.code));
            }
        }
        let documents = if loaded.has_errors() { Exit::Invalid } else { Exit::Done };
        let unreachable = looked.iter().flat_map(|looked| &looked.unreachable);
        Ok(unreachable.fold(documents, |worst, source| worst.worst(Exit::of_fault(source.fault))))
    }
    /// A name that no environment has would ask nothing, and say that all is well.
    fn known_environment(context: &Context, loaded: &Loaded) -> Result<(), Failure> {
        let environments = loaded.project().map(|project| project.environments.as_slice()).unwrap_or_default();
        let known: Vec<&str> = environments.iter().map(|known| known.name.value.as_str()).collect();
        match &context.environment {
            Some(named) if !known.is_empty() && !known.contains(&named.as_str()) => {
                Err(Failure::new(Exit::Usage, format!("there is no environment `{named}`"))
                    .help(format!("environments: {}", known.join(", "))))
            }
            _ => Ok(()),
        }
    }
}
