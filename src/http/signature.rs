//! HMAC-SHA-256 over some bytes, and the scheme of Standard Webhooks around it: one arithmetic for what we prove and what we check.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, RFC 2104

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Secret;

/// The header with what tells a message from every other one.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since the Unix epoch.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// The key of a secret as Standard Webhooks write it: base64, behind `whsec_` or not. None where it is something else.
pub fn key(secret: &Secret) -> Option<Vec<u8>> {
    STANDARD.decode(secret.text().strip_prefix("whsec_").unwrap_or(secret.text())).ok()
}

/// What is signed of a message, in its order. `at` is in seconds since the Unix epoch.
pub fn signed<'m>(id: &'m str, at: &'m str, body: &'m [u8]) -> [&'m [u8]; 5] {
    [id.as_bytes(), b".", at.as_bytes(), b".", body]
}

/// The signature of some parts, one after the other, as its header has it: `v1,…`.
pub fn sign(key: &[u8], parts: &[&[u8]]) -> Option<String> {
    Some(format!("v1,{}", STANDARD.encode(mac(key, parts)?.finalize().into_bytes())))
}

/// The signatures of this kind that a header lists; several while a secret is changed.
pub fn listed(header: &str) -> Vec<Vec<u8>> {
    header.split(' ').filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok()).collect()
}

/// Whether one of some signatures is the one of these parts; compared in constant time.
pub fn is_signed(key: &[u8], parts: &[&[u8]], signatures: &[Vec<u8>]) -> bool {
    let Some(mac) = mac(key, parts) else { return false };
    signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_reference_libraries_is_signed_as_there() {
        let key = key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("base64");
        let parts = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        let header = sign(&key, &parts).expect("any key does");
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(is_signed(&key, &parts, &listed(&format!("v1a,x {header}"))));
        assert!(!is_signed(&key, &signed("msg", "1614265330", b""), &listed(&header)));
    }
}
