//! Which questions go together: those whose text differs only in the test of one label, mostly the flag's.
//!
//! A batch is transport. Its query is grouped by that label, so that each value has a number of its own, the one that it has
//! when it is asked for alone.

use std::collections::BTreeMap;

use super::promql;
use crate::engine::plan::{Form, LabelTest, Query};

/// So many go together at most: more save a server hardly anything, and cost it memory.
pub(super) const TOGETHER_AT_MOST: usize = 250;
/// A query has so many bytes at most: VictoriaMetrics refuses more than 16 KiB.
const BYTES_AT_MOST: usize = 16_000;
/// Numbers of one answer, over all instants: an answer is bounded, and so is what it takes to read it.
const NUMBERS_AT_MOST: usize = 50_000;

/// What is asked about a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    /// Its value.
    Value,
    /// The age of the newest sample behind it.
    Age,
    /// What happened at all.
    Volume,
}

/// Everything that is asked at one instant or over one range, each thing once.
#[derive(Debug, Default)]
pub(super) struct Sheet<'q> {
    items: Vec<Item<'q>>,
    families: Vec<Family>,
    /// By query and aspect.
    places: BTreeMap<(usize, Aspect), usize>,
}

/// One thing that is asked.
#[derive(Debug)]
struct Item<'q> {
    query: &'q Query,
    aspect: Aspect,
    /// The family, and the value of its label here.
    kin: Option<(usize, &'q str)>,
}

/// Things whose texts are the same but for the test of one label.
#[derive(Debug, Default)]
struct Family {
    shape: String,
    label: String,
    items: Vec<usize>,
}

