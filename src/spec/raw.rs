//! How far a raw query looks back, read from its text alone: strings and comments are skipped, nothing else is understood.

use crate::engine::Span;

/// The largest range of a query, with its subqueries and its largest offset on top: so long after a change it still
/// reads from before it.
pub fn reach(text: &str) -> Span {
    let text = without_strings(text);
    let (mut range, mut subqueries, mut offset) = (0_u64, 0_u64, 0_u64);
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        let inside = &rest[open + 1..];
        let inside = &inside[..inside.find(']').unwrap_or(inside.len())];
        match inside.split_once(':') {
            // a subquery begins what is inside of it so much earlier
            Some((span, _)) => subqueries = subqueries.saturating_add(duration(span)),
            None => range = range.max(duration(inside)),
        }
        rest = &rest[open + 1..];
    }
    let mut words =
        text.split(|c: char| c.is_whitespace() || "()[]{},+-*/%^".contains(c)).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("offset") {
            offset = offset.max(words.next().map_or(0, duration));
        }
    }
    Span(range.saturating_add(subqueries).saturating_add(offset))
}

/// The shortest range that a query takes of samples; none where it takes none. A subquery's steps are its own.
pub fn shortest(text: &str) -> Option<Span> {
    let text = without_strings(text);
    let inside = |part: &str| part.split(']').next().unwrap_or_default().to_owned();
    let ranges = text.split('[').skip(1).map(inside).filter(|inside| !inside.contains(':'));
    ranges.map(|inside| duration(&inside)).filter(|range| *range > 0).min().map(Span)
}

fn without_strings(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' | '`' => {
                while let Some(inside) = chars.next() {
                    if inside == '\\' && c != '`' {
                        chars.next();
                    } else if inside == c {
                        break;
                    }
                }
                plain.push(' ');
            }
            '#' => {
                chars.by_ref().find(|c| *c == '\n');
                plain.push('\n');
            }
            c => plain.push(c),
        }
    }
    plain
}

/// `1h30m`, `500ms`, or seconds without a unit, in milliseconds; nothing where it is neither.
fn duration(text: &str) -> u64 {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.max(0.0) * 1000.0) as u64;
    }
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let Ok(number) = rest[..digits].parse::<f64>() else { return 0 };
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            "d" => 8.64e7,
            "w" => 7.0 * 8.64e7,
            "y" => 365.0 * 8.64e7,
            _ => return 0,
        };
        total = total.saturating_add((number * unit) as u64);
        rest = &rest[letters..];
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_range_counts_with_what_encloses_it() {
        for (text, wanted) in [
            ("rate(x{ {{ match }} }[1h])", Span::hours(1)),
            ("rate(x[5m]) / rate(y[1h30m])", Span::minutes(90)),
            ("max_over_time(rate(x[5m])[1h:1m])", Span::minutes(65)),
            ("rate(x[5m] offset 10m)", Span::minutes(15)),
            ("rate(x[300])", Span::minutes(5)),
            (r#"x{a="[9d]",b='\'[9d]',c=`\`} # [9d] offset 9d"#, Span(0)),
            ("rate(x[5m] offset -1h)", Span::minutes(65)),
            ("x", Span(0)),
        ] {
            assert_eq!(reach(text), wanted, "{text}");
        }
    }

    #[test]
    fn the_shortest_range_is_one_of_samples() {
        assert_eq!(shortest("rate(x[5m]) / rate(y{a=\"[1s]\"}[30s])"), Some(Span::seconds(30)));
        assert_eq!(shortest("max_over_time(rate(x[5m])[1h:1m])"), Some(Span::minutes(5)));
        assert_eq!(shortest("max_over_time(x[1h:1m])"), None);
        assert_eq!(shortest("x"), None);
    }

    proptest! {
        #[test]
        fn any_text_has_a_reach(text in "\\PC{0,60}", spans in "[\\[\\]0-9:hmsdwy.\"#(]{0,30}") {
            let _ = reach(&text);
            let _ = reach(&spans);
        }
    }
}
