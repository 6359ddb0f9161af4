//! Code that asks for a flag, by SDK and language: what a person wraps around what is new.

use schemars::JsonSchema;
use serde::Serialize;

/// Whose SDK evaluates the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SdkWord")]
pub enum Sdk {
    /// OpenFeature, with the provider of any backend.
    OpenFeature,
    /// Unleash.
    Unleash,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LanguageWord")]
pub enum Language {
    /// TypeScript on a server.
    Typescript,
    /// JavaScript on a server.
    Javascript,
    /// React, in TypeScript or JavaScript.
    React,
    /// Python.
    Python,
    /// Java.
    Java,
    /// Kotlin.
    Kotlin,
    /// Go.
    Go,
    /// C#.
    Csharp,
    /// Rust.
    Rust,
    /// Ruby.
    Ruby,
}

/// The code; none where the SDK of this language asks for flags by generated names.
///
/// A key holds letters, digits and `-_.:/` only (`flagstaff help name`), so that it stands in quotes as it is. Where the flag
/// cannot be evaluated the old code runs: every default is `false`.
pub fn snippet(sdk: Sdk, language: Language, key: &str) -> Option<String> {
    use Language::{Csharp, Go, Java, Javascript, Kotlin, Python, React, Ruby, Rust, Typescript};
    let lines: &[&str] = match (sdk, language) {
        (Sdk::OpenFeature, Typescript | Javascript) => {
            &["if (await client.getBooleanValue('KEY', false, context)) {", "  // new", "} else {", "  // old", "}"]
        }
        (Sdk::OpenFeature, React) => {
            &["const isOn = useBooleanFlagValue('KEY', false);", "return isOn ? <New /> : <Old />;"]
        }
        (Sdk::OpenFeature, Python) => {
            &["if client.get_boolean_value(\"KEY\", False, context):", "    ...  # new", "else:", "    ...  # old"]
        }
        (Sdk::OpenFeature, Java) => {
            &["if (client.getBooleanValue(\"KEY\", false, context)) {", "    // new", "} else {", "    // old", "}"]
        }
        (Sdk::OpenFeature, Kotlin) => {
            &["if (client.getBooleanValue(\"KEY\", false, context)) {", "    // new", "} else {", "    // old", "}"]
        }
        (Sdk::OpenFeature, Go) => &[
            "isOn, _ := client.BooleanValue(ctx, \"KEY\", false, evaluationContext) // on an error: false",
            "if isOn {",
            "\t// new",
            "} else {",
            "\t// old",
            "}",
        ],
        (Sdk::OpenFeature, Csharp) => &[
            "if (await client.GetBooleanValueAsync(\"KEY\", false, context))",
            "{",
            "    // new",
            "}",
            "else",
            "{",
            "    // old",
            "}",
        ],
        (Sdk::OpenFeature, Rust) => &[
            "if client.get_bool_value(\"KEY\", Some(&context), None).await.unwrap_or(false) {",
            "    // new",
            "} else {",
            "    // old",
            "}",
        ],
        (Sdk::OpenFeature, Ruby) => &[
            "if client.fetch_boolean_value(flag_key: \"KEY\", default_value: false, evaluation_context: context)",
            "  # new",
            "else",
            "  # old",
            "end",
        ],
        (Sdk::Unleash, Typescript | Javascript) => {
            &["if (unleash.isEnabled('KEY', context)) {", "  // new", "} else {", "  // old", "}"]
        }
        (Sdk::Unleash, React) => &["const isOn = useFlag('KEY');", "return isOn ? <New /> : <Old />;"],
        (Sdk::Unleash, Python) => {
            &["if client.is_enabled(\"KEY\", context):", "    ...  # new", "else:", "    ...  # old"]
        }
        (Sdk::Unleash, Java | Kotlin) => {
            &["if (unleash.isEnabled(\"KEY\", context)) {", "    // new", "} else {", "    // old", "}"]
        }
        (Sdk::Unleash, Go) => &[
            "if unleash.IsEnabled(\"KEY\", unleash.WithContext(unleashContext)) {",
            "\t// new",
            "} else {",
            "\t// old",
            "}",
        ],
        (Sdk::Unleash, Csharp) => {
            &["if (unleash.IsEnabled(\"KEY\", context))", "{", "    // new", "}", "else", "{", "    // old", "}"]
        }
        (Sdk::Unleash, Ruby) => &["if UNLEASH.is_enabled?(\"KEY\", context)", "  # new", "else", "  # old", "end"],
        // its Rust client asks by the variants of an enum of one's own
        (Sdk::Unleash, Rust) => return None,
    };
    Some(lines.iter().map(|line| line.replace("KEY", key)).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_asks_for_the_key_once_and_never_turns_on_by_default() {
        use Language::{Csharp, Go, Java, Javascript, Kotlin, Python, React, Ruby, Rust, Typescript};
        for sdk in [Sdk::OpenFeature, Sdk::Unleash] {
            for language in [Typescript, Javascript, React, Python, Java, Kotlin, Go, Csharp, Rust, Ruby] {
                let Some(code) = snippet(sdk, language, "checkout-v2") else {
                    assert_eq!((sdk, language), (Sdk::Unleash, Rust));
                    continue;
                };
                assert_eq!(code.matches("checkout-v2").count(), 1, "{code}");
                assert!(!code.contains("KEY") && !code.to_lowercase().contains("true"), "{code}");
                assert!(sdk == Sdk::Unleash || code.to_lowercase().contains("false"), "{code}");
            }
        }
    }
}
