//! The forms, answered from what the pages said.

use std::collections::BTreeMap;

use super::history::{History, Series, matchers};
use crate::engine::plan::{Form, Query, Selector};
use crate::engine::{Decimal, Reading, Span, Timestamp, Unknown};
use crate::telemetry::Answered;

/// Answers a query at an instant. `every` is how often the pages are read.
pub fn answer(targets: &BTreeMap<String, History>, query: &Query, at: Timestamp, every: Span) -> Answered {
    let span = match query.form {
        Form::Count { .. } | Form::RatioCount { .. } | Form::SlowCount { .. } => query.every,
        _ => query.window,
    };
    if let Some(trouble) = trouble(targets, at, span, every) {
        return trouble;
    }
    let asking = Asking { targets, query, at, from: at.minus(span) };
    match &query.form {
        Form::Ratio { of, over } => asking.ratio(of, over),
        Form::Count { of } => asking.count(of),
        Form::RatioCount { of, over } => asking.ratio_count(of, over),
        Form::SlowCount { bound, of } => asking.slow_count(*bound, of),
        Form::Quantile { q, of } => asking.quantile(*q, of),
        Form::Slow { bound, of } => asking.slow(*bound, of),
        Form::Raw { .. } => unknown(Unknown::Error, "pages have no query language; use a form"),
    }
}

/// Whether the pages can tell at all.
fn trouble(targets: &BTreeMap<String, History>, at: Timestamp, span: Span, every: Span) -> Option<Answered> {
    for (target, history) in targets {
        let newest = history.scrape_at(at);
        let answered = match newest {
            None => unknown(Unknown::Unobserved, "nobody read the page then"),
            Some(scrape) if scrape.trouble.is_some() => {
                let detail = scrape.trouble.clone().unwrap_or_default();
                unknown(Unknown::Error, &format!("{target}: {detail}"))
            }
            Some(scrape) if at.since(scrape.at) > Span(every.0.saturating_mul(2)) => {
                unknown(Unknown::Stale, &format!("{target} was last read at {}", scrape.at))
            }
            // the window must be covered, but for the scrape that may be under way
            Some(_) if history.first_good().is_none_or(|first| first > at.minus(span).plus(every)) => {
                unknown(Unknown::Unobserved, "the window is not covered yet")
            }
            Some(_) => continue,
        };
        return Some(answered);
    }
    targets.is_empty().then(|| unknown(Unknown::NoAnswer, "there is no target"))
}

struct Asking<'a> {
    targets: &'a BTreeMap<String, History>,
    query: &'a Query,
    at: Timestamp,
    from: Timestamp,
}

