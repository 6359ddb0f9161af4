//! Strategies and the exposure they mean. What we write is a function of the exposure; what we read must be exactly what
//! we would have written, or it counts as changed by another hand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::mark::{Mark, Part};
use crate::canonical::sha256_hex;
use crate::engine::input::Stamp;
use crate::engine::plan::{AttributeTest, Audience, Constraint};
use crate::engine::{Exposure, Percentage};

/// A server takes no more for one flag in one environment, others' included.
pub(super) const STRATEGIES_AT_MOST: usize = 30;
/// A server takes no more values in one constraint.
const VALUES_AT_MOST: usize = 250;

/// What our strategies say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) exposure: Exposure,
    pub(super) stickiness: String,
    pub(super) stamp: Stamp,
}

/// A segment of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) id: u64,
    /// Tells what it is like from what it was like.
    like: String,
}

/// Segments by name.
pub(super) type Segments = BTreeMap<String, Segment>;

/// Reads a segment with its name.
pub(super) fn segment(value: &Value) -> Option<(String, Segment)> {
    let name = value.get("name").and_then(Value::as_str)?.to_owned();
    let list = value.get("constraints").and_then(Value::as_array)?;
    let plain: Vec<String> = list.iter().map(|constraint| plain_constraint(constraint).to_string()).collect();
    let like = sha256_hex(plain.join(",").as_bytes())[..12].to_owned();
    Some((name, Segment { id: value.get("id").and_then(Value::as_u64)?, like }))
}

/// Whether audiences are made of segments.
pub(super) fn need_segments(audiences: &BTreeMap<String, Audience>) -> bool {
    let mut tests = audiences.values().flat_map(|audience| &audience.any);
    tests.any(|constraint| constraint.is == AttributeTest::InSegment)
}

/// A strategy as the server shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) id: String,
    /// Ours, by its title.
    pub(super) mark: Option<Mark>,
    /// For people.
    pub(super) name: String,
    pub(super) disabled: bool,
    /// Written by a release plan of the server's own.
    pub(super) planned: bool,
    /// What it does, in one form: whatever may be left out is there.
    pub(super) body: Value,
}

impl Found {
    pub(super) fn read(value: &Value) -> Option<Found> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let title = text("title");
        Some(Found {
            id: value.get("id").and_then(Value::as_str)?.to_owned(),
            mark: Mark::read(title),
            name: if title.is_empty() { text("name").to_owned() } else { title.to_owned() },
            disabled: value.get("disabled").and_then(Value::as_bool).unwrap_or(false),
            planned: value.get("milestoneId").is_some_and(|id| !id.is_null()),
            body: plain(value),
        })
    }

    fn is(&self, part: &Part) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.part == *part)
    }
}

/// What a strategy does, in one form.
pub(super) fn plain(value: &Value) -> Value {
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let constraints: Vec<Value> = list("constraints").iter().map(plain_constraint).collect();
    // in one order, whatever the server's
    let parameters: BTreeMap<String, Value> =
        value.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default().into_iter().collect();
    json!({
        "name": value.get("name").cloned().unwrap_or_default(),
        "constraints": constraints,
        "parameters": parameters,
        "segments": list("segments"),
        "variants": list("variants"),
    })
}

fn plain_constraint(value: &Value) -> Value {
    let get = |key: &str| value.get(key).filter(|value| !value.is_null() && **value != "").cloned();
    let mut plain = Map::new();
    for key in ["contextName", "operator", "value"] {
        plain.extend(get(key).map(|value| (key.to_owned(), value)));
    }
    plain.insert("values".to_owned(), get("values").unwrap_or_else(|| json!([])));
    for key in ["inverted", "caseInsensitive"] {
        plain.insert(key.to_owned(), get(key).unwrap_or(Value::Bool(false)));
    }
    Value::Object(plain)
}

