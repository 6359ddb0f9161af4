//! The three real evaluators of flagd files: the Rust crate, the JavaScript package, the Python package.

use std::process::Command;

use flagd_evaluation_engine::{FlagParser, Operator};
use open_feature::{EvaluationContext, EvaluationContextFieldValue, StructValue};
use serde_json::{Value, json};

use crate::support::tools::{installed, run, tool};

/// What one evaluator says: per file, whether each user has the feature; `None` where it refuses the file.
pub(super) type Answers = Vec<Option<Vec<bool>>>;

/// Asks all three, with the code's default being `true`: whoever errs, serves it.
pub(super) fn ask(flag: &str, files: &[String], users: &[Value]) -> Vec<(&'static str, Answers)> {
    let asked = json!({ "flag": flag, "default": true, "files": files, "users": users }).to_string();
    let node = installed("npm-flagd", "package.json", |folder| {
        let flags = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run("Node.js with npm", Command::new("npm").arg("install").args(flags).current_dir(folder), "");
    });
    let python = installed("python-flagd", "requirements.txt", |folder| {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", ".", "-r"];
        let python = ["requirements.txt"];
        run("Python 3 with pip", Command::new("python3").args(install).args(python).current_dir(folder), "");
    });
    let mut javascript = Command::new("node");
    javascript.arg(tool("flagd_eval.mjs")).arg(&node);
    let mut snake = Command::new("python3");
    snake.arg(tool("flagd_eval.py")).arg(&python);
    vec![
        ("Rust", rust(flag, files, users)),
        ("JavaScript", parsed(&run("Node.js with npm", &mut javascript, &asked))),
        ("Python", parsed(&run("Python 3 with pip", &mut snake, &asked))),
    ]
}

fn parsed(output: &str) -> Answers {
    let output: Value = serde_json::from_str(output).unwrap();
    let answer = |answer: &Value| answer.as_str().map(|users| users.bytes().map(|user| user == b'1').collect());
    output["answers"].as_array().unwrap().iter().map(answer).collect()
}

/// As the crate's provider does it, with an error being the code's default.
fn rust(flag: &str, files: &[String], users: &[Value]) -> Answers {
    let operator = Operator::new();
    let contexts: Vec<EvaluationContext> = users.iter().map(context).collect();
    files.iter().map(|file| rust_file(&operator, flag, file, &contexts)).collect()
}

fn rust_file(operator: &Operator, flag: &str, file: &str, contexts: &[EvaluationContext]) -> Option<Vec<bool>> {
    let parsed = FlagParser::parse_string(file).ok()?;
    let Some(body) = parsed.flags.get(flag).filter(|body| body.state == "ENABLED") else {
        return Some(vec![true; contexts.len()]);
    };
    let value = |variant: &str| body.variants.get(variant).and_then(Value::as_bool).unwrap_or(true);
    let Some(targeting) = body.targeting.as_ref().filter(|targeting| **targeting != json!({})) else {
        return Some(vec![value(&body.default_variant); contexts.len()]);
    };
    let rule = targeting.to_string();
    let one = |context: &EvaluationContext| match operator.apply(flag, &rule, context) {
        Ok(Some(variant)) => value(&variant),
        Ok(None) => value(&body.default_variant),
        Err(_) => true,
    };
    Some(contexts.iter().map(one).collect())
}

fn context(user: &Value) -> EvaluationContext {
    let mut context = EvaluationContext::default();
    for (name, value) in user.as_object().unwrap() {
        match (name.as_str(), value) {
            ("targetingKey", Value::String(key)) => context = context.with_targeting_key(key),
            (_, Value::Null) => {}
            _ => context = context.with_custom_field(name, field(value)),
        }
    }
    context
}

fn field(value: &Value) -> EvaluationContextFieldValue {
    match value {
        Value::Bool(value) => EvaluationContextFieldValue::Bool(*value),
        Value::String(text) => EvaluationContextFieldValue::String(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => EvaluationContextFieldValue::Int(whole),
            None => EvaluationContextFieldValue::Float(number.as_f64().unwrap()),
        },
        _ => EvaluationContextFieldValue::Struct(std::sync::Arc::new(open(value))),
    }
}

fn open(value: &Value) -> open_feature::Value {
    match value {
        Value::Bool(value) => open_feature::Value::Bool(*value),
        Value::String(text) => open_feature::Value::String(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => open_feature::Value::Int(whole),
            None => open_feature::Value::Float(number.as_f64().unwrap()),
        },
        Value::Array(items) => open_feature::Value::Array(items.iter().map(open).collect()),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| (name.clone(), open(value))).collect();
            open_feature::Value::Struct(StructValue { fields })
        }
        Value::Null => open_feature::Value::String(String::new()),
    }
}
