//! The titles of our strategies: whose exposure it is, and what part of it. Titles are shown in Unleash's own pages and
//! events, and are not sent to clients.

use crate::engine::input::Stamp;

const PREFIX: &str = "flagstaff";

/// What a strategy of ours is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// One test of an audience, by its place in the definition. What a segment was like when it was written is part of
    /// it: whoever changes the segment changes whom the test finds, without touching the flag.
    Audience { name: String, test: usize, segment: Option<String> },
    /// The random share. It is always there, at 0% too: disabling a flag's last strategy would turn its switch.
    Percentage,
}

/// A title, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) stamp: Stamp,
    pub(super) stickiness: String,
    pub(super) part: Part,
}

impl Mark {
    /// The title.
    pub(super) fn title(&self) -> String {
        let [journal, rollout] = [&self.stamp.journal, &self.stamp.rollout].map(|text| escaped(text));
        let part = match &self.part {
            Part::Percentage => "percentage".to_owned(),
            Part::Audience { name, test, segment: None } => format!("audience:{}:{test}", escaped(name)),
            Part::Audience { name, test, segment: Some(like) } => format!("audience:{}:{test}:{like}", escaped(name)),
        };
        format!("{PREFIX}:{journal}:{rollout}:{}:{part}", escaped(&self.stickiness))
    }

    /// Reads a title; `None` if it is not ours.
    pub(super) fn read(title: &str) -> Option<Mark> {
        let pieces: Vec<String> = title.split(':').map(unescaped).collect::<Option<_>>()?;
        let [prefix, journal, rollout, stickiness, kind, rest @ ..] = pieces.as_slice() else { return None };
        let part = match (kind.as_str(), rest) {
            ("percentage", []) => Part::Percentage,
            ("audience", [name, test, segment @ ..]) if segment.len() < 2 => {
                Part::Audience { name: name.clone(), test: test.parse().ok()?, segment: segment.first().cloned() }
            }
            _ => return None,
        };
        let stamp = Stamp { journal: journal.clone(), rollout: rollout.clone() };
        (prefix == PREFIX).then(|| Mark { stamp, stickiness: stickiness.clone(), part })
    }
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(':', "%3A")
}

fn unescaped(text: &str) -> Option<String> {
    let plain = text.replace("%3A", ":").replace("%25", "%");
    (escaped(&plain) == text).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(segment: Option<String>) -> Part {
        Part::Audience { name: "a:b %3A".to_owned(), test: 2, segment }
    }

    #[test]
    fn a_title_is_read_as_it_was_written() {
        for part in [Part::Percentage, audience(None), audience(Some("0a1b".to_owned()))] {
            let stamp = Stamp { journal: "0a1b".to_owned(), rollout: "checkout:v2@production#1".to_owned() };
            let mark = Mark { stamp, stickiness: "userId".to_owned(), part };
            assert_eq!(Mark::read(&mark.title()), Some(mark));
        }
    }

    #[test]
    fn what_others_write_is_not_ours() {
        for title in [
            "",
            "flagstaff",
            "flagstaff:j:r:userId",
            "flagstaff:j:r:userId:percentage:x",
            "flag:j:r:userId:percentage",
            "flagstaff:j%:r:userId:percentage",
            "flagstaff:j:r:userId:audience:a:first",
        ] {
            assert_eq!(Mark::read(title), None, "{title}");
        }
    }
}
