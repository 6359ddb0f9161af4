//! Asks everything of a sheet, in batches: what one of them costs is paid by none of its others.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::answer::Said;
use super::batch::Sheet;
use super::body::{Body, Kind, Series};
use super::company::Lesson;
use super::lanes::{Asks, PATIENCE, Silence, Until};
use super::past::Part;
use super::{Heard, Prometheus, seconds};
use crate::engine::{Span, Timestamp};

/// What a batch has: healthy servers need milliseconds, and there must be time to ask for fewer.
const TOGETHER: Span = Span::seconds(3);
/// Into so many parts a batch that hung is parted: in what hangs again a few are left to be asked for alone.
const PARTS: usize = 16;

/// What one question was answered, or why it was not, for people.
pub(super) type Told = Result<Said, String>;

/// Which instants a sheet is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// One.
    At(Timestamp),
    /// Many.
    Over(Part),
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// For what was asked: fewer questions might be answered.
    Refused(String),
    /// It took too long, which fewer questions might not.
    Hung(String),
    /// For a reason that has nothing to do with what was asked.
    Other(String),
}

impl Failed {
    /// What a status means; `timeout`: the server gave up evaluating.
    pub fn of(status: u16, timeout: bool, detail: String) -> Failed {
        match status {
            400 | 413 | 414 | 422 | 431 => Failed::Refused(detail),
            503 if timeout => Failed::Refused(detail),
            504 => Failed::Hung(detail),
            _ => Failed::Other(detail),
        }
    }

    /// In words.
    pub fn detail(self) -> String {
        match self {
            Failed::Refused(detail) | Failed::Hung(detail) | Failed::Other(detail) => detail,
        }
    }
}

impl When {
    /// The instants, ascending.
    pub(super) fn instants(self) -> impl Iterator<Item = Timestamp> {
        let (from, to, every) = match self {
            When::At(at) => (at, at, Span(1)),
            When::Over(part) => (part.from, part.to, part.every),
        };
        let ends = move |at: &Timestamp| *at <= to && every.0 > 0;
        std::iter::successors(Some(from), move |at| Some(at.plus(every))).take_while(ends)
    }

    /// Whether an instant is one of them.
    pub(super) fn is_about(self, at: Timestamp) -> bool {
        match self {
            When::At(only) => only == at,
            When::Over(part) => (part.from..=part.to).contains(&at),
        }
    }
}

impl Prometheus {
    /// Asks everything of a sheet: what each of its things was answered, in their order.
    pub(super) async fn ask(&self, sheet: &Sheet<'_>, when: When, until: Until) -> Vec<Told> {
        let mut batches = self.company.batches(sheet, when.instants().count());
        self.take_turns(&mut batches);
        let told = join_all(batches.into_iter().map(|batch| self.ask_batch(sheet, batch, when, until))).await;
        let mut heard: Vec<Told> = (0..sheet.len()).map(|_| Err("it was not asked".to_owned())).collect();
        for (item, told) in told.into_iter().flatten() {
            if let Some(place) = heard.get_mut(item) {
                *place = told;
            }
        }
        heard
    }

    /// One batch. One that is refused is halved, and its halves, until whoever it was refused for stands alone; one that
    /// hung is parted once, and whoever is in a part that hangs again is asked for alone from the next time on.
    async fn ask_batch(&self, sheet: &Sheet<'_>, whole: Vec<usize>, when: When, until: Until) -> Vec<(usize, Told)> {
        let (mut done, mut lesson) = (Vec::with_capacity(whole.len()), Lesson::default());
        let (mut wave, mut patience) = (vec![whole.clone()], TOGETHER);
        while !wave.is_empty() {
            let asked = join_all(wave.iter().map(|batch| self.send_batch(sheet, batch, when, until, patience))).await;
            let mut parts: Vec<Vec<usize>> = Vec::new();
            let mut hung = false;
            for (batch, (answer, took)) in wave.into_iter().zip(asked) {
                let part = match (&answer, batch.len()) {
                    (Err(Failed::Refused(_)), 2..) => Some(batch.len().div_ceil(2)),
                    (Err(Failed::Hung(_)), 2..) if patience == TOGETHER => Some(batch.len().div_ceil(PARTS)),
                    _ => None,
                };
                if let Some(part) = part {
                    hung |= matches!(answer, Err(Failed::Hung(_)));
                    lesson.parted = true;
                    parts.extend(batch.chunks(part).map(<[usize]>::to_vec));
                    continue;
                }
                match answer {
                    Ok(heard) => {
                        lesson.answered = lesson.answered.max(batch.len());
                        if batch.len() == 1 && took.0 < PATIENCE.0 / 2 {
                            lesson.quick.extend(&batch);
                        }
                        done.extend(deal(sheet, &batch, heard));
                    }
                    Err(failed) => {
                        match &failed {
                            Failed::Refused(_) => lesson.refused.extend(&batch),
                            Failed::Hung(_) => lesson.hung.extend(&batch),
                            Failed::Other(_) => {}
                        }
                        let detail = failed.detail();
                        done.extend(batch.into_iter().map(|item| (item, Err(detail.clone()))));
                    }
                }
            }
            wave = parts;
            if hung {
                patience = PATIENCE;
            }
        }
        self.company.learn(sheet, &whole, &lesson);
        done
    }

