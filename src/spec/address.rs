//! Addresses of servers, as documents write them.

/// Whether an address can be used as it stands.
///
/// # Errors
/// What is wrong with it, and what to write instead. A user part is never repeated: it is a credential.
pub(super) fn check(url: &str) -> Result<(), (String, &'static str)> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err((
            format!("`{}` is no address", shown(url)),
            "write `https://HOST`, with a path where there is one",
        ));
    };
    if !["http", "https"].contains(&scheme) {
        return Err((format!("`{scheme}` cannot be spoken here"), "write `https://` or `http://`"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err((
            "a user and password in an address end up in plans and logs".to_owned(),
            "write the address without them, and say where the token comes from",
        ));
    }
    if rest.contains(['?', '#']) {
        return Err(("the address has a query or a fragment".to_owned(), "write it up to the path"));
    }
    if !is_authority(authority) || rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err((format!("`{url}` names no host"), "write `https://HOST` or `https://HOST:PORT`"));
    }
    Ok(())
}

fn shown(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, host)| host)
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    !host.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Whether what is sent there can be read on the way.
pub(super) fn is_in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let local = ["127.", "localhost", "[::1]"].iter().any(|local| authority.starts_with(local));
    !local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in
            ["https://flags.example", "http://127.0.0.1:4242", "https://flags.example/unleash/", "http://[::1]:1"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("flags.example", "no address"),
            ("ftp://flags.example", "`ftp`"),
            ("https://ana:canary@flags.example", "user and password"),
            ("canary@flags.example", "no address"),
            ("https://flags.example/?x=1", "query"),
            ("https://", "no host"),
            ("https://:4242", "no host"),
            ("https://flags.example:0", "no host"),
            ("https://fl ags.example", "no host"),
        ] {
            let (message, _) = check(bad).unwrap_err();
            assert!(message.contains(why) && !message.contains("canary"), "{bad}: {message}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        assert!(is_in_the_clear("http://flags.example") && is_in_the_clear("http://10.0.0.1"));
        assert!(!is_in_the_clear("http://localhost:1") && !is_in_the_clear("https://flags.example"));
    }
}
