use super::super::fixture::{NOW, approvable, completed, paused, running, shut_down};
use super::super::text::{tone, width};
use super::*;

fn news(count: usize) -> Vec<News> {
    let one = |number: usize| News {
        clock: format!("12:30:{number:02}"),
        address: "checkout-v2@staging".to_owned(),
        what: format!("event {number} with words enough that a telephone has to break the line"),
    };
    (0..count).map(one).collect()
}

fn look(columns: usize, rows: usize, unicode: bool) -> Look {
    Look { columns, rows, unicode, driven: true }
}

/// Without the marks of tones.
fn plain(lines: &[String]) -> String {
    let marks: Vec<char> = [Tone::Good, Tone::Warn, Tone::Bad, Tone::Dim, Tone::Strong]
        .into_iter()
        .flat_map(|kind| tone("", kind).chars().collect::<Vec<_>>())
        .collect();
    lines.join("\n").chars().filter(|c| !marks.contains(c)).collect()
}

fn drawn(rollouts: &[Rollout], look: Look) -> String {
    plain(&picture(&rollouts.iter().collect::<Vec<_>>(), &news(9), NOW, look))
}

/// Many, of every kind; those that need somebody are last by name.
fn many(count: usize) -> Vec<Rollout> {
    let mut all: Vec<Rollout> =
        (0..count.saturating_sub(4)).map(|number| running(&format!("r{number:02}"), 2)).collect();
    all.extend([completed("w-done"), shut_down("x-off", 3), approvable("y-ready", 3), paused("z-broken", 3)]);
    all
}

#[test]
fn a_picture_never_leaves_its_room() {
    for columns in [20, 40, 80, 200] {
        for rows in [4, 11, 23, 49] {
            for rollouts in [vec![running("a", 1)], vec![paused("a", 3)], vec![shut_down("a", 3)], many(4), many(50)] {
                let rollouts: Vec<&Rollout> = rollouts.iter().collect();
                let lines = picture(&rollouts, &news(9), NOW, look(columns, rows, true));
                assert!(lines.len() <= rows, "{columns}x{rows}: {} lines", lines.len());
                for line in &lines {
                    assert!(width(line) < columns, "{columns}x{rows}: {line}");
                }
                // what happened last is always there
                assert!(
                    rows < 6 || columns < 40 || plain(&lines).contains("event 8"),
                    "{columns}x{rows}:\n{}",
                    plain(&lines)
                );
            }
        }
    }
}

#[test]
fn of_fifty_those_that_need_somebody_come_first_and_the_rest_is_counted() {
    let text = drawn(&many(50), look(80, 23, true));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "50 rollouts: 2 need you, 1 shut down, 46 baking, 1 completed");
    assert!(lines[1].starts_with("! y-ready@staging") && lines[1].ends_with("needs approval"), "{text}");
    assert!(lines[2].starts_with("! z-broken@staging") && lines[2].ends_with("paused: errors"), "{text}");
    assert!(lines[3].contains("x-off@staging") && lines[3].contains("shut down: errors"), "{text}");
    assert!(
        lines[4].contains("r00@staging") && lines[4].contains("ten-percent") && lines[4].contains("12h/1d"),
        "{text}"
    );
    let more = lines.iter().find(|line| line.contains("more")).expect("what is left out is counted");
    let shown = lines.iter().filter(|line| line.contains("@staging ") && !line.contains("event")).count();
    assert!(more.trim().starts_with(&format!("… {} more: ", 50 - shown)), "{text}");
    assert!(more.ends_with("baking, 1 completed"), "{text}");
}

#[test]
fn four_keep_their_stages_at_thirty_rows_and_a_row_each_at_eleven() {
    let text = drawn(&many(4), look(80, 29, true));
    assert!(text.contains("✓ internal  ✓ beta  ✓ ten-percent  ! half ████░░░░ 12h/1d  · everyone"), "{text}");
    assert!(text.contains("✗ half"), "where it was shut down is shown:\n{text}");
    let low = drawn(&many(4), look(80, 11, true));
    for name in ["z-broken", "y-ready", "x-off", "w-done"] {
        assert!(low.contains(name), "{name} is missing:\n{low}");
    }
    assert!(low.contains("event 8"), "{low}");
}

#[test]
fn one_says_what_why_and_when_next_first() {
    let text = drawn(&[running("a", 2)], look(80, 40, true));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "a@staging  running at ten-percent, on for beta-testers + employees + 10%");
    assert_eq!(lines[1], "  why   baked 1441 of 2881 healthy ticks; 7 of 10000 samples measured");
    assert!(lines[2].starts_with("  next  half in 12h at the earliest (00:30:45)"), "{text}");
    let stage = lines.iter().find(|line| line.contains("▶ ten-percent")).expect("its stage");
    assert!(stage.contains("████░░░░ 12h/1d  7 of"), "{text}");
    let metric = lines.iter().position(|line| line.trim().starts_with("error_rate ")).expect("its metric");
    assert!(lines[metric].contains('█') && lines[metric].contains('?'), "value and course:\n{text}");
    assert!(text.contains("error_rate < 1% · error_rate > 2% for 2m → pause"), "thresholds:\n{text}");
    assert!(lines[lines.len() - 1].contains("event 8"), "{text}");
}