    async fn send_batch(
        &self,
        sheet: &Sheet<'_>,
        batch: &[usize],
        when: When,
        until: Until,
        patience: Span,
    ) -> (Result<Heard, Failed>, Span) {
        let (text, began) = (sheet.text(batch), self.clock.now());
        let together = (batch.len() > 1).then_some(patience);
        let heard = match when {
            When::At(at) => self.query(text, at, until, together).await,
            When::Over(part) => self.query_range(text, part, until, together).await,
        };
        let heard = heard.map(|mut heard| {
            // a query that selects a range answers with its samples, of whatever times
            if matches!(when, When::Over(_)) != (heard.body.kind == Kind::Matrix) {
                heard.body.kind = Kind::Other;
            }
            heard
        });
        (heard, self.clock.now().since(began))
    }

    pub(super) async fn query(
        &self,
        text: String,
        at: Timestamp,
        until: Until,
        together: Option<Span>,
    ) -> Result<Heard, Failed> {
        self.post("/api/v1/query", vec![("query", text), ("time", seconds(at))], until, together).await
    }

    pub(super) async fn query_range(
        &self,
        text: String,
        part: Part,
        until: Until,
        together: Option<Span>,
    ) -> Result<Heard, Failed> {
        let (from, to, step) = (seconds(part.from), seconds(part.to), format!("{}ms", part.every.0));
        let form = vec![("query", text), ("start", from), ("end", to), ("step", step)];
        self.post("/api/v1/query_range", form, until, together).await
    }

    async fn post(
        &self,
        path: &str,
        mut form: Vec<(&str, String)>,
        until: Until,
        together: Option<Span>,
    ) -> Result<Heard, Failed> {
        // VictoriaMetrics would answer of half a minute ago; it and Thanos would leave out what does not answer
        let complete = [("nocache", "1"), ("deny_partial_response", "1"), ("partial_response", "false")];
        let name = match together {
            None => format!("{path} {}", form.first().map(|(_, text)| text.as_str()).unwrap_or_default()),
            Some(_) => String::new(),
        };
        form.extend(complete.map(|(name, value)| (name, value.to_owned())));
        let asks = together.map_or(Asks::Alone(&name), Asks::Together);
        match self.lanes.ask(&*self.clock, asks, until, self.send(path, &form)).await {
            Ok(heard) => heard,
            Err(Silence::Hung) => Err(Failed::Hung("no answer in time".to_owned())),
            Err(Silence::End) => Err(Failed::Other("no answer in time".to_owned())),
        }
    }
}

/// To each of a batch what was said of it.
fn deal(sheet: &Sheet<'_>, batch: &[usize], heard: Heard) -> Vec<(usize, Told)> {
    let Heard { body, skew } = heard;
    let Some(label) = sheet.label(batch) else {
        return batch.iter().map(|item| (*item, Ok(Said::all(body.clone(), skew)))).collect();
    };
    let Body { kind, series, warnings } = body;
    let mut by_value: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for series in series {
        // what has no such label is nobody's
        if let Some(value) = series.labels.get(label) {
            by_value.entry(value.clone()).or_default().push(series);
        }
    }
    let mut own = |item: &usize| sheet.value(*item).and_then(|value| by_value.remove(value)).unwrap_or_default();
    batch.iter().map(|item| (*item, Ok(Said { kind, series: own(item), warnings: warnings.clone(), skew }))).collect()
}
