//! The key `admin_hosts`: the host names that requests to the admin address may name.

use super::problems::Problems;
use super::section::Section;

const RULE: &str = "each entry must be a host name without a port, such as gateway.internal (IP addresses and \
                    localhost need no entry)";

pub(super) fn take(root: &mut Section, problems: &mut Problems<'_>) -> Vec<String> {
    let hosts = root.parsed_list("admin_hosts", problems, |text| {
        is_name(text).then(|| text.to_ascii_lowercase()).ok_or(RULE)
    });
    hosts.unwrap_or_default()
}

/// Returns true for labels of letters, digits, `-` and `_` with dots between them. A wildcard is
/// refused: it would admit names that an attacker can point at this address.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_name_with_port_wildcard_or_empty_label_is_refused() {
        for good in [
            "gateway",
            "gateway.internal",
            "gate_1.example.com",
            "10.0.0.1",
        ] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "gateway.",
            ".internal",
            "a..b",
            "*",
            "a b",
            "a:1",
            "é",
            "http://a",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
