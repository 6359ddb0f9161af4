//! A page for every finding's code, for `flagstaff help CODE`.

/// Every code with its page.
pub const PAGES: &[(&str, &str)] = &[
    ("address", "A server's address is `https://HOST`, with a port and a path where there are."),
    (
        "ambiguous",
        "A value like `yes`, `on`, `null` or nothing at all means different things to different YAML readers. Put texts in quotes; booleans are `true` and `false`.",
    ),
    (
        "api-version",
        "The document is not `apiVersion: flagstaff/v1`. In flagstaff's own files every document is; other tools' documents live elsewhere.",
    ),
    (
        "after",
        "`after` names another release and how far it must be, in one way: `reached: STAGE` or `completed: true`, in an environment to which that release goes.",
    ),
    ("after-circle", "Releases that wait for each other wait for ever. One of them must be first."),
    ("approval", "A stage asks for more people than its groups have: it could never be left."),
    (
        "arms",
        "`arms` names the labels that tell the exposed from the control group, or says `unleash-impact`: a label for each flag, as Unleash serves its clients' impact metrics.",
    ),
    (
        "breaker",
        "`breaker: { share: 30%, least: 5 }`: where one query would shut down more than that share of all rollouts in progress at one tick, and `least` of them at least (5 unless written), its rules pause instead. The share lies between 0% and 100%, and `least` is 2 or more.",
    ),
    (
        "burn-rate",
        "A safeguard on a burn rate: `when: \"burn_rate(error_rate, 99.9%) > 14.4\", over: [1h, 5m]`. It holds while the share of a `ratio` or of `slow(BOUND)` is above 14.4 times what may fail (1.44%) over both windows, the long one first. The objective is above 0% and below 100%, and what is compared must be a share that can be reached. It stands in no line of `healthy`, not beside `baseline()`, and makes no promise.",
    ),
    ("boolean", "Booleans are written `true` and `false`, nothing else."),
    (
        "condition",
        "The condition cannot be read, or its units do not fit: shares are compared with percentages, times with times, counts with bare numbers. See `flagstaff help conditions`.",
    ),
    (
        "constant-condition",
        "The condition is true or false whatever is measured, so the rule always fires or never does.",
    ),
    (
        "date",
        "A freeze goes from one date to another: `2026-12-20`, the whole day, or `2026-12-20T18:00`, in its zone.",
    ),
    (
        "diluted",
        "The rule compares a share of the whole service, and at a stage that exposes few people even the failure of all of them does not reach its limit. Measure the exposed group, or write a lower limit. `validate --arithmetic` says how far a metric is diluted at each stage.",
    ),
    ("duplicate-key", "A mapping has the same key twice. Readers disagree about which one counts."),
    (
        "duplicate-name",
        "Names are unique: documents per kind, stages per template, rules per policy (`no_data` is taken, and `sample_ratio` beside that key), freezes per project.",
    ),
    ("duration", "Durations are written `90s`, `2m`, `1h30m`, `24h`, `7d`. See `flagstaff help durations`."),
    ("every", "`every` is the distance of ticks and more than zero."),
    (
        "expect",
        "`expect` says how a policy's metrics are while all is well, for `validate --arithmetic`: `requests: 300/m` of everybody, exposed or not, and healthy shares: `error_rate: 0.5%`, `slow(500ms): 1%`. Nothing is decided by it.",
    ),
    (
        "false-alarms",
        "A rule with a promise: `when: \"error_rate > 2%\", false_alarms: { max: 5%, per: 24h }, catches: 5%`. It compares the share of a `ratio` or of `slow(BOUND)` with a percentage, or with a multiple of `baseline()` of the same metric, and has no `for`. What it catches is worse than its limit.",
    ),
    ("file", "The file cannot be read: it must be a regular file of the project, at most 4 MiB, UTF-8 without NUL."),
    (
        "full-start",
        "The first stage exposes everybody. That is refused unless the template says `allow_full_start: true` and a `reason`.",
    ),
    (
        "flag-name",
        "A release is named like the flag of another one. `abort`, `pause` and `freeze` take a release's name or a flag's key, so one word would mean two things.",
    ),
    ("flag-type", "Types of flags are release, experiment, operational, kill-switch, permission and sunset."),
    (
        "freeze-name",
        "Whoever goes past a freeze names it in the reason, so no freeze by date has the name of one that people type: `all`, `environment-…` and `release-…` are taken.",
    ),
    (
        "header",
        "Headers for a source or a notification are texts that everybody may know, like a tenant's name, or say where a secret comes from: `X-Api-Key: { env: NAME }`, `{ file: PATH }` or `{ command: [WORD] }`. A secret never stands in a document.",
    ),
    ("idle", "`idle` is `bake` (ticks without traffic earn) or `hold` (they do not, the default)."),
    ("idle-samples", "With `idle: bake` and no `samples` a stage would pass that nobody used."),
    (
        "in-the-clear",
        "The address begins with `http://` and is not on this machine: whoever sees the traffic sees the token or password, or the messages that are sent there.",
    ),
    ("label", "A label's name has letters, digits and underscores, and no digit first."),
    (
        "live-bounds",
        "The limit lies between two bucket bounds of the histogram. Of a quantile the number is then a guess; a share of slow requests has no answer in Prometheus, and cannot be counted anywhere. Compare with a bound, or give the service's histogram one there.",
    ),
    (
        "live-doubtful",
        "The source answered with an error or a warning, or its clock is far from ours: no such reading counts.",
    ),
    (
        "live-missing",
        "The source does not know what the metric reads, or refuses the query. `start` would be refused too. What begins with its first event says so: `born_later: true`.",
    ),
    (
        "live-several",
        "The query answers with several series where one number is needed. Aggregate them in the query: `sum(…)`, `max(…)`.",
    ),
    (
        "live-stale",
        "The newest sample is older than two and a half scrapes: no such reading counts. What serves the metric is not scraped any more, or less often than `scrape_every` of the source says.",
    ),
    (
        "live-unit",
        "The number cannot be of its unit: a share above 1, or a time of thousands of seconds, which is probably one of milliseconds.",
    ),
    (
        "live-window",
        "The window has fewer than four samples at the source, whatever `scrape_every` says: one scrape may be under way and one may fail, and a rate needs two.",
    ),
    ("login", "There is one way to say who we are to a source: a token, `username` with its password, or `oauth2`."),
    (
        "long-window",
        "A window is longer than flagstaff remembers of pages that it reads itself: 5000 readings of each. A `prometheus` source remembers for itself.",
    ),
    ("many", "One file has so many findings that the rest is only counted."),
    (
        "match-conflict",
        "The release wants another value of a label than its environment: it would read another environment's series.",
    ),
    ("missing-key", "A key that must be there is missing."),
    (
        "name",
        "Names are typed as arguments and stand in addresses like `release@environment`: letters, digits, `-`, `_` and `.`, a letter or digit first, at most 100 characters. A flag's key may have `:` and `/` too.",
    ),
    (
        "narrow-window",
        "The window is shorter than the distance of two ticks and the time after which a tick is asked: it may be over before anything can grow.",
    ),
    ("no-arms", "The source does not say which labels tell the exposed from the control group."),
    ("no-data", "The policy does not say what happens when evidence is missing for long. It will hold and never stop."),
    (
        "no-evidence",
        "At some stage no line of `healthy` measures the exposed group, so nothing there could prove health.",
    ),
    (
        "no-name",
        "The release finds no template, policy or source by that precedence: entry for the environment, release, environment, defaults.",
    ),
    ("no-project", "There is no Project document. `flagstaff init` makes one."),
    ("no-safeguard", "The policy has no rule that pauses, rolls back or shuts down."),
    (
        "no-segments",
        "The audience is a segment of the server, and the environment's flags live in a file, which has none.",
    ),
    ("no-stage", "The template has no stage."),
    (
        "notification-event",
        "Notifications tell of started, advanced, paused, rolled-back, stopping, stopped, completed, resumed, forced, drifted, notified, held-back and would-act; of all but the last where `events` is not written.",
    ),
    ("number", "A whole number is expected."),
    (
        "observe",
        "A policy with `observe: true` is measured, and what its safeguards, `no_data` and `sample_ratio` would have done is recorded. Nothing of it stops or holds anything. `healthy` counts as ever.",
    ),
    ("outside-path", "The flag file lies outside of the project's directory."),
    ("percentage", "Percentages are written `10%` or `12.5%`, with at most three decimals, from 0% to 100%."),
    ("plan", "The release has no canonical form. This is a fault of flagstaff."),
    (
        "proof",
        "A line of `healthy` that is to be proven: `error_rate < 1% at 95% confidence`. It is about the share of a `ratio` or of `slow(BOUND)` and one percentage, and has no `for`. The stage is left only once what was counted over the ticks that earned the bake proves it.",
    ),
    (
        "promql",
        "The query cannot be read as PromQL, once `{{ match }}` is filled in. What no server takes is an error: brackets or quotes that are not closed, an operator without operands. All else is a warning, as an unknown function or a range where an instant is expected: newer servers and others than Prometheus may know it. `start` and `validate --live` ask the server itself.",
    ),
    ("quantile", "A quantile is a number between 0 and 1."),
    (
        "raw-query",
        "A query in the source's language must contain `{{ match }}`, so that it reads this environment's series and this group only.",
    ),
    (
        "same-backend",
        "Two environments name the same environment of the same Unleash project. A flag has one state there.",
    ),
    ("same-file", "Two environments write the same flag file. A flag has one state in a file."),
    ("same-flag", "Two releases drive the same flag in the same environment."),
    (
        "pointer",
        "A place in a JSON body is a JSON pointer (RFC 6901): `/data/release`, keys and indexes, each behind a slash.",
    ),
    ("same-series", "Two environments read the same series: evidence of one would count for the other."),
    (
        "sample-ratio",
        "`sample_ratio: { of: requests, within: 20%, false_alarms: { max: 1%, per: 24h }, cluster: 10 }` holds growth while requests are not split between the exposed and the control group as the stage says. It counts a metric with the form `count`; `within` is more than 0% and less than 100%: users who make more requests than others keep the split from ever being exact.",
    ),
    ("samples", "`samples` counts a metric of the exposed group, `requests` unless it names another."),
    ("scope", "The only scope that is written is `service`: a metric of the whole service, without a flag label."),
    ("selector", "A selector is `name` or `name{label=\"value\"}`, with = != =~ !~."),
    (
        "server-attribute",
        "Unleash cannot test the attribute as the audience asks: its attributes are texts, so `contains` holds for that very text only. Where the application sends lists, use another attribute.",
    ),
    (
        "settle",
        "`settle` must be at least the longest window plus one scrape, or evidence from before a change would count.",
    ),
    ("shape", "The value has another shape than expected: a mapping, a list or a single value."),
    (
        "short-every",
        "Ticks closer together than the source's scrapes would judge one sample several times, as if it were several.",
    ),
    ("short-for", "A `for` shorter than `every` would be one tick, which is what a rule without `for` needs."),
    ("short-window", "A window needs at least four scrapes; so does the range of a raw query that computes a rate."),
    (
        "shutdown",
        "`shutdown: own` takes away what flagstaff put into the flag and leaves what others did; `all`, the default, switches the flag off in the environment.",
    ),
    ("stage-order", "Stages grow: each reaches everybody of the one before, and more."),
    (
        "stickiness",
        "The attribute that keeps a user in the same share must be one that every user has: at random, users fall in and out of a feature.",
    ),
    (
        "token",
        "Say where the token comes from, in one way: `token_env: VARIABLE`, `token_file: PATH` or `token_command: [PROGRAM, ARGUMENT]`. The same goes for `password_…`, `client_secret_…`, `secret_…` and `url_…` of notifications, and the `env`, `file` and `command` of a header. No secret stands in a document.",
    ),
    ("unit", "A query says in which unit it answers: ratio, seconds, count or number."),
    (
        "signal-release",
        "A signal is about the releases that a label or field of its body names (`release: …` below the sender), or always about some (`releases: […]`). It needs one of both.",
    ),
    ("signal-style", "Signatures of signals are made as standard-webhooks, github or grafana make them."),
    ("unknown-action", "Actions are notify, hold, pause, `{ rollback: previous }` or a stage's name, shutdown."),
    ("unknown-audience", "A stage names an audience that no document declares."),
    ("unknown-environment", "An environment is named that the project does not have."),
    ("unknown-group", "An approval names a group that the project's `people` do not have."),
    ("unknown-release", "A signal names a release or flag that nobody declares: it would stop nothing."),
    ("unknown-key", "The key is not known at this place."),
    ("unknown-kind", "Kinds are Project, Audience, ReleaseTemplate, ThresholdPolicy, Release and Flag."),
    ("unknown-metric", "The policy has no such metric: neither its preset nor its `metrics` name it."),
    ("unknown-policy", "No ThresholdPolicy document has this name."),
    ("unknown-preset", "Presets are `otel` and `prometheus`, or `{ duration: …, failed: … }` spelled out."),
    ("unknown-release", "No Release document has this name."),
    ("unknown-source", "The project has no source of this name."),
    (
        "unknown-stage",
        "A rollback, or a release that waits for another one, names a stage that the template does not have.",
    ),
    ("unknown-template", "No ReleaseTemplate document has this name."),
    (
        "unknown-zone",
        "Time zones have IANA names like `Europe/Madrid`, or are `UTC`. Abbreviations like `EST` mean several zones.",
    ),
    (
        "unleash-address",
        "`url` is the address of the server itself, a path prefix included; `/api/admin` is put behind it.",
    ),
    ("unleash-values", "Unleash takes at most 250 values in one constraint: one test of an audience names more."),
    ("unleash-flag", "Unleash takes keys of letters, digits and `-._~`, at most 100 of them."),
    ("unsupported", "This version does not know the key yet. It is refused rather than ignored."),
    (
        "url",
        "An address with a user and password in it would stand in plans, journals and logs. Say where the token or password comes from instead, beside `url:`: `token_file:`, or `username:` with `password_file:`.",
    ),
    (
        "whole-percent",
        "Unleash deals users into a hundred buckets: only whole percents mean the same to all of its clients.",
    ),
    (
        "window",
        "A window is `DAYS HH:MM-HH:MM ZONE`: `Mon-Fri 09:00-16:00 Europe/Madrid`. Days are `Mon-Fri`, `Mon,Wed` or `daily`; hours go to `24:00`, and over midnight.",
    ),
    ("yaml-anchor", "Anchors and aliases are refused: what is meant stands where it is read."),
    ("yaml-limit", "The document is nested too deep or has too many values."),
    ("yaml-syntax", "The file is no valid YAML."),
    ("yaml-tag", "Tags (`!…`) are refused."),
];

/// The page of a code.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}