/// The strategies of an exposure, each with its title: the share, and a strategy for each test of each audience, since tests
/// within one strategy would all have to hold. Audiences go by no attribute: who satisfies the test is in.
pub(super) fn wanted(
    flag: &str,
    ours: &Ours,
    audiences: &BTreeMap<String, Audience>,
    segments: &Segments,
) -> BTreeMap<Part, Value> {
    let mut wanted = BTreeMap::from([(Part::Percentage, share(flag, ours.exposure.percentage, &ours.stickiness))]);
    for name in &ours.exposure.audiences {
        let audience = audiences.get(name).map(|audience| tests(flag, name, audience, segments));
        wanted.extend(audience.unwrap_or_default());
    }
    wanted
}

/// What is there before any rollout: a share of nobody.
pub(super) fn prepared(flag: &str, stickiness: &str) -> Value {
    share(flag, Percentage::ZERO, stickiness)
}

/// What identifies the cohort: it never changes, so nobody falls out while a share grows.
pub(super) fn share(flag: &str, percentage: Percentage, stickiness: &str) -> Value {
    // everybody includes those who lack the attribute
    let by = if percentage == Percentage::FULL { "default" } else { attribute(stickiness) };
    strategy(flag, &(percentage.thousandths() / 1000).to_string(), by, Vec::new())
}

fn tests(flag: &str, name: &str, audience: &Audience, segments: &Segments) -> BTreeMap<Part, Value> {
    let mut tests = BTreeMap::new();
    for (test, constraint) in audience.any.iter().enumerate() {
        let part = |segment| Part::Audience { name: name.to_owned(), test, segment };
        if constraint.is != AttributeTest::InSegment {
            let condition = condition(constraint);
            tests.extend(condition.map(|condition| (part(None), strategy(flag, "100", "default", vec![condition]))));
        } else if let Some(segment) = segments.get(&constraint.attribute) {
            let mut body = strategy(flag, "100", "default", Vec::new());
            body["segments"] = json!([segment.id]);
            tests.insert(part(Some(segment.like.clone())), body);
        }
    }
    tests
}

fn strategy(flag: &str, rollout: &str, stickiness: &str, constraints: Vec<Value>) -> Value {
    plain(&json!({
        "name": "flexibleRollout",
        "constraints": constraints,
        "parameters": { "groupId": flag, "rollout": rollout, "stickiness": stickiness },
    }))
}

/// flagd's key of a user is Unleash's user id.
fn attribute(name: &str) -> &str {
    if name == "targetingKey" { "userId" } else { name }
}

/// A test as a constraint; `None` for one that nobody passes, which the server refuses, and for a segment.
fn condition(constraint: &Constraint) -> Option<Value> {
    let (operator, values) = match &constraint.is {
        AttributeTest::In(values) if values.is_empty() => return None,
        AttributeTest::In(values) => ("IN", values.clone()),
        AttributeTest::EndsWith(text) => ("STR_ENDS_WITH", vec![text.clone()]),
        AttributeTest::StartsWith(text) => ("STR_STARTS_WITH", vec![text.clone()]),
        // attributes are texts there, and a search for a part of one would find more people
        AttributeTest::Contains(item) => ("IN", vec![item.clone()]),
        AttributeTest::InSegment => return None,
    };
    Some(json!({ "contextName": attribute(&constraint.attribute), "operator": operator, "values": values }))
}