impl<'q> Sheet<'q> {
    /// Some aspects of some queries; the number of each is its place in `queries`.
    pub(super) fn new(queries: impl IntoIterator<Item = (usize, &'q Query)>, aspects: &[Aspect]) -> Sheet<'q> {
        let mut sheet = Sheet::default();
        let queries: Vec<(usize, &'q Query)> = queries.into_iter().collect();
        let mut known: BTreeMap<(usize, &'q str), usize> = BTreeMap::new();
        let mut alone: BTreeMap<String, usize> = BTreeMap::new();
        for aspect in aspects {
            let kin = sheet.kin_of(&queries, *aspect);
            for ((index, query), kin) in queries.iter().zip(kin) {
                let item = Item { query, aspect: *aspect, kin };
                let place = match kin {
                    Some(kin) => *known.entry(kin).or_insert_with(|| sheet.items.len()),
                    None => match promql::alone(query, *aspect) {
                        Some(text) => *alone.entry(text).or_insert_with(|| sheet.items.len()),
                        None => continue,
                    },
                };
                if place == sheet.items.len() {
                    sheet.items.push(item);
                    if let Some((family, _)) = kin {
                        sheet.families[family].items.push(place);
                    }
                }
                sheet.places.insert((*index, *aspect), place);
            }
        }
        sheet
    }

    /// The family of each query. Where several labels have the flag's value, as where a service is named as its flag is, it
    /// is that with the most members.
    fn kin_of(&mut self, queries: &[(usize, &'q Query)], aspect: Aspect) -> Vec<Option<(usize, &'q str)>> {
        let mut shapes: BTreeMap<(String, &'q str), usize> = BTreeMap::new();
        let mut members: Vec<usize> = Vec::new();
        let mut candidates: Vec<Vec<usize>> = Vec::with_capacity(queries.len());
        for (index, (_, query)) in queries.iter().enumerate() {
            // queries come in order, so that those of one family follow each other: their shapes are not written again
            let before = index.checked_sub(1).filter(|before| differ_in_flag(queries[*before].1, query));
            let mine: Vec<usize> = match before {
                Some(before) => candidates[before].clone(),
                None => {
                    let written = labels(query).filter_map(|label| Some((promql::shape(query, aspect, label)?, label)));
                    written
                        .map(|shape| {
                            let next = shapes.len();
                            *shapes.entry(shape).or_insert(next)
                        })
                        .collect()
                }
            };
            members.resize(shapes.len(), 0);
            for shape in &mine {
                members[*shape] += 1;
            }
            candidates.push(mine);
        }
        let first = self.families.len();
        self.families.resize_with(first + shapes.len(), Family::default);
        for ((shape, label), number) in shapes {
            let family = &mut self.families[first + number];
            (family.shape, family.label) = (shape, label.to_owned());
        }
        // of equals the first
        let best = |mine: Vec<usize>| mine.into_iter().rev().max_by_key(|shape| members[*shape]);
        let best = candidates.into_iter().map(best);
        best.zip(queries).map(|(shape, (_, query))| Some((first + shape?, query.flag.as_str()))).collect()
    }

    /// How many things are asked.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The place of an aspect of a query; none where that has no such aspect, or was not asked.
    pub(super) fn place(&self, query: usize, aspect: Aspect) -> Option<usize> {
        self.places.get(&(query, aspect)).copied()
    }

    /// The label that items of a batch are told apart by, and the value of each; none where it was asked for alone.
    pub(super) fn label(&self, batch: &[usize]) -> Option<&str> {
        let (family, _) = self.items.get(*batch.first()?)?.kin?;
        (batch.len() > 1).then(|| self.families[family].label.as_str())
    }

    /// The value that tells an item from the others of its family.
    pub(super) fn value(&self, item: usize) -> Option<&'q str> {
        Some(self.items.get(item)?.kin?.1)
    }

    /// What is remembered of an item from one tick to the next.
    pub(super) fn kin(&self, item: usize) -> Option<(&str, &'q str)> {
        let (family, value) = self.items.get(item)?.kin?;
        Some((self.families[family].shape.as_str(), value))
    }

    /// What is sent for a batch.
    pub(super) fn text(&self, batch: &[usize]) -> String {
        let Some(first) = batch.first().and_then(|item| self.items.get(*item)) else { return String::new() };
        match first.kin {
            Some((family, _)) if batch.len() > 1 => {
                let Family { shape, label, .. } = &self.families[family];
                promql::filled(shape, label, batch.iter().filter_map(|item| self.value(*item)))
            }
            _ => promql::alone(first.query, first.aspect).unwrap_or_default(),
        }
    }

    /// Everything in batches, for answers of so many instants. `together` says how many of a family may go together, and
    /// `alone` whom it must not.
    pub(super) fn batches(
        &self,
        instants: usize,
        together: impl Fn(&str) -> usize,
        alone: impl Fn(&str, &str) -> bool,
    ) -> Vec<Vec<usize>> {
        let single = self.items.iter().enumerate().filter(|(_, item)| item.kin.is_none());
        let mut batches: Vec<Vec<usize>> = single.map(|(place, _)| vec![place]).collect();
        for Family { shape, label, items } in &self.families {
            let at_most = together(shape).min(TOGETHER_AT_MOST).min(NUMBERS_AT_MOST / instants.max(1)).max(1);
            let (mut batch, mut bytes) = (Vec::new(), 0);
            for item in items {
                let value = self.value(*item).unwrap_or_default();
                if alone(shape, value) {
                    batches.push(vec![*item]);
                    continue;
                }
                let more = promql::value_len(value);
                let is_full = batch.len() >= at_most || promql::filled_len(shape, label, bytes + more) > BYTES_AT_MOST;
                if is_full && !batch.is_empty() {
                    batches.push(std::mem::take(&mut batch));
                    bytes = 0;
                }
                batch.push(*item);
                bytes += more;
            }
            if !batch.is_empty() {
                batches.push(batch);
            }
        }
        batches
    }
}

/// The labels that tell a query's flag: a batch may be grouped by one of them.
fn labels(query: &Query) -> impl Iterator<Item = &str> {
    let is_flag = |is: &LabelTest| matches!(is, LabelTest::Equal(value) if *value == query.flag && !value.is_empty());
    let labels = query.matchers.iter().filter(move |matcher| is_flag(&matcher.is));
    labels.map(|matcher| matcher.label.as_str()).filter(|label| !["le", "__name__"].contains(label))
}

/// Whether two queries have the same shape: they differ in their flags alone, and one label of each has its flag's value.
fn differ_in_flag(one: &Query, other: &Query) -> bool {
    let is_own = |query: &Query, is: &LabelTest| matches!(is, LabelTest::Equal(value) if *value == query.flag);
    let mut own = 0;
    one.form == other.form
        && !matches!(one.form, Form::Raw { .. })
        && (one.window, one.every) == (other.window, other.every)
        && one.matchers.len() == other.matchers.len()
        && one.matchers.iter().zip(&other.matchers).all(|(ours, theirs)| {
            let both = (is_own(one, &ours.is), is_own(other, &theirs.is));
            own += usize::from(both.0);
            ours.label == theirs.label && both.0 == both.1 && (both.0 || ours.is == theirs.is)
        })
        && own == 1
}
