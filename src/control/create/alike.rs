//! Flags that are there already and may be what somebody wants.

use crate::spec::Loaded;
use crate::spec::documents::Body;
use crate::spec::finding::At;

use super::Wish;

/// So many are told.
const AT_MOST: usize = 5;
/// Words shorter than this say little of what a flag is for.
const LEAST_WORD: usize = 4;

/// A flag that may be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// Its key.
    pub flag: String,
    /// What it is for, as far as that is declared.
    pub description: Option<String>,
    /// File and line.
    pub place: String,
    /// Whether the keys differ in case and separators only: who types one of them means the other.
    pub same_letters: bool,
}

fn place(at: &At) -> String {
    let (line, ..) = at.file.line(at.start);
    format!("{}:{}", at.file.name, line + 1)
}

/// The name or key that is taken, and where it is declared.
pub(super) fn declared(loaded: &Loaded, flag: &str, release: &str) -> Option<(String, String)> {
    loaded.documents.iter().find_map(|document| match &document.body {
        Body::Release(found) if found.name.value == release => Some((release.to_owned(), place(&found.name.at))),
        Body::Release(found) if found.flag.value == flag => Some((flag.to_owned(), place(&found.flag.at))),
        Body::Flag(found) if found.key.value == flag || found.name.value == flag => {
            Some((flag.to_owned(), place(&found.name.at)))
        }
        _ => None,
    })
}

/// Declared flags whose key or description is like what is wanted, the likest first.
pub(super) fn alike(loaded: &Loaded, wish: &Wish) -> Vec<Alike> {
    let mut found: Vec<(usize, Alike)> = Vec::new();
    for document in &loaded.documents {
        let (key, description, at) = match &document.body {
            Body::Flag(flag) => (&flag.key.value, flag.description.as_ref().map(|text| &text.value), &flag.name.at),
            Body::Release(release) => (&release.flag.value, None, &release.flag.at),
            _ => continue,
        };
        let Some(distance) = distance(wish, key, description.map(String::as_str)) else { continue };
        if !found.iter().any(|(_, known)| known.flag == *key) {
            let same_letters = letters(key) == letters(&wish.flag);
            let alike = Alike { flag: key.clone(), description: description.cloned(), place: place(at), same_letters };
            found.push((distance, alike));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0).then_with(|| left.1.flag.cmp(&right.1.flag)));
    found.into_iter().take(AT_MOST).map(|(_, alike)| alike).collect()
}

/// How far a flag is from what is wanted; none where it is another thing.
fn distance(wish: &Wish, key: &str, description: Option<&str>) -> Option<usize> {
    let (wanted, known) = (letters(&wish.flag), letters(key));
    if wanted == known {
        return Some(0);
    }
    let edits = strsim::damerau_levenshtein(&wanted, &known);
    if edits <= wanted.chars().count().min(known.chars().count()) / 6 {
        return Some(edits);
    }
    let said = |key: &str, description: Option<&str>| words(&format!("{key} {}", description.unwrap_or_default()));
    let (wanted, known) = (said(&wish.flag, wish.description.as_deref()), said(key, description));
    let common = wanted.iter().filter(|word| known.contains(word)).count();
    let fewer = wanted.len().min(known.len());
    // at least half of what the shorter one says, and more than one word of it
    (common >= 2 && 2 * common >= fewer).then_some(100 - common.min(50))
}

/// Letters and digits in lower case: what is left of a key when nobody remembers how it is written.
fn letters(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !c.is_alphanumeric());
    let mut words: Vec<String> =
        split.filter(|word| word.chars().count() >= LEAST_WORD).map(str::to_lowercase).collect();
    words.sort();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(flag: &str, description: &str) -> Wish {
        let description = (!description.is_empty()).then(|| description.to_owned());
        Wish { flag: flag.to_owned(), description, ..Wish::default() }
    }

    #[test]
    fn case_and_separators_do_not_make_another_flag() {
        assert_eq!(distance(&wish("checkoutV2", ""), "checkout-v2", None), Some(0));
        assert_eq!(distance(&wish("checkout-v3", ""), "checkout-v2", None), Some(1));
        assert_eq!(distance(&wish("search", ""), "checkout", None), None);
    }

    #[test]
    fn what_two_flags_are_for_brings_them_together() {
        let wanted = wish("new-cart", "Shows the shopping cart beside the results");
        assert!(distance(&wanted, "sidebar", Some("The shopping cart beside all results")).is_some());
        assert!(distance(&wanted, "sidebar", Some("Opens the menu")).is_none());
    }
}
