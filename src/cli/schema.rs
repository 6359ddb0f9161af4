//! `schema`.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec::schema;
use crate::view::schemas;

/// Print the JSON Schema of documents, for editors, or of an answer
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// A kind of document, or the name of an answer; documents of every kind unless named
    #[arg(value_name = "KIND|ANSWER")]
    pub(crate) name: Option<String>,
}

impl Schema {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Some(name) = self.name else {
            context.printer.schema(&schema::documents());
            return Ok(Exit::Done);
        };
        let answers = schemas::all();
        let of_answer = || answers.iter().find(|(known, _)| *known == name).map(|(_, schema)| schema.clone());
        let Some(found) = schema::of_kind(&name).or_else(of_answer) else {
            let known = schema::kinds().iter().copied().chain(answers.iter().map(|(name, _)| *name));
            return Err(Failure::new(Exit::Usage, format!("there is no schema `{name}`"))
                .help(format!("known: {}", known.collect::<Vec<_>>().join(", "))));
        };
        context.printer.schema(&found);
        Ok(Exit::Done)
    }
}
