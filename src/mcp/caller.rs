//! Who calls: what a client says of itself, which nobody can check.

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::engine::input::Actor;
use crate::view::safe::safe;

/// Of a name or version no more is kept.
const KEPT: usize = 60;

/// A client, as it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Its name and version.
    pub(super) client: String,
    /// The version of the protocol that it speaks.
    pub(super) protocol: String,
}

impl Caller {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Caller {
        let protocol = context.protocol_version().map(|version| short(version.as_str()));
        let client = context.client_info().map(|client| format!("{} {}", short(&client.name), short(&client.version)));
        Caller {
            client: client
                .map(|client| client.trim().to_owned())
                .filter(|client| !client.is_empty())
                .unwrap_or_else(|| "without a name".to_owned()),
            protocol: protocol.unwrap_or_default(),
        }
    }

    /// Who acts: the person for whom it works, known by the client.
    pub(super) fn actor(&self, person: &str) -> Actor {
        Actor { name: person.to_owned(), known_by: format!("mcp, client {}", self.client) }
    }
}

fn short(text: &str) -> String {
    safe(&text.chars().take(KEPT).collect::<String>())
}
