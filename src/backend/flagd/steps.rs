//! Where a test can stand between two steps of a write.

use std::fmt;
use std::sync::Arc;

/// Called between two steps; in earnest there is nobody.
#[derive(Clone, Default)]
pub(super) struct Steps(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Steps {
    /// Steps that somebody is told of.
    pub(super) fn told(at: impl Fn(&'static str) + Send + Sync + 'static) -> Steps {
        Steps(Some(Arc::new(at)))
    }

    /// Between two steps.
    pub(super) fn at(&self, step: &'static str) {
        if let Some(told) = &self.0 {
            told(step);
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steps")
    }
}
