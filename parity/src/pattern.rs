//! Patterns over names and texts: `*` stands for anything, `|` parts alternatives.

/// Whether `text` matches one of the alternatives of `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    pattern.split('|').any(|alternative| matches_one(alternative, text))
}

/// Whether the parts of `name` between slashes match those of `pattern`, one by one. A pattern
/// with fewer parts leaves the rest of the name free.
pub fn matches_path(pattern: &str, name: &str) -> bool {
    let mut parts = name.split('/');
    pattern.split('/').all(|pattern| parts.next().is_some_and(|part| matches(pattern, part)))
}

fn matches_one(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len())
        .filter(|&at| text.is_char_boundary(at))
        .any(|at| matches_one(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_a_bar_for_or() {
        assert!(matches("*", ""));
        assert!(matches("tcp|unix", "unix"));
        assert!(matches("handle_error:*(1)", "handle_error:fault(1)"));
        assert!(!matches("tcp|unix", "unixgram"));
        assert!(!matches("handle_*", "finish"));
    }

    #[test]
    fn a_path_is_matched_part_by_part() {
        assert!(matches_path("tcp|udp/*/normal", "udp/forking/normal/serve_forever"));
        assert!(!matches_path("tcp/*/normal", "tcp/forking/shutdown_busy/serve_forever"));
        assert!(!matches_path("tcp/normal", "tcp"));
    }
}
