//! Addresses of servers: none may carry a user and password, because addresses stand in plans, journals and logs.

use std::net::IpAddr;
use std::ops::Range;

use super::finding::Finding;
use super::reader::Text;

/// The address without its user part; a finding where it had one.
pub fn without_user(mut address: Text, instead: &str, findings: &mut Vec<Finding>) -> Text {
    let authority = authority(&address.value);
    if let Some(at) = address.value[authority.clone()].rfind('@') {
        // a text that is written with escapes is longer in the file than it is
        let exact = address.at.end - address.at.start == address.value.len();
        let place = if exact { address.at.part(authority.start, authority.start + at + 1) } else { address.at.clone() };
        let message = "an address carries no user or password: it stands in plans, journals and logs";
        findings.push(Finding::error("url", &place, message).help(instead));
        address.value.replace_range(authority.start..=authority.start + at, "");
    }
    address
}

/// Where the user part and host of an address stand.
fn authority(address: &str) -> Range<usize> {
    let start = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[start..].find(['/', '?', '#', '\\']).map_or(address.len(), |end| start + end);
    start..end
}

/// Whether the address of a server, without a user part, can be used as it stands.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub(super) fn check(url: &str) -> Result<(), (String, &'static str)> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err((format!("`{url}` is no address"), "write `https://HOST`, with a path where there is one"));
    };
    if !["http", "https"].contains(&scheme) {
        return Err((format!("`{scheme}` cannot be spoken here"), "write `https://` or `http://`"));
    }
    if rest.contains(['?', '#']) {
        return Err(("the address has a query or a fragment".to_owned(), "write it up to the path"));
    }
    let blank = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if !is_authority(&url[authority(url)]) || rest.contains(blank) {
        return Err((format!("`{url}` names no host"), "write `https://HOST` or `https://HOST:PORT`"));
    }
    Ok(())
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = host_and_port(authority);
    !host.is_empty() && !host.contains('@') && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    }
}

/// Whether what is sent there can be read on the way.
pub(super) fn is_in_the_clear(url: &str) -> bool {
    let (host, _) = host_and_port(&url[authority(url)]);
    let is_here = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    url.starts_with("http://") && !is_here
}

/// A text to be shown, with `*` for each byte of what stands before the `@` of an address.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`\\".contains(c)).unwrap_or(after.len());
        let user = after[..end].rfind('@').unwrap_or(0);
        shown.extend(std::iter::repeat_n('*', user));
        rest = &after[user..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_host_is_not_shown() {
        let text = "url: \"http://bob:hunter2@host:1/x@y\" # https://ok.example/@me http://ü@h";
        let shown = masked(text);
        assert_eq!(shown, "url: \"http://***********@host:1/x@y\" # https://ok.example/@me http://**@h");
        assert_eq!(shown.len(), text.len());
    }

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
            ("https://flags.example/?x=1", "query"),
            ("https://", "no host"),
            ("https://:4242", "no host"),
            ("https://flags.example:0", "no host"),
            ("https://fl ags.example", "no host"),
        ] {
            let (message, _) = check(bad).unwrap_err();
            assert!(message.contains(why), "{bad}: {message}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for clear in ["http://flags.example", "http://10.0.0.1", "http://localhost.example", "http://127.0.0.1.example"]
        {
            assert!(is_in_the_clear(clear), "{clear}");
        }
        for not in ["http://localhost:1", "http://127.0.0.1:4242", "http://[::1]:1", "https://flags.example"] {
            assert!(!is_in_the_clear(not), "{not}");
        }
    }
}