impl Asking<'_> {
    /// The increase of all selected series of the window together; `None` where none is selected.
    fn increase(&self, metric: &str, of: &Selector, keep: impl Fn(&Series) -> bool) -> Option<f64> {
        let matchers = matchers(of, &self.query.matchers);
        let mut total = None;
        for history in self.targets.values() {
            for series in history.select(metric, &matchers).filter(|series| keep(series)) {
                *total.get_or_insert(0.0) += series.increase(self.from, self.at, history.first_good());
            }
        }
        total
    }

    fn ratio(&self, of: &Selector, over: &Selector) -> Answered {
        let Some(whole) = self.increase(&over.metric, over, |_| true) else { return self.no_series(&over.metric) };
        if whole == 0.0 {
            return self.nothing(&over.metric, over, "no traffic in the window");
        }
        // no such series yet is no such event yet
        value(self.increase(&of.metric, of, |_| true).unwrap_or(0.0) / whole)
    }

    fn count(&self, of: &Selector) -> Answered {
        match self.counted(of) {
            Some(count) if count > 0.0 || self.is_shown(&of.metric, of) => value(count),
            _ => self.no_series(&of.metric),
        }
    }

    /// By how much all selected counters grew between the two ends together; `None` where none is selected.
    fn counted(&self, of: &Selector) -> Option<f64> {
        let matchers = matchers(of, &self.query.matchers);
        let mut total = None;
        for history in self.targets.values() {
            for series in history.select(&of.metric, &matchers) {
                *total.get_or_insert(0.0) += self.grew(history, series).unwrap_or(0.0);
            }
        }
        total
    }

    /// By how much a counter grew between the two ends. None where it is missing at one of them or went down: it would count
    /// a whole life.
    fn grew(&self, history: &History, series: &Series) -> Option<f64> {
        let (before, now) = (history.value_at(series, self.from)?, history.value_at(series, self.at)?);
        (now >= before).then_some(now - before)
    }

    fn ratio_count(&self, of: &Selector, over: &Selector) -> Answered {
        if !self.is_shown(&over.metric, over) {
            return self.no_series(&over.metric);
        }
        // no such series yet is no such event yet
        value(self.counted(of).unwrap_or(0.0))
    }

    /// Per series of the histogram all observations less those up to the bound, where both are known.
    fn slow_count(&self, bound: Decimal, of: &Selector) -> Answered {
        let (metric, matchers) = (format!("{}_bucket", of.metric), matchers(of, &self.query.matchers));
        if !self.is_shown(&metric, of) {
            return self.no_series(&metric);
        }
        let limit = bound.to_string().parse::<f64>().unwrap_or(0.0);
        let plain = |series: &Series| -> Vec<(String, String)> {
            series.labels.iter().filter(|(label, _)| label != "le").cloned().collect()
        };
        let (mut slow, mut has_bound) = (0.0, false);
        for history in self.targets.values() {
            let up_to = |limit: f64| {
                let buckets = history.select(&metric, &matchers).filter(move |series| series.bound() == Some(limit));
                buckets.map(|series| (plain(series), series)).collect::<BTreeMap<_, _>>()
            };
            let quick = up_to(limit);
            has_bound |= !quick.is_empty();
            for (labels, all) in up_to(f64::INFINITY) {
                let Some(quick) = quick.get(&labels) else { continue };
                if let (Some(all), Some(quick)) = (self.grew(history, all), self.grew(history, quick)) {
                    slow += (all - quick).max(0.0);
                }
            }
        }
        match has_bound {
            true => value(slow),
            false => unknown(Unknown::NotANumber, &format!("{bound} s is no bucket bound of `{}`", of.metric)),
        }
    }

    /// Whether any page shows a series of this at the instant.
    fn is_shown(&self, metric: &str, of: &Selector) -> bool {
        let matchers = matchers(of, &self.query.matchers);
        let shows = |history: &History| {
            history.select(metric, &matchers).any(|series| history.value_at(series, self.at).is_some())
        };
        self.targets.values().any(shows)
    }

    /// Nothing happened in the window: idle where a page still shows that it counts, and no answer where none does.
    fn nothing(&self, metric: &str, of: &Selector, why: &str) -> Answered {
        match self.is_shown(metric, of) {
            true => unknown(Unknown::Idle, why),
            false => self.no_series(metric),
        }
    }

    fn buckets(&self, of: &Selector) -> Vec<(f64, f64)> {
        let metric = format!("{}_bucket", of.metric);
        let matchers = matchers(of, &self.query.matchers);
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for history in self.targets.values() {
            for series in history.select(&metric, &matchers) {
                let Some(bound) = series.bound() else { continue };
                let grew = series.increase(self.from, self.at, history.first_good());
                match buckets.iter_mut().find(|(known, _)| *known == bound) {
                    Some((_, sum)) => *sum += grew,
                    None => buckets.push((bound, grew)),
                }
            }
        }
        buckets.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        buckets
    }

    fn quantile(&self, q: Decimal, of: &Selector) -> Answered {
        let buckets = self.buckets(of);
        let Some((last, total)) = buckets.last().copied() else { return self.no_series(&of.metric) };
        if total == 0.0 {
            return self.nothing(&format!("{}_bucket", of.metric), of, "no observations in the window");
        }
        if last != f64::INFINITY || buckets.len() < 2 {
            return unknown(Unknown::NotANumber, "the histogram has no `+Inf` bucket, or no other");
        }
        let rank = q.to_string().parse::<f64>().unwrap_or(0.0) * total;
        let index = buckets.iter().position(|(_, cumulative)| *cumulative >= rank).unwrap_or(buckets.len() - 1);
        if index == buckets.len() - 1 {
            // beyond the last finite bound nothing is known but that
            return value(buckets[index - 1].0);
        }
        let (low, below) = if index == 0 { (0.0_f64.min(buckets[0].0), 0.0) } else { buckets[index - 1] };
        let (high, upto) = buckets[index];
        let share = if upto > below { (rank - below) / (upto - below) } else { 1.0 };
        value(low + (high - low) * share)
    }

    fn slow(&self, bound: Decimal, of: &Selector) -> Answered {
        let buckets = self.buckets(of);
        let Some((_, total)) = buckets.last().copied() else { return self.no_series(&of.metric) };
        if total == 0.0 {
            return self.nothing(&format!("{}_bucket", of.metric), of, "no observations in the window");
        }
        let limit = bound.to_string().parse::<f64>().unwrap_or(0.0);
        let (mut low, mut below) = (0.0, 0.0);
        for (high, upto) in buckets {
            if high >= limit {
                let share = if high.is_finite() && high > low { (limit - low) / (high - low) } else { 0.0 };
                return value(1.0 - (below + (upto - below) * share) / total);
            }
            (low, below) = (high, upto);
        }
        value(0.0)
    }

    /// The page is alive and says nothing of this metric under these labels.
    fn no_series(&self, metric: &str) -> Answered {
        unknown(Unknown::NoAnswer, &format!("no series of `{metric}` with these labels"))
    }
}

