//! What is read of PromQL without a server, against what a real one takes.

use std::time::Duration;

use flagstaff::http;
use flagstaff::spec::promql;

use super::serve;
use crate::support::page::Page;

/// Taken by Prometheus, and by us without a word.
const GOOD: &[&str] = &[
    "x",
    "up{job=\"a\", instance!~\"b.*\",}",
    "{__name__=~\"a.+\"}",
    "sum by (job) (rate(x_total{a='b', c=`d`}[5m]))",
    "sum(rate(x_total[5m])) by (job, instance)",
    "sum without () (x)",
    "SUM(x) BY (a)",
    "topk(5, x) > 1",
    "count_values(\"v\", x)",
    "quantile(0.9, x)",
    "histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m])))",
    "rate(x[5m] offset 10m) / ignoring(a) group_left(b, c) rate(y[1h30m])",
    "a / on() group_right() b",
    "x offset -1h",
    "x @ 1609746000",
    "x @ start()",
    "rate(x[5m] @ end())",
    "max_over_time(rate(x[5m])[1h:1m])",
    "max_over_time(rate(x[5m])[1h:])",
    "x[5m:1m] offset 3m",
    "-x ^ 2 + -1",
    "2 ^ -3 ^ 2",
    "1 > bool 2",
    "a and b or c unless d",
    "a atan2 b",
    "a == bool on(x) b",
    "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")",
    "label_join(x, \"a\", \",\", \"b\", \"c\")",
    "time() - max(timestamp(x))",
    "vector(1) or on() absent(x{a=\"b\"})",
    "clamp(x, 0, 1)",
    "round(x, 0.5)",
    "round(x)",
    "hour()",
    "scalar(x) * 0x1f + 1e-3 + .5 + Inf + NaN",
    "quantile_over_time(0.5, x[5m])",
    "predict_linear(x[1h], 3600)",
    "x # a comment ) [ {\n + y",
    "(x)",
    "((a) + (b))[5m:]",
    "sum:rate:x / by",
    "sum",
    "max by (le) (x{le=\"+Inf\"})",
    "\"a text with \\\"quotes\\\"\"",
    "x{a=\"\\u00e9\\n\"}",
];

/// Taken by newer servers than the one of these tests, and by us.
const NEWER: &[&str] =
    &["{\"with.dots\", \"label with space\"=\"v\"}", "rate(x[300])", "rate(x[5m] anchored)", "x offset (5m * 2)"];

/// Refused by Prometheus; with what we mark of it, and whether no dialect takes it.
const BAD: &[(&str, &str, bool)] = &[
    ("", "", true),
    ("rate(x[5m]", "(", true),
    ("x{a=\"b\"", "{", true),
    ("x)", ")", true),
    ("rate(x[5m)]", ")", true),
    ("x{a=\"b}", "\"", true),
    ("a +", "+", true),
    ("(a /)", "/", true),
    ("* a", "*", true),
    ("a; b", ";", true),
    ("a || b", "|", true),
    ("rate(x)", "x", false),
    ("sum(x[5m])", "x[5m]", false),
    ("rate(sum(x)[5m])", "", false),
    ("raet(x[5m])", "raet", false),
    ("a b", "b", false),
    ("sum(x) bye (job)", "bye", false),
    ("x{a}", "}", false),
    ("x{a=b}", "b", false),
    ("x{a==\"b\"}", "==", false),
    ("x{\"a\" \"b\"}", "\"b\"", false),
    ("x[5x]", "5x", false),
    ("x[]", "[]", false),
    ("x offset y", "y", false),
    ("topk(x)", "x", false),
    ("topk(5)", "topk(5)", false),
    ("abs(x, y)", "y", false),
    ("abs(x,)", ")", false),
    ("label_replace(x, a, \"b\", \"c\", \"d\")", "a", false),
    ("1 > 2", "1 > 2", false),
    ("1 and x", "1 and x", false),
    ("x[5m] + 1", "x[5m]", false),
    ("\"a\" + x", "\"a\"", false),
    ("1[5m]", "1[5m]", false),
    ("()", "()", false),
    ("a / on(b c) d", "c", false),
    ("histogram_quantile(x, 0.9)", "x", false),
    ("$x", "$", false),
];

#[test]
fn what_is_wrong_is_marked_and_what_is_right_is_not() {
    for query in GOOD.iter().chain(NEWER) {
        assert!(promql::read(query).is_ok(), "{query}: {:?}", promql::read(query));
    }
    let mut wrong = Vec::new();
    for (query, marked, is_certain) in BAD {
        let fault = promql::read(query).expect_err(query);
        let is_marked = marked.is_empty() || &query[fault.at.clone()] == *marked;
        if !is_marked || fault.is_certain != *is_certain {
            wrong.push((query, fault));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_takes_what_we_take_and_refuses_what_we_mark() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["shop"]);
    let server = serve(folder.path(), &page);
    let client = http::client(Duration::from_secs(5)).unwrap();
    let asked = async |query: &str| {
        let form = [("query", query.to_owned())];
        http::fetch(client.post(format!("{}/api/v1/query", server.url)).form(&form)).await.map(|reply| reply.status)
    };
    for _ in 0..100 {
        if asked("1").await.is_ok_and(|status| status == 200) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut wrong = Vec::new();
    let cases = GOOD.iter().map(|query| (*query, 200)).chain(BAD.iter().map(|(query, ..)| (*query, 400)));
    for (query, expected) in cases {
        let status = asked(query).await.unwrap();
        if status != expected {
            wrong.push((query, status));
        }
    }
    assert!(wrong.is_empty(), "the server says otherwise: {wrong:?}");
}
