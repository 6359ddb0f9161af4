//! The document read last. Many flags live in one file, and a tick reads them all: whoever asks while others wait for a
//! read shares the next one, which begins after all of them asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::document::Document;

/// What a read of the file comes to: nothing where there is no file, or why no flag can be read from it.
pub(super) type Parsed = Result<Option<Arc<Document>>, String>;

/// The document read last, and who may share it.
#[derive(Debug, Default)]
pub(super) struct Latest {
    asked: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// How many had asked when the read of `parsed` began: the answer is fresh for them, and for nobody else.
    fresh_for: u64,
    parsed: Option<Parsed>,
}

impl Last {
    /// Parses a text, unless it is the one that was parsed last.
    fn parse(&mut self, text: Option<String>) -> Parsed {
        let parsed = match (text, &self.parsed) {
            (None, _) => Ok(None),
            (Some(text), Some(Ok(Some(known)))) if known.text == text => return Ok(Some(Arc::clone(known))),
            (Some(text), _) => Document::parse(text).map(|document| Some(Arc::new(document))),
        };
        self.parsed = Some(parsed.clone());
        parsed
    }
}

impl Latest {
    /// The document as it is at some moment after this call; one read serves all who wait.
    ///
    /// # Errors
    /// The read's.
    pub(super) fn shared<E>(&self, read: impl FnOnce() -> Result<Option<String>, E>) -> Result<Parsed, E> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = last.parsed.as_ref().filter(|_| last.fresh_for >= mine) {
            return Ok(parsed.clone());
        }
        let fresh_for = self.asked.load(Ordering::SeqCst);
        let parsed = last.parse(read()?);
        last.fresh_for = fresh_for;
        Ok(parsed)
    }

    /// As [`Latest::shared`], with a read of one's own: a writer, a shutdown above all, waits for nobody's.
    ///
    /// # Errors
    /// The read's.
    pub(super) fn own<E>(&self, read: impl FnOnce() -> Result<Option<String>, E>) -> Result<Parsed, E> {
        let text = read()?;
        match self.last.try_lock() {
            Ok(mut last) => {
                // it may be older than what those who wait asked for: nobody shares it
                last.fresh_for = 0;
                Ok(last.parse(text))
            }
            Err(_) => Ok(Last::default().parse(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn text(version: usize) -> String {
        format!(r#"{{"flags":{{}},"version":{version}}}"#)
    }

    fn version(parsed: Parsed) -> u64 {
        parsed.unwrap().unwrap().value["version"].as_u64().unwrap()
    }

    #[test]
    fn nobody_gets_a_read_that_began_before_they_asked() {
        let latest = Latest::default();
        let file = AtomicUsize::new(0);
        let read = || Ok::<_, ()>(Some(text(file.load(Ordering::SeqCst))));
        for now in 0..5 {
            file.store(now, Ordering::SeqCst);
            assert_eq!(version(latest.shared(read).unwrap()), now as u64);
            assert_eq!(version(latest.own(read).unwrap()), now as u64);
        }
    }

    #[test]
    fn those_who_wait_share_one_read() {
        let begun = Barrier::new(2);
        let (latest, reads, asked) = (Latest::default(), AtomicUsize::new(0), Barrier::new(9));
        std::thread::scope(|scope| {
            let (latest, reads, asked, begun) = (&latest, &reads, &asked, &begun);
            scope.spawn(move || {
                let slow = || {
                    begun.wait();
                    asked.wait();
                    // those who wait have nearly asked: give them the moment between the barrier and the lock
                    while latest.asked.load(Ordering::SeqCst) < 9 {
                        std::thread::yield_now();
                    }
                    Ok::<_, ()>(Some(text(1)))
                };
                latest.shared(slow).unwrap().unwrap();
            });
            begun.wait();
            for _ in 0..8 {
                scope.spawn(move || {
                    asked.wait();
                    let read = || {
                        reads.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, ()>(Some(text(2)))
                    };
                    assert_eq!(version(latest.shared(read).unwrap()), 2, "a read from before it asked");
                });
            }
        });
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }
}