#[test]
fn what_nobody_drives_has_nothing_next() {
    let text = drawn(&[running("a", 2)], Look { driven: false, ..look(80, 40, true) });
    assert!(text.lines().any(|line| line == "  next  nothing, nobody drives it: flagstaff run a -e staging"), "{text}");
}

#[test]
fn what_was_shut_down_says_where_and_on_what_evidence() {
    let text = drawn(&[shut_down("a", 3)], look(100, 40, true));
    assert!(text.contains("✓ ten-percent") && text.contains("✗ half"), "{text}");
    assert!(text.contains("shut down: errors (error_rate > 2%): error_rate 4.1% since 12:30:45"), "{text}");
    let narrow = drawn(&[paused("a", 3)], look(40, 20, true));
    assert!(narrow.contains("errors: error_rate 4.1%"), "{narrow}");
}

#[test]
fn without_unicode_everything_is_ascii() {
    for rows in [11, 23, 49] {
        for columns in [40, 80, 200] {
            for rollouts in [vec![running("a", 2)], many(4), many(50)] {
                let text = drawn(&rollouts, look(columns, rows, false));
                assert!(text.is_ascii(), "{columns}x{rows}:\n{text}");
            }
        }
    }
    let text = drawn(&many(50), look(80, 23, false));
    assert!(text.contains("####---- 12h/1d") && text.contains("... "), "{text}");
}

#[test]
fn a_rule_that_counts_shows_its_evidence_and_not_its_counts() {
    use crate::engine::detector::{Against, Counts, Detector};
    let mut rollout = running("a", 2);
    let mut plan = (*rollout.plan).clone();
    let decimal = |text: &str| text.parse().expect("a decimal");
    let counts = Counts { failed: plan.series.len(), total: plan.series.len() + 1 };
    for name in ["error_rate.failed", "error_rate.total"] {
        let series = plan.series[0].clone();
        plan.series.push(crate::engine::plan::Series { name: name.to_owned(), ..series });
    }
    plan.rules[0].detector = Some(Detector {
        max: decimal("0.05"),
        per: crate::engine::Span::hours(24),
        cluster: 1,
        threshold: decimal("10.9612778467"),
        counts,
        against: Against::share(decimal("0.02"), decimal("0.05")).expect("a promise"),
    });
    rollout.plan = std::sync::Arc::new(plan);
    rollout.state.rules[0].weight = decimal("3.14159");
    let wide = drawn(&[rollout.clone()], look(160, 60, true));
    assert!(wide.contains("errors") && wide.contains("evidence 3.14 of 10.96"), "{wide}");
    assert!(wide.contains("→ pause") && !wide.contains("error_rate.failed"), "{wide}");
    let narrow = drawn(&[rollout], look(40, 40, true));
    assert!(narrow.contains("3.14/10.96"), "{narrow}");
}

#[test]
fn the_check_of_the_split_is_shown_with_its_evidence() {
    use crate::engine::split::{Counted, Direction, SampleRatio, Suspicion};
    let mut rollout = running("a", 2);
    let mut plan = (*rollout.plan).clone();
    let series = crate::engine::plan::Series { name: "baseline(requests)".to_owned(), ..plan.series[0].clone() };
    plan.series.push(series);
    let exposures: Vec<_> = plan.stages.iter().map(|stage| stage.exposure.clone()).collect();
    let (alarms, indices) = (("0.01".parse().expect("a decimal"), plan.every), (0, plan.series.len() - 1));
    plan.sample_ratio =
        SampleRatio::new(crate::engine::Percentage::whole(20), alarms, 1, plan.every, indices, &exposures);
    let threshold = plan.sample_ratio.as_ref().expect("a check").threshold;
    rollout.plan = std::sync::Arc::new(plan);
    let few = Suspicion { number: threshold, ..Suspicion::default() };
    rollout.state.split = Some(Box::new(Counted { few, stands: Some(Direction::Few), ..Counted::default() }));
    let wide = drawn(&[rollout], look(160, 60, true));
    let line = wide.lines().find(|line| line.contains("sample_ratio")).unwrap_or_else(|| panic!("{wide}"));
    assert!(line.contains("evidence 5.3 of 5.298") && wide.contains("→ hold"), "{wide}");
    assert!(!wide.contains("baseline(requests)"), "{wide}");
}