/// Why an exposure cannot be written, for people.
pub(super) fn inexpressible(
    flag: &str,
    ours: &Ours,
    audiences: &BTreeMap<String, Audience>,
    segments: &Segments,
) -> Option<String> {
    if !is_key(flag) {
        return Some(format!("`{flag}` cannot be a flag: keys have letters, digits and `-._~`, at most 100"));
    }
    if !ours.exposure.percentage.is_whole() {
        return Some(format!("{} is no whole percent", ours.exposure.percentage));
    }
    for name in &ours.exposure.audiences {
        let Some(audience) = audiences.get(name) else { return Some(format!("audience `{name}` is not defined")) };
        let absent = |constraint: &&Constraint| {
            constraint.is == AttributeTest::InSegment && !segments.contains_key(&constraint.attribute)
        };
        if let Some(absent) = audience.any.iter().find(absent) {
            return Some(format!("there is no segment `{}` for audience `{name}`", absent.attribute));
        }
        if tests(flag, name, audience, segments).is_empty() {
            return Some(format!("audience `{name}` is nobody"));
        }
        if audience.any.iter().any(|constraint| constraint.attribute.is_empty()) {
            return Some(format!("audience `{name}` tests an attribute without a name"));
        }
        let values = |constraint: &Constraint| match &constraint.is {
            AttributeTest::In(values) => values.len(),
            _ => 1,
        };
        if let Some(many) = audience.any.iter().map(values).find(|many| *many > VALUES_AT_MOST) {
            let advice = "make two tests of it, or a segment";
            return Some(format!(
                "audience `{name}` names {many} values at once, and {VALUES_AT_MOST} are allowed: {advice}"
            ));
        }
    }
    if ["", "random", "default"].contains(&ours.stickiness.as_str()) {
        return Some(format!("with stickiness `{}` users fall in and out at random", ours.stickiness));
    }
    let many = wanted(flag, ours, audiences, segments).len();
    (many > STRATEGIES_AT_MOST).then(|| format!("it takes {many} strategies, and {STRATEGIES_AT_MOST} are allowed"))
}

/// Whether a flag can have this key at all.
pub(super) fn is_key(flag: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    (1..=100).contains(&flag.len()) && flag.chars().all(fits) && !flag.chars().all(|c| c == '.')
}

/// What the enabled strategies of a flag mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Meaning {
    /// Whom ours reach; never less than they do.
    pub(super) exposure: Exposure,
    /// Whose they are.
    pub(super) stamp: Option<Stamp>,
    /// The first of ours that is not as we write it.
    pub(super) changed: Option<String>,
    /// The first audience of which only some tests are enabled: a write of ours ended midway, or another hand was there.
    pub(super) in_part: Option<String>,
    /// The first that is not ours.
    pub(super) foreign: Option<String>,
    /// Whether any of ours is enabled.
    pub(super) reaches: bool,
}

impl Meaning {
    /// Why ours are not what we would have written, if they are not.
    pub(super) fn fault(&self) -> Option<&String> {
        self.changed.as_ref().or(self.in_part.as_ref())
    }
}

/// What strategies mean, given the definitions of the audiences.
pub(super) fn meaning(
    flag: &str,
    found: &[Found],
    audiences: &BTreeMap<String, Audience>,
    segments: &Segments,
) -> Meaning {
    let marks = || found.iter().filter_map(|found| found.mark.as_ref());
    let share = marks().find(|mark| mark.part == Part::Percentage);
    let stamp = share.or_else(|| marks().next()).map(|mark| mark.stamp.clone());
    // what was only prepared is no rollout's yet
    let stamp = stamp.filter(|stamp| *stamp != Stamp::default());
    let mut meaning = Meaning { stamp, ..Meaning::default() };
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for strategy in found.iter().filter(|strategy| !strategy.disabled) {
        let Some(mark) = &strategy.mark else {
            let why = format!("strategy `{}` is not ours, and is enabled", strategy.name);
            meaning.foreign.get_or_insert(why);
            continue;
        };
        meaning.reaches = true;
        if Some(&mark.stamp) != meaning.stamp.as_ref() {
            meaning.changed.get_or_insert("its strategies are of several rollouts".to_owned());
        }
        match &mark.part {
            Part::Percentage => read_share(flag, strategy, mark, &mut meaning),
            Part::Audience { name, .. } => {
                let expected = audiences.get(name).map(|audience| tests(flag, name, audience, segments));
                match expected.as_ref().and_then(|expected| expected.get(&mark.part)) {
                    Some(expected) if *expected == strategy.body => {}
                    Some(_) => _ = meaning.changed.get_or_insert(not_as_written(&strategy.name)),
                    None if expected.is_some() => {
                        let why = format!("audience `{name}` is not as it was: somebody changed it, or a segment");
                        meaning.changed.get_or_insert(why);
                    }
                    None => _ = meaning.changed.get_or_insert(format!("audience `{name}` is not defined here")),
                }
                names.insert(name);
            }
        }
    }
    for name in names {
        let all = audiences.get(name).map(|audience| tests(flag, name, audience, segments)).unwrap_or_default();
        let there = |part: &Part| found.iter().any(|strategy| !strategy.disabled && strategy.is(part));
        if !all.keys().all(there) {
            meaning.in_part.get_or_insert(format!("audience `{name}` is there in part only"));
        }
        meaning.exposure.audiences.insert(name.to_owned());
    }
    if meaning.exposure.percentage == Percentage::FULL {
        // everybody includes every audience: one way to say one thing
        meaning.exposure.audiences.clear();
    }
    meaning
}

