//! The Prometheus text format and OpenMetrics, as far as samples go: name, labels, value.
//!
//! Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://github.com/prometheus/OpenMetrics>. Time stamps and exemplars are read over: a sample counts from when it was
//! scraped.

/// A line longer than this is refused.
const LINE_AT_MOST: usize = 64 * 1024;
/// More samples than this are refused.
const SAMPLES_AT_MOST: usize = 1_000_000;

/// One sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels, sorted by name.
    pub labels: Vec<(String, String)>,
    /// Its value; may be NaN or infinite.
    pub value: f64,
}

/// Where a page stops being one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {expected} expected")]
pub struct Malformed {
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// Reads a page.
///
/// # Errors
/// The first line that is neither a sample, nor a comment, nor empty.
pub fn parse(page: &str) -> Result<Vec<Sample>, Malformed> {
    let mut samples = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let at = |column: usize, expected| Malformed { line: index + 1, column: column + 1, expected };
        let text = line.trim_end();
        if text.is_empty() || text.starts_with('#') {
            if text == "# EOF" {
                break;
            }
            continue;
        }
        if text.len() > LINE_AT_MOST || samples.len() >= SAMPLES_AT_MOST {
            return Err(at(0, "a shorter page"));
        }
        let mut reader = Reader { text, at: 0 };
        samples.push(reader.sample().map_err(|(column, expected)| at(column, expected))?);
    }
    Ok(samples)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

type Expected<T> = Result<T, (usize, &'static str)>;

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn eat(&mut self, wanted: char, expected: &'static str) -> Expected<()> {
        if self.rest().starts_with(wanted) {
            self.at += wanted.len_utf8();
            return Ok(());
        }
        Err((self.at, expected))
    }

    fn name(&mut self, expected: &'static str) -> Expected<String> {
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.quoted();
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_:.".contains(c))).unwrap_or(rest.len());
        if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err((self.at, expected));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    fn quoted(&mut self) -> Expected<String> {
        self.eat('"', "a quoted text")?;
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err((self.at, "the end of the quoted text"))
    }

    fn sample(&mut self) -> Expected<Sample> {
        let name = self.name("a metric's name")?;
        let mut labels = Vec::new();
        self.space();
        if self.eat('{', "").is_ok() {
            loop {
                self.space();
                if self.eat('}', "").is_ok() {
                    break;
                }
                let label = self.name("a label's name or `}`")?;
                self.space();
                self.eat('=', "`=`")?;
                self.space();
                labels.push((label, self.quoted()?));
                self.space();
                if self.eat(',', "").is_err() && !self.rest().starts_with('}') {
                    return Err((self.at, "`,` or `}`"));
                }
            }
        }
        self.space();
        let end = self.rest().find([' ', '\t']).unwrap_or(self.rest().len());
        let value = number(&self.rest()[..end]).ok_or((self.at, "a number"))?;
        labels.sort();
        Ok(Sample { name, labels, value })
    }
}

fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && !text.is_empty();
    match text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" if text.starts_with('-') => Some(f64::NEG_INFINITY),
        "inf" => Some(f64::INFINITY),
        _ if plain => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_formats_are_read() {
        let page = "# HELP a_total Things\n# TYPE a_total counter\na_total{b=\"x\\\"\\n\\\\\",a = \"é\"} 1.5e3 1700000000000\r\n\nup 1\n\
                    h_bucket{le=\"+Inf\"} 7 # {trace=\"1\"} 0.5\nn NaN\n# EOF\nthis is no line";
        let samples = parse(page).unwrap();
        assert_eq!(samples[0].labels, [("a".to_owned(), "é".to_owned()), ("b".to_owned(), "x\"\n\\".to_owned())]);
        assert_eq!(samples[0].value, 1500.0);
        assert_eq!(samples.len(), 4);
        assert!(samples[3].value.is_nan());
    }

    #[test]
    fn what_is_no_page_is_refused_with_its_place() {
        let error = parse("up 1\n<html>").unwrap_err();
        assert_eq!((error.line, error.column), (2, 1));
        for page in ["a{b=\"x} 1", "a{b} 1", "a 1x", "a", "a{b=\"c\" d=\"e\"} 1", "9a 1"] {
            assert!(parse(page).is_err(), "{page}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(page in "\\PC{0,200}") {
            let _ = parse(&page);
        }

        #[test]
        fn any_label_value_comes_back(value in "\\PC{0,40}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let samples = parse(&format!("m{{l=\"{escaped}\"}} 3")).unwrap();
            prop_assert_eq!(&samples[0].labels[0].1, &value);
        }
    }
}
