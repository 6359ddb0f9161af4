//! What functions and aggregations are given, and what they give.

use super::Type;

/// What a function is given: `v` an instant vector, `r` a range, `s` a number, `t` a text; those behind `?` may be left out,
/// and the last one may be repeated behind `*`.
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "v"),
    ("absent", "v"),
    ("absent_over_time", "r"),
    ("acos", "v"),
    ("acosh", "v"),
    ("asin", "v"),
    ("asinh", "v"),
    ("atan", "v"),
    ("atanh", "v"),
    ("avg_over_time", "r"),
    ("ceil", "v"),
    ("changes", "r"),
    ("clamp", "vss"),
    ("clamp_max", "vs"),
    ("clamp_min", "vs"),
    ("cos", "v"),
    ("cosh", "v"),
    ("count_over_time", "r"),
    ("day_of_month", "?v"),
    ("day_of_week", "?v"),
    ("day_of_year", "?v"),
    ("days_in_month", "?v"),
    ("deg", "v"),
    ("delta", "r"),
    ("deriv", "r"),
    ("double_exponential_smoothing", "rss"),
    ("exp", "v"),
    ("first_over_time", "r"),
    ("floor", "v"),
    ("histogram_avg", "v"),
    ("histogram_count", "v"),
    ("histogram_fraction", "ssv"),
    ("histogram_quantile", "sv"),
    ("histogram_quantiles", "vts*"),
    ("histogram_stddev", "v"),
    ("histogram_stdvar", "v"),
    ("histogram_sum", "v"),
    ("holt_winters", "rss"),
    ("hour", "?v"),
    ("idelta", "r"),
    ("increase", "r"),
    ("info", "v?v"),
    ("irate", "r"),
    ("label_join", "vtt?t*"),
    ("label_replace", "vtttt"),
    ("last_over_time", "r"),
    ("ln", "v"),
    ("log10", "v"),
    ("log2", "v"),
    ("mad_over_time", "r"),
    ("max_over_time", "r"),
    ("min_over_time", "r"),
    ("minute", "?v"),
    ("month", "?v"),
    ("pi", ""),
    ("predict_linear", "rs"),
    ("present_over_time", "r"),
    ("quantile_over_time", "sr"),
    ("rad", "v"),
    ("rate", "r"),
    ("resets", "r"),
    ("round", "v?s"),
    ("scalar", "v"),
    ("sgn", "v"),
    ("sin", "v"),
    ("sinh", "v"),
    ("sort", "v"),
    ("sort_by_label", "v?t*"),
    ("sort_by_label_desc", "v?t*"),
    ("sort_desc", "v"),
    ("sqrt", "v"),
    ("stddev_over_time", "r"),
    ("stdvar_over_time", "r"),
    ("sum_over_time", "r"),
    ("tan", "v"),
    ("tanh", "v"),
    ("time", ""),
    ("timestamp", "v"),
    ("ts_of_first_over_time", "r"),
    ("ts_of_last_over_time", "r"),
    ("ts_of_max_over_time", "r"),
    ("ts_of_min_over_time", "r"),
    ("vector", "s"),
    ("year", "?v"),
];

/// Aggregations, with what stands before the vector.
const AGGREGATIONS: &[(&str, &str)] = &[
    ("avg", "v"),
    ("bottomk", "sv"),
    ("count", "v"),
    ("count_values", "tv"),
    ("group", "v"),
    ("limit_ratio", "sv"),
    ("limitk", "sv"),
    ("max", "v"),
    ("min", "v"),
    ("quantile", "sv"),
    ("stddev", "v"),
    ("stdvar", "v"),
    ("sum", "v"),
    ("topk", "sv"),
];

/// What a function is given; none where there is no such function.
pub(super) fn arguments(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, arguments)| *arguments)
}

/// What an aggregation is given; keywords are the same in capitals.
pub(super) fn aggregation(name: &str) -> Option<&'static str> {
    AGGREGATIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, arguments)| *arguments)
}

/// What a function gives.
pub(super) fn gives(name: &str) -> Type {
    if matches!(name, "pi" | "scalar" | "time") { Type::Scalar } else { Type::Vector }
}

/// The name that is nearest, if one is near.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().chain(AGGREGATIONS).map(|(name, _)| *name)
}

/// The argument at a place; none where there are fewer. `needed`: how many there must be.
pub(super) fn argument(arguments: &str, place: usize) -> Option<Type> {
    let plain: Vec<char> = arguments.chars().filter(|c| !"?*".contains(*c)).collect();
    let repeats = arguments.ends_with('*');
    let letter = plain.get(place).or_else(|| plain.last().filter(|_| repeats))?;
    Some(match letter {
        'v' => Type::Vector,
        'r' => Type::Range,
        's' => Type::Scalar,
        _ => Type::Text,
    })
}

/// How many arguments there must be at least.
pub(super) fn needed(arguments: &str) -> usize {
    arguments.split('?').next().unwrap_or_default().chars().filter(|c| *c != '*').count()
}
