//! What is remembered of batches from one tick to the next: who is asked for alone, and how many may go together.
//!
//! A flag whose query a server refuses, or on which it hangs, would cost its batch's others their answers at each tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Sheet, TOGETHER_AT_MOST};

/// So many are remembered.
const REMEMBERED: usize = 10_000;

/// The memory of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Company(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By shape and value.
    alone: BTreeSet<(String, String)>,
    /// How many of a shape a server answers together, where that is less than it is asked.
    together: BTreeMap<String, usize>,
}

/// What one batch taught, its parts included.
#[derive(Debug, Default)]
pub(super) struct Lesson {
    /// The largest part that was answered.
    pub(super) answered: usize,
    /// Whether anything was refused or hung for being together.
    pub(super) parted: bool,
    /// Who was refused alone.
    pub(super) refused: Vec<usize>,
    /// Who was in a part that hung.
    pub(super) hung: Vec<usize>,
    /// Who was answered alone, and quickly.
    pub(super) quick: Vec<usize>,
}

impl Company {
    /// Everything of a sheet in batches.
    pub(super) fn batches(&self, sheet: &Sheet<'_>, instants: usize) -> Vec<Vec<usize>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_alone = |shape: &str, value: &str| {
            !known.alone.is_empty() && known.alone.contains(&(shape.to_owned(), value.to_owned()))
        };
        let together = |shape: &str| known.together.get(shape).copied().unwrap_or(TOGETHER_AT_MOST);
        sheet.batches(instants, together, is_alone)
    }

    /// Remembers what a batch taught.
    pub(super) fn learn(&self, sheet: &Sheet<'_>, batch: &[usize], lesson: &Lesson) {
        let Some((shape, _)) = batch.first().and_then(|item| sheet.kin(*item)) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |item: &usize| sheet.kin(*item).map(|(shape, value)| (shape.to_owned(), value.to_owned()));
        if known.alone.len() >= REMEMBERED {
            known.alone.clear();
        }
        if known.together.len() >= REMEMBERED {
            known.together.clear();
        }
        for item in lesson.quick.iter().filter_map(entry) {
            known.alone.remove(&item);
        }
        // a server that is silent as a whole teaches nothing about anybody
        let told = lesson.answered > 0;
        let hung = lesson.hung.iter().filter(|_| told);
        known.alone.extend(lesson.refused.iter().chain(hung).filter_map(entry));
        let whole = batch.len();
        if lesson.parted && told && lesson.refused.is_empty() && lesson.hung.is_empty() {
            // all were answered once they were fewer: there were too many
            known.together.insert(shape.to_owned(), lesson.answered);
        } else if !lesson.parted && told && whole > 1 {
            // carefully more again
            let grown = known.together.get(shape).filter(|most| whole >= **most).map(|most| most + 1 + most / 16);
            match grown {
                Some(most) if most >= TOGETHER_AT_MOST => drop(known.together.remove(shape)),
                Some(most) => drop(known.together.insert(shape.to_owned(), most)),
                None => {}
            }
        }
    }
}
