//! Names in `flagstaff://` addresses: what is not plain is written as `%XX`.

/// A name as part of an address. Its slashes stay.
pub(super) fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The name behind a part of an address; none where it is no text.
pub(super) fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_comes_back(name in ".{0,40}") {
            let text = encoded(&name);
            prop_assert!(text.is_ascii() && !text.contains(' '));
            prop_assert_eq!(decoded(&text), Some(name));
        }

        #[test]
        fn no_address_is_too_odd(part in ".{0,40}") {
            let _ = decoded(&part);
        }
    }
}
