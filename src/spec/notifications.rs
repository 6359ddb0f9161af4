//! What the documents say of notifications, for whoever tells others beside a process that drives.

use super::documents::NotificationDoc;
use super::load::Loaded;

/// What the documents say of notifications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifications {
    /// The project's name: where messages say that they come from.
    pub project: String,
    /// All of them.
    pub all: Vec<NotificationDoc>,
    /// Whether the documents have no error: then what is not there was taken out, and is no slip of the pen.
    pub is_whole: bool,
}

impl Notifications {
    /// Of some documents; nothing where the Project document cannot be read.
    pub fn of(loaded: &Loaded) -> Option<Notifications> {
        let project = loaded.project()?;
        Some(Notifications {
            project: project.name.value.clone(),
            all: project.notifications.clone(),
            is_whole: !loaded.has_errors(),
        })
    }
}
