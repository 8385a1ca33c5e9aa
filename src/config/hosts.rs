//! `admin_hosts`: the names that operators call the admin address by.

use super::problems::Problems;
use super::section::Section;

const RULE: &str = "each is a host name without a port, such as gateway.internal (IP addresses and \
                    localhost need no entry)";

pub(super) fn take(root: &mut Section, problems: &mut Problems<'_>) -> Vec<String> {
    let hosts = root.parsed_list("admin_hosts", problems, |text| {
        is_name(text).then(|| text.to_ascii_lowercase()).ok_or(RULE)
    });
    hosts.unwrap_or_default()
}

/// Returns true for labels of letters, digits, `-` and `_` with dots between them. A wildcard would
/// take names that somebody else may point at this address.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_name_has_no_port_no_wildcard_and_no_empty_label() {
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
