//! Prompts: what a person can pick from a menu, so that an assistant goes about it in the right order.

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};

use crate::view::safe::safe;

/// An argument is no longer than this.
const ARGUMENT_AT_MOST: usize = 200;

struct Template {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// Name, what it is, whether it is needed.
    arguments: &'static [(&'static str, &'static str, bool)],
    /// `{NAME}` stands for an argument.
    text: &'static str,
}

static ALL: [Template; 2] = [
    Template {
        name: "release_this_change",
        title: "Release this change",
        description: "Put a change behind a flag, and write the documents of its release.",
        arguments: &[
            ("change", "What the change does, in a sentence", true),
            ("release", "The release's name, if there is one already", false),
        ],
        text: "I want to release this change behind a feature flag with flagstaff: {change}\n\
               The release: {release}\n\n\
               1. Call `find_flag` with words of the change. If a flag for it exists, use that one and say so.\n\
               2. Call `schema` with kind Release (and Flag, if a new one is declared), and look at the project's other \
               documents (the resources under flagstaff://documents/): use their templates, policies and audiences instead \
               of new ones.\n\
               3. Write the document, and call `validate` with `file` and `text` until there is no error. Tell me what the \
               warnings mean for this release.\n\
               4. Call `plan` for the release once the document is in the project, and tell me in a few lines: the stages, \
               what it takes to leave each, and which rules stop it.\n\
               5. Put the feature behind the flag in the code, off by default.\n\n\
               Do not start anything, and do not try to: a person types `flagstaff start RELEASE -e ENVIRONMENT` after the \
               change is reviewed and deployed. End with that command, filled in.",
    },
    Template {
        name: "clean_up_this_flag",
        title: "Clean up this flag",
        description: "Remove a flag that has done its work from code and documents.",
        arguments: &[("flag", "The flag's key, or its release", true)],
        text: "I want to remove the feature flag {flag} from our code.\n\n\
               1. Call `find_flag` with its key. Go on only if each of its releases is `completed` in every environment (the \
               feature stays: remove the check and the old path), or `stopped` or `not_started` in every environment (the \
               feature goes: remove the check and the new path). Otherwise stop, and tell me what is still under way, by \
               `status` and `explain`.\n\
               2. Tell me which path stays and why, and wait for my agreement before you change anything.\n\
               3. Remove the check in the code with the path that nobody takes any more, its tests, and what only it used.\n\
               4. Remove the Release document, and the Flag document if there is one; call `validate` with `file` and `text` \
               for each file that you change.\n\n\
               Do not call `pause` or `abort` for this, and leave the flag at the backend as it is: a person archives it \
               there once the change is deployed everywhere.",
    },
];

/// What a client is told of them.
pub(super) fn listed() -> Vec<Prompt> {
    let argument = |(name, what, needed): &(&str, &str, bool)| {
        PromptArgument::new(*name).with_description(*what).with_required(*needed)
    };
    let told = |template: &Template| {
        let arguments = template.arguments.iter().map(argument).collect();
        Prompt::new(template.name, Some(template.description), Some(arguments)).with_title(template.title)
    };
    ALL.iter().map(told).collect()
}

/// A prompt with its arguments put in.
///
/// # Errors
/// There is no such prompt, or an argument is missing, too long or unknown.
pub(super) fn get(name: &str, arguments: &JsonObject) -> Result<GetPromptResult, String> {
    let Some(template) = ALL.iter().find(|template| template.name == name) else {
        return Err(format!("there is no prompt `{}`", safe(name)));
    };
    if let Some(unknown) = arguments.keys().find(|given| template.arguments.iter().all(|(known, ..)| known != given)) {
        return Err(format!("`{name}` has no argument `{}`", safe(unknown)));
    }
    let mut text = template.text.to_owned();
    for (argument, _, needed) in template.arguments {
        let given = arguments.get(*argument).and_then(|value| value.as_str()).map(str::trim).unwrap_or_default();
        if *needed && given.is_empty() {
            return Err(format!("`{name}` needs `{argument}`"));
        }
        if given.chars().count() > ARGUMENT_AT_MOST {
            return Err(format!("`{argument}` is longer than {ARGUMENT_AT_MOST} characters"));
        }
        let given = if given.is_empty() { "not named yet" } else { given };
        text = text.replace(&format!("{{{argument}}}"), &safe(given));
    }
    let message = PromptMessage::new_text(Role::User, text);
    let mut result = GetPromptResult::new(vec![message]);
    result.description = Some(template.description.to_owned());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_put_in_and_checked() {
        let arguments = |text: &str| serde_json::from_str::<JsonObject>(text).expect("an object");
        let got = get("clean_up_this_flag", &arguments(r#"{"flag":"checkout"}"#)).expect("a prompt");
        let text = serde_json::to_string(&got).expect("JSON");
        assert!(text.contains("the feature flag checkout from") && !text.contains("{flag}"), "{text}");
        for (name, wrong) in [
            ("nope", "{}"),
            ("clean_up_this_flag", "{}"),
            ("clean_up_this_flag", r#"{"flag":"a","odd":"b"}"#),
            ("release_this_change", r#"{"change":"  "}"#),
        ] {
            assert!(get(name, &arguments(wrong)).is_err(), "{name} {wrong}");
        }
    }
}
