//! Text that comes out of a file, made fit to be shown: a name in it may hold line breaks, what a terminal takes for a
//! command, or marks that turn the direction of writing.

/// `text` on one line, at most `longest` characters and `...` long. Every control character and every mark of direction
/// becomes U+FFFD.
pub fn sanitize(text: &str, longest: usize) -> String {
    let mut shown = text.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER });
    let mut out: String = shown.by_ref().take(longest).collect();
    if shown.next().is_some() {
        out.push_str("...");
    }
    out
}

/// The same for text of several lines and any length.
pub fn sanitize_lines(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) || c == '\n' { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn is_plain(c: char) -> bool {
    // Line and paragraph separators; marks, embeddings, overrides and isolates of direction.
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_replaced_and_words_are_kept() {
        for (text, shown) in [
            ("conv1.weight", "conv1.weight"),
            ("Größe 大きさ ☂", "Größe 大きさ ☂"),
            ("a\nb\r\tc", "a\u{fffd}b\u{fffd}\u{fffd}c"),
            ("\x1b[2J\u{9b}31m\x7f", "\u{fffd}[2J\u{fffd}31m\u{fffd}"),
            ("x\u{202e}gnp.exe", "x\u{fffd}gnp.exe"),
            ("two\u{2028}lines", "two\u{fffd}lines"),
        ] {
            assert_eq!(sanitize(text, 40), shown);
            assert_eq!(sanitize_lines(text).replace('\n', "\u{fffd}"), shown);
        }
        assert_eq!(sanitize(&"é".repeat(50), 40), "é".repeat(40) + "...");
        assert_eq!(sanitize("12345", 5), "12345");
    }
}