fn value(number: f64) -> Answered {
    let reading = if number.is_nan() {
        Reading::Unknown(Unknown::NotANumber)
    } else if number.is_infinite() {
        Reading::Unknown(Unknown::Infinite)
    } else {
        // the shortest text that means this number, as a source would answer it
        Decimal::reading(&number.to_string()).map_or(Reading::Unknown(Unknown::NotANumber), Reading::Value)
    };
    Answered { reading, detail: None }
}

fn unknown(reason: Unknown, detail: &str) -> Answered {
    Answered { reading: Reading::Unknown(reason), detail: Some(detail.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::telemetry::scrape::exposition::Sample;

    const METRICS: [&str; 3] = ["requests", "failed", "took_bucket"];

    fn page(value: f64) -> Vec<Sample> {
        let sample = |name: &str, bound: Option<&str>| Sample {
            name: name.to_owned(),
            labels: bound.map(|bound| ("le".to_owned(), bound.to_owned())).into_iter().collect(),
            value,
        };
        let took = ["0.1", "+Inf"].map(|bound| sample("took_bucket", Some(bound)));
        METRICS[..2].iter().map(|name| sample(name, None)).chain(took).collect()
    }

    fn forms() -> [Form; 4] {
        let of = |metric: &str| Selector { metric: metric.to_owned(), matchers: Vec::new() };
        let half = || "0.5".parse::<Decimal>().expect("a number");
        [
            Form::Ratio { of: of("failed"), over: of("requests") },
            Form::Count { of: of("requests") },
            Form::Quantile { q: half(), of: of("took") },
            Form::Slow { bound: half(), of: of("took") },
        ]
    }

    /// What four pages say about a form at the last of them, ten seconds apart.
    fn asked(form: Form, pages: [Vec<Sample>; 4]) -> Option<Unknown> {
        let wanted: BTreeSet<String> = METRICS.map(str::to_owned).into();
        let mut history = History::default();
        for (number, page) in pages.into_iter().enumerate() {
            history.take(Timestamp(number as i64 * 10_000), page, &wanted);
        }
        let targets = BTreeMap::from([("page".to_owned(), history)]);
        let query = Query {
            source: "app".to_owned(),
            form,
            matchers: Vec::new(),
            window: Span::seconds(20),
            every: Span::seconds(10),
            flag: "f".to_owned(),
            born_later: false,
        };
        answer(&targets, &query, Timestamp(30_000), Span::seconds(10)).reading.unknown()
    }

    #[test]
    fn a_page_that_no_longer_shows_a_series_is_no_answer_and_not_idle() {
        for form in forms() {
            let is_count = matches!(form, Form::Count { .. });
            let still = [page(5.0), page(5.0), page(5.0), page(5.0)];
            assert_eq!(asked(form.clone(), still), (!is_count).then_some(Unknown::Idle), "{form:?}");
            let gone = [page(5.0), page(5.0), page(5.0), Vec::new()];
            assert_eq!(asked(form.clone(), gone), Some(Unknown::NoAnswer), "{form:?}");
        }
    }
}