fn read_share(flag: &str, strategy: &Found, mark: &Mark, meaning: &mut Meaning) {
    let Some(percent) = percent(&strategy.body) else {
        let rollout = strategy.body.pointer("/parameters/rollout").and_then(Value::as_str).unwrap_or_default();
        // clients disagree about what it means: at worst everybody
        meaning.exposure.percentage = Percentage::FULL;
        meaning.changed.get_or_insert(format!("its rollout `{rollout}` is no whole percent, and clients disagree"));
        return;
    };
    let percentage = Percentage::whole(percent);
    if share(flag, percentage, &mark.stickiness) != strategy.body {
        meaning.changed.get_or_insert(not_as_written(&strategy.name));
    }
    meaning.exposure.percentage = meaning.exposure.percentage.max(percentage);
}

/// The share that a strategy's body names; none where it is no whole percent.
pub(super) fn percent(body: &Value) -> Option<u32> {
    let rollout = body.pointer("/parameters/rollout").and_then(Value::as_str)?;
    rollout.parse::<u32>().ok().filter(|percent| *percent <= 100 && percent.to_string() == rollout)
}

fn not_as_written(title: &str) -> String {
    format!("strategy `{title}` is not as it was written: somebody changed it, or an audience")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audiences() -> BTreeMap<String, Audience> {
        let constraint = |attribute: &str, is| Constraint { attribute: attribute.to_owned(), is };
        let staff = vec![
            constraint("email", AttributeTest::EndsWith("@acme.example".to_owned())),
            constraint("userId", AttributeTest::In(vec!["u-1".to_owned()])),
            constraint("userId", AttributeTest::In(Vec::new())),
        ];
        BTreeMap::from([("staff".to_owned(), Audience { any: staff })])
    }

    fn ours(names: &[&str], percent: u32) -> Ours {
        let audiences = names.iter().map(|name| (*name).to_owned()).collect();
        let stamp = Stamp { journal: "j".to_owned(), rollout: "r".to_owned() };
        let exposure = Exposure { audiences, percentage: Percentage::whole(percent) };
        Ours { exposure, stickiness: "targetingKey".to_owned(), stamp }
    }

    /// As a server shows what was written.
    fn written(ours: &Ours) -> Vec<Value> {
        let strategy = |(number, (part, mut body)): (usize, (Part, Value))| {
            let mark = Mark { stamp: ours.stamp.clone(), stickiness: ours.stickiness.clone(), part };
            body["title"] = mark.title().into();
            body["id"] = number.to_string().into();
            body
        };
        wanted("f", ours, &audiences(), &Segments::new()).into_iter().enumerate().map(strategy).collect()
    }

    fn means(strategies: &[Value]) -> Meaning {
        let found: Vec<Found> = strategies.iter().filter_map(Found::read).collect();
        meaning("f", &found, &audiences(), &Segments::new())
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for (names, percent) in [(&[][..], 0), (&["staff"], 0), (&["staff"], 10), (&[], 99), (&[], 100)] {
            let ours = ours(names, percent);
            let meaning = means(&written(&ours));
            assert_eq!((meaning.exposure, meaning.stamp), (ours.exposure, Some(ours.stamp)));
            assert_eq!((meaning.changed, meaning.foreign), (None, None));
        }
    }

    #[test]
    fn any_change_of_ours_is_seen_and_never_understated() {
        type Edit = (&'static str, fn(&mut Value));
        let edits: [Edit; 8] = [
            ("constraints gone", |s| s["constraints"] = json!([])),
            ("inverted", |s| {
                s["constraints"] = json!([{ "contextName": "email", "operator": "IN", "inverted": true }])
            }),
            ("a segment", |s| s["segments"] = json!([1])),
            ("variants", |s| s["variants"] = json!([{ "name": "a" }])),
            ("another group", |s| s["parameters"]["groupId"] = "g".into()),
            ("another name", |s| s["name"] = "default".into()),
            ("another share of an audience or no whole percent", |s| s["parameters"]["rollout"] = "12.5".into()),
            ("another rollout", |s| s["title"] = s["title"].as_str().unwrap().replace(":r:", ":q:").into()),
        ];
        for (what, edit) in edits {
            for index in 0..3 {
                let mut strategies = written(&ours(&["staff"], 10));
                let before = strategies[index].clone();
                edit(&mut strategies[index]);
                if strategies[index] == before || (what == "constraints gone" && index == 2) {
                    continue;
                }
                let meaning = means(&strategies);
                assert!(meaning.changed.is_some(), "{what} at {index}: {meaning:?}");
                assert!(ours(&["staff"], 10).exposure.within(&meaning.exposure), "{what} at {index}");
            }
        }
    }

    #[test]
    fn a_part_of_an_audience_counts_as_all_of_it_and_as_changed() {
        let mut strategies = written(&ours(&["staff"], 0));
        strategies[0]["disabled"] = true.into();
        let meaning = means(&strategies);
        assert_eq!(meaning.exposure, ours(&["staff"], 0).exposure);
        assert!(meaning.changed.is_none() && meaning.in_part.is_some());
    }

    #[test]
    fn of_two_that_are_alike_the_larger_counts() {
        let mut strategies = written(&ours(&[], 10));
        strategies.extend(written(&ours(&[], 25)));
        assert_eq!(means(&strategies).exposure, ours(&[], 25).exposure);
    }

    #[test]
    fn what_is_disabled_reaches_nobody_and_what_is_not_ours_is_foreign() {
        let mut strategies = written(&ours(&[], 50));
        strategies[0]["disabled"] = true.into();
        let mut other = json!({ "id": "x", "name": "flexibleRollout", "parameters": {}, "disabled": true });
        strategies.push(other.clone());
        let meaning = means(&strategies);
        assert!(meaning.exposure.is_nobody() && meaning.foreign.is_none() && meaning.stamp.is_some());
        other["disabled"] = false.into();
        assert!(means(&[other]).foreign.is_some());
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let mut fraction = ours(&[], 0);
        fraction.exposure.percentage = Percentage::from_thousandths(500).unwrap();
        let mut many = audiences();
        many.get_mut("staff").unwrap().any[1].is = AttributeTest::In((0..251).map(|n| format!("u-{n}")).collect());
        assert!(inexpressible("f", &ours(&["staff"], 1), &many, &Segments::new()).unwrap().contains("251 values"));
        let random = Ours { stickiness: "random".to_owned(), ..ours(&[], 1) };
        for (flag, ours) in
            [("f", fraction), ("f", random), ("f", ours(&["other"], 0)), ("a/b", ours(&[], 1)), ("..", ours(&[], 1))]
        {
            assert!(inexpressible(flag, &ours, &audiences(), &Segments::new()).is_some(), "{flag} {ours:?}");
        }
        assert_eq!(inexpressible("A.b-c_d~9", &ours(&["staff"], 1), &audiences(), &Segments::new()), None);
    }
}
