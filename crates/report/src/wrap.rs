//! Sentences on narrow terminals: broken between words, continued under their first.

use unicode_width::UnicodeWidthStr;

/// The text with each line that is wider than `columns` broken between words; what follows keeps the line's indentation. A word that is
/// wider than the screen, such as a path, stays whole, and so does the row of a table: one with three spaces in it.
pub fn wrap(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    text.split_inclusive('\n').map(|line| wrap_line(line, columns)).collect()
}

fn wrap_line(line: &str, columns: usize) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    let is_row = body.trim_start().contains("   ");
    if body.width() <= columns || is_row {
        return line.to_owned();
    }
    let indent = &body[..body.len() - body.trim_start().len()];
    let (mut lines, mut current) = (Vec::new(), String::new());
    for word in body.split_whitespace() {
        if current.is_empty() {
            current = format!("{indent}{word}");
        } else if current.width() + 1 + word.width() <= columns {
            current = format!("{current} {word}");
        } else {
            lines.push(std::mem::replace(&mut current, format!("{indent}{word}")));
        }
    }
    lines.push(current);
    lines.join("\n") + end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_between_words_and_keep_their_indentation() {
        assert_eq!(wrap("  one two three\nfour\n", Some(9)), "  one two\n  three\nfour\n");
        assert_eq!(wrap("  wrote /a/long/path; well\n", Some(10)), "  wrote\n  /a/long/path;\n  well\n");
        assert_eq!(wrap("  relu     1  0.9", Some(9)), "  relu     1  0.9", "a row");
        assert_eq!(wrap("as it is, however long", None), "as it is, however long");
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_only_words_are_too_wide(words in proptest::collection::vec("[a-z量]{1,12}", 0..30), columns in 1_usize..60) {
            let text = words.join(" ");
            let wrapped = wrap(&text, Some(columns));
            prop_assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), words);
            prop_assert!(wrapped.lines().all(|line| line.width() <= columns || !line.trim().contains(' ')));
        }
    }
}
