//! What the pages said, for as long as the queries look back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::exposition::Sample;
use crate::engine::plan::{LabelTest, Matcher, Selector};
use crate::engine::{Span, Timestamp};

/// Samples of one target.
#[derive(Debug, Default)]
pub struct History {
    series: Vec<Series>,
    known: BTreeMap<(String, Vec<(String, String)>), usize>,
    /// Series by metric, and by metric and one label.
    by_metric: BTreeMap<String, Vec<usize>>,
    by_label: BTreeMap<(String, String, String), Vec<usize>>,
    scrapes: VecDeque<Scrape>,
}

/// One reading of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrape {
    /// When.
    pub at: Timestamp,
    /// What went wrong, if something did.
    pub trouble: Option<String>,
}

/// One series of a target.
#[derive(Debug)]
pub struct Series {
    /// Its labels, sorted.
    pub labels: Vec<(String, String)>,
    points: VecDeque<(Timestamp, f64)>,
}

impl History {
    /// Takes in a page; only metrics that are wanted are kept.
    pub fn take(&mut self, at: Timestamp, samples: Vec<Sample>, wanted: &BTreeSet<String>) {
        for sample in samples {
            if !wanted.contains(&sample.name) {
                continue;
            }
            let key = (sample.name, sample.labels);
            let index = match self.known.get(&key) {
                Some(index) => *index,
                None => self.add(key),
            };
            self.series[index].points.push_back((at, sample.value));
        }
        self.scrapes.push_back(Scrape { at, trouble: None });
    }

    /// Takes in a failure.
    pub fn fail(&mut self, at: Timestamp, trouble: String) {
        self.scrapes.push_back(Scrape { at, trouble: Some(trouble) });
    }

    fn add(&mut self, key: (String, Vec<(String, String)>)) -> usize {
        let index = self.series.len();
        self.by_metric.entry(key.0.clone()).or_default().push(index);
        for (label, value) in &key.1 {
            self.by_label.entry((key.0.clone(), label.clone(), value.clone())).or_default().push(index);
        }
        self.series.push(Series { labels: key.1.clone(), points: VecDeque::new() });
        self.known.insert(key, index);
        index
    }

    /// Forgets what is older than `keep` before `now`.
    pub fn forget(&mut self, now: Timestamp, keep: Span) {
        let oldest = now.minus(keep);
        for series in &mut self.series {
            // one point before the window is its base
            while series.points.get(1).is_some_and(|(at, _)| *at <= oldest) {
                series.points.pop_front();
            }
        }
        while self.scrapes.get(1).is_some_and(|scrape| scrape.at <= oldest) {
            self.scrapes.pop_front();
        }
    }

    /// The newest scrape at or before an instant.
    pub fn scrape_at(&self, at: Timestamp) -> Option<&Scrape> {
        self.scrapes.iter().rev().find(|scrape| scrape.at <= at)
    }

    /// The first successful scrape that is still known.
    pub fn first_good(&self) -> Option<Timestamp> {
        self.scrapes.iter().find(|scrape| scrape.trouble.is_none()).map(|scrape| scrape.at)
    }

    /// Whether the page ever had such a metric.
    pub fn has_metric(&self, metric: &str) -> bool {
        self.by_metric.contains_key(metric)
    }

    /// The series that a selector with further matchers selects.
    pub fn select<'h>(&'h self, metric: &str, matchers: &'h [&'h Matcher]) -> impl Iterator<Item = &'h Series> {
        let mut candidates = self.by_metric.get(metric).map(Vec::as_slice).unwrap_or_default();
        for matcher in matchers {
            if let LabelTest::Equal(value) = &matcher.is
                && !value.is_empty()
            {
                let key = (metric.to_owned(), matcher.label.clone(), value.clone());
                let fewer = self.by_label.get(&key).map(Vec::as_slice).unwrap_or_default();
                if fewer.len() < candidates.len() {
                    candidates = fewer;
                }
            }
        }
        let selected = candidates.iter().filter_map(|index| self.series.get(*index));
        selected.filter(move |series| matchers.iter().all(|matcher| series.matches(matcher)))
    }
}

impl Series {
    fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }

    /// The bucket bound of a histogram's series.
    pub fn bound(&self) -> Option<f64> {
        self.label("le").parse().ok()
    }

    /// As Prometheus matches: a missing label is the empty text, regular expressions are anchored.
    fn matches(&self, matcher: &Matcher) -> bool {
        let value = self.label(&matcher.label);
        match &matcher.is {
            LabelTest::Equal(wanted) => value == wanted,
            LabelTest::NotEqual(unwanted) => value != unwanted,
            LabelTest::AnyOf(wanted) => wanted.iter().any(|wanted| wanted == value),
            LabelTest::Matches(pattern) => anchored(pattern).is_some_and(|regex| regex.is_match(value)),
            LabelTest::NotMatches(pattern) => anchored(pattern).is_some_and(|regex| !regex.is_match(value)),
        }
    }

    /// The newest value at or before an instant.
    pub fn at(&self, at: Timestamp) -> Option<(Timestamp, f64)> {
        self.points.iter().rev().find(|(time, _)| *time <= at).copied()
    }

    /// How much the counter grew in `from ..= to`. A drop is a restart from zero; a series that appeared later than
    /// `known_since`, the first reading of its page, began at zero.
    pub fn increase(&self, from: Timestamp, to: Timestamp, known_since: Option<Timestamp>) -> f64 {
        let base = self.at(from).or_else(|| {
            let first = self.points.front().copied();
            first.filter(|(at, _)| known_since.is_none_or(|known_since| *at <= known_since))
        });
        let mut last = base.map_or(0.0, |(_, value)| value);
        let mut total = 0.0;
        for (_, value) in self.points.iter().filter(|(at, _)| *at > from && *at <= to) {
            total += if *value >= last { value - last } else { *value };
            last = *value;
        }
        total
    }
}

fn anchored(pattern: &str) -> Option<regex::Regex> {
    // `validate` refused what does not compile; what cannot be told matches nothing
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(1 << 20).build().ok()
}

/// The matchers of a selector and of its query together.
pub fn matchers<'q>(of: &'q Selector, common: &'q [Matcher]) -> Vec<&'q Matcher> {
    of.matchers.iter().chain(common).collect()
}
