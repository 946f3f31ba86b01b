//! The page, and what it may do.

/// One file with all that it needs.
pub(super) const PAGE: &str = include_str!("page.html");

/// The one script and the one style of the page, known by what they hash to, and reading from where the page came from.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'sha256-Zusx3O6Ij7eg8nJ7Rf+xHyb0GRvbmI82MwuF9b0IXAI='; \
    style-src 'sha256-dR3YNRT6sbdjgkfyo6hYBQyFX7mQmKB6OwsHT7/aEGE='; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use sha2::{Digest, Sha256};

    use super::*;

    /// What is between the tags of this name.
    fn element(name: &str) -> &'static str {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut parts = PAGE.split(&open);
        let (_, inside) = (parts.next(), parts.next().unwrap());
        assert_eq!(parts.next(), None, "there is one {name}");
        inside.split(&close).next().unwrap()
    }

    #[test]
    fn policy_allows_the_script_and_the_style_of_the_page_and_nothing_else() {
        for name in ["script", "style"] {
            let hash = BASE64_STANDARD.encode(Sha256::digest(element(name)));
            let source = format!("{name}-src 'sha256-{hash}';");
            assert!(CONTENT_SECURITY_POLICY.contains(&source), "it has to say {source}");
        }
        assert_eq!(CONTENT_SECURITY_POLICY.matches("-src").count(), 4);
        assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'none';"));
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
    }

    #[test]
    fn page_is_small_and_takes_nothing_from_elsewhere() {
        assert!(PAGE.len() < 30_000, "{} bytes", PAGE.len());
        // The only address in it is the name of a namespace.
        let elsewhere = PAGE.replace("'http://www.w3.org/2000/svg'", "");
        for sign in ["//", " src=", " href=", "@import", "url("] {
            assert!(!elsewhere.contains(sign), "{sign}");
        }
    }

    #[test]
    fn page_writes_text_as_text() {
        for sign in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("] {
            assert!(!PAGE.contains(sign), "{sign}");
        }
    }
}
