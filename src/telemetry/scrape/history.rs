//! What the pages said, for as long as the queries look back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::exposition::Sample;
use crate::engine::plan::{LabelTest, Matcher, Selector};
use crate::engine::{Decimal, Span, Timestamp};

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
        let gone = |series: &&Series| series.points.back().is_none_or(|(at, _)| *at <= oldest);
        // pods come and go, each with series of its own
        if self.series.iter().filter(gone).count() * 2 > self.series.len() {
            self.forget_gone(oldest);
        }
    }

    /// Drops series that no page has shown since an instant.
    fn forget_gone(&mut self, oldest: Timestamp) {
        let mut points: Vec<_> = std::mem::take(&mut self.series).into_iter().map(|series| series.points).collect();
        (self.by_metric, self.by_label) = (BTreeMap::new(), BTreeMap::new());
        for (key, index) in std::mem::take(&mut self.known) {
            let kept = std::mem::take(&mut points[index]);
            if kept.back().is_some_and(|(at, _)| *at > oldest) {
                let index = self.add(key);
                self.series[index].points = kept;
            }
        }
    }

    /// A series' value on the page as it was at an instant; none where the page did not show it then.
    pub fn value_at(&self, series: &Series, at: Timestamp) -> Option<f64> {
        let scrape = self.scrape_at(at)?;
        series.at(at).filter(|(shown, _)| *shown == scrape.at).map(|(_, value)| value)
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

    /// The finite bounds of a histogram's buckets.
    pub fn bounds(&self, histogram: &str) -> impl Iterator<Item = Decimal> {
        let series = self.by_metric.get(&format!("{histogram}_bucket")).map(Vec::as_slice).unwrap_or_default();
        let buckets = series.iter().filter_map(|index| self.series.get(*index));
        buckets.filter_map(|bucket| bucket.label("le").parse().ok())
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
    fn at(&self, at: Timestamp) -> Option<(Timestamp, f64)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(values: &[(&str, f64)]) -> Vec<Sample> {
        let sample = |(pod, value): &(&str, f64)| Sample {
            name: "c".to_owned(),
            labels: vec![("pod".to_owned(), (*pod).to_owned())],
            value: *value,
        };
        values.iter().map(sample).collect()
    }

    fn counted(history: &History, from: i64, to: i64) -> f64 {
        let both = |series: &Series| {
            let (before, now) = (history.value_at(series, Timestamp(from))?, history.value_at(series, Timestamp(to))?);
            (now >= before).then_some(now - before)
        };
        history.select("c", &[]).filter_map(both).sum()
    }

    #[test]
    fn a_series_that_one_page_left_out_counts_at_neither_end() {
        let mut history = History::default();
        let wanted = BTreeSet::from(["c".to_owned()]);
        history.take(Timestamp(10), page(&[("a", 5.0), ("b", 1_000_000.0)]), &wanted);
        history.take(Timestamp(20), page(&[("a", 20.0)]), &wanted);
        history.take(Timestamp(30), page(&[("a", 3.0), ("b", 1_000_040.0)]), &wanted);
        history.take(Timestamp(40), page(&[("a", 8.0), ("b", 1_000_055.0)]), &wanted);
        assert_eq!(counted(&history, 10, 20), 15.0, "b is missing now");
        assert_eq!(counted(&history, 20, 30), 0.0, "a began anew, b was missing");
        assert_eq!(counted(&history, 30, 40), 20.0);
        history.fail(Timestamp(50), "hangs".to_owned());
        assert_eq!(counted(&history, 40, 50), 0.0, "nothing is known of a page that was not read");
    }

    #[test]
    fn series_that_no_page_shows_any_more_are_forgotten() {
        let mut history = History::default();
        let wanted = BTreeSet::from(["c".to_owned()]);
        for second in 0..100 {
            let (at, pod) = (Timestamp(second * 1000), format!("pod-{second}"));
            history.take(at, page(&[(&pod, 1.0), ("stays", second as f64)]), &wanted);
            history.forget(at, Span::seconds(5));
        }
        assert!(history.series.len() < 20, "{} series are kept", history.series.len());
        assert_eq!(history.known.len(), history.series.len());
        let stays = Matcher { label: "pod".to_owned(), is: LabelTest::Equal("stays".to_owned()) };
        let found: Vec<f64> =
            history.select("c", &[&stays]).filter_map(|series| history.value_at(series, Timestamp(99_000))).collect();
        assert_eq!(found, [99.0]);
    }
}
