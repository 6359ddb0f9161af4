//! Addresses of sources: none may carry a user and password, because addresses stand in plans, journals and logs.

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
}
