//! A message as it waits, and as each kind of receiver gets it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::Timestamp;

/// The type of a CloudEvent is this, the event's word, and the version of its data.
const TYPE: &str = "dev.flagstaff.rollout";

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What tells it from every other message, of other journals too; the same for every receiver and every attempt.
    pub id: String,
    /// What happened, in a word of ours.
    pub event: String,
    /// `release@environment`.
    pub subject: String,
    /// When it happened.
    pub at: Timestamp,
    /// What the schema `flagstaff/notification/v1` says.
    pub data: Value,
}

impl Message {
    /// As a CloudEvent 1.0 in structured JSON. <https://github.com/cloudevents/spec>
    pub fn cloud_event(&self, project: &str) -> String {
        let event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": format!("/flagstaff/{}", crate::http::segment(project)),
            "type": format!("{TYPE}.{}.v1", self.event),
            "subject": self.subject,
            "time": self.at.to_string(),
            "datacontenttype": "application/json",
            "data": self.data,
        });
        event.to_string()
    }

    /// As a message of Slack's incoming webhooks, or of what takes the same.
    pub fn slack(&self) -> String {
        json!({ "text": plain(self.data["text"].as_str().unwrap_or_default()) }).to_string()
    }
}

/// A text that mentions nobody and links nowhere but where it says: `<` begins what Slack acts on, and others act on a bare
/// `@channel` or `@here`. <https://docs.slack.dev/messaging/formatting-message-text>
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            // an address, ours or a person's, has something before it
            '@' if !before.is_ascii_alphanumeric() => shown.push_str("@\u{200b}"),
            c => shown.push(c),
        }
        before = c;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message {
            id: "j-7-0-0123".to_owned(),
            event: "paused".to_owned(),
            subject: "r@here".to_owned(),
            at: Timestamp(1_500),
            data: json!({ "text": text }),
        }
    }

    #[test]
    fn nothing_in_a_text_acts_at_its_receiver() {
        let text = "r@here: paused by ana@acme.example: <!channel> @here (@all) <https://x|y> & \"q\"\n```";
        let body: Value = serde_json::from_str(&message(text).slack()).expect("JSON");
        let told = body["text"].as_str().unwrap();
        assert_eq!(
            told,
            "r@here: paused by ana@acme.example: &lt;!channel&gt; @\u{200b}here (@\u{200b}all) \
             &lt;https://x|y&gt; &amp; \"q\"\n```"
        );
        assert_eq!(body.as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_cloud_event_has_all_that_it_must() {
        let event: Value = serde_json::from_str(&message("t").cloud_event("a b/c")).expect("JSON");
        let expected = json!({
            "specversion": "1.0",
            "id": "j-7-0-0123",
            "source": "/flagstaff/a%20b%2Fc",
            "type": "dev.flagstaff.rollout.paused.v1",
            "subject": "r@here",
            "time": "1970-01-01T00:00:01.500Z",
            "datacontenttype": "application/json",
            "data": { "text": "t" },
        });
        assert_eq!(event, expected);
    }
}
