use super::*;

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    timestamp(instant.as_second()).unwrap()
}

fn cron(expression: &str, zone: &str) -> Cron {
    Cron::parse(expression, zone).unwrap()
}

/// Checks the occurrences after a time forwards, backwards and counted.
fn check(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    let cron = cron(expression, zone);
    let expected: Vec<Timestamp> = expected.iter().map(|time| at(time)).collect();
    let found = std::iter::successors(cron.next_after(at(after)), |last| cron.next_after(*last));
    let found: Vec<Timestamp> = found.take(expected.len()).collect();
    assert_eq!(found, expected, "{expression} in {zone} after {after}");
    let end = *expected.last().unwrap();
    let back = std::iter::successors(cron.latest(at(after), end), |last| {
        cron.latest(at(after), Timestamp::from_micros(last.as_micros() - 1)?)
    });
    let mut back: Vec<Timestamp> = back.collect();
    back.reverse();
    assert_eq!(back, expected, "{expression} in {zone}, backwards to {after}");
    let count = cron.count(at(after), end);
    assert_eq!(count, expected.len() as u64, "{expression} in {zone}, counted");
}

#[test]
fn five_fields_six_fields_names_and_macros_are_accepted() {
    let after = "2026-11-30T17:00:00Z"; // A Monday.
    check("*/20 * * * *", "", after, &["2026-11-30T17:20:00Z", "2026-11-30T17:40:00Z"]);
    check("30 * * * * *", "UTC", after, &["2026-11-30T17:00:30Z", "2026-11-30T17:01:30Z"]);
    check("0 9 * feb sun", "UTC", after, &["2027-02-07T09:00:00Z", "2027-02-14T09:00:00Z"]);
    check("0 9 * * mon-fri", "UTC", after, &["2026-12-01T09:00:00Z", "2026-12-02T09:00:00Z"]);
    check("0 9 1 * +MON", "UTC", after, &["2027-02-01T09:00:00Z", "2027-03-01T09:00:00Z"]);
    check("0 0 L * *", "UTC", after, &["2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z"]);
    check("0 0 * * 5#L", "UTC", after, &["2026-12-25T00:00:00Z", "2027-01-29T00:00:00Z"]);
    check("0 0 LW * *", "UTC", after, &["2026-12-31T00:00:00Z", "2027-01-29T00:00:00Z"]);
    check("0 0 29 2 *", "UTC", after, &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check("@yearly", "UTC", after, &["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]);
    check("@Annually", "UTC", after, &["2027-01-01T00:00:00Z"]);
    check("@monthly", "UTC", after, &["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]);
    check("@weekly", "UTC", after, &["2026-12-06T00:00:00Z", "2026-12-13T00:00:00Z"]);
    check("@daily", "UTC", after, &["2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"]);
    check("  @hourly ", "UTC", after, &["2026-11-30T18:00:00Z", "2026-11-30T19:00:00Z"]);
    check("@daily", "asia/kolkata", after, &["2026-11-30T18:30:00Z", "2026-12-01T18:30:00Z"]);
    assert_eq!(cron("@daily", "asia/kolkata").zone_name(), "Asia/Kolkata");
}

#[test]
fn the_lower_limit_of_a_search_is_excluded_and_the_upper_limit_included() {
    let cron = cron("0 12 * * *", "UTC");
    let noon = at("2026-11-30T12:00:00Z");
    let just = |micros: i64| {
        Timestamp::from_micros(noon.as_micros().checked_add_signed(micros).unwrap()).unwrap()
    };
    assert_eq!(cron.next_after(just(-1)), Some(noon));
    assert_eq!(cron.next_after(noon), Some(at("2026-12-01T12:00:00Z")));
    assert_eq!(cron.next_after(just(1)), Some(at("2026-12-01T12:00:00Z")));
    assert_eq!(cron.latest(Timestamp::EPOCH, noon), Some(noon));
    assert_eq!(cron.latest(just(-1), just(1)), Some(noon));
    assert_eq!(cron.latest(noon, just(1)), None);
    assert_eq!(cron.latest(Timestamp::EPOCH, just(-1)), Some(at("2026-11-29T12:00:00Z")));
}

/// Berlin goes from 02:00 to 03:00 on 2027-03-28 at 01:00 UTC.
#[test]
fn a_time_of_day_in_a_gap_runs_once_at_the_change() {
    let after = "2027-03-27T12:00:00Z";
    let change = "2027-03-28T01:00:00Z";
    check("30 2 * * *", "Europe/Berlin", after, &[change, "2027-03-29T00:30:00Z"]);
    check("0 2 * * *", "Europe/Berlin", after, &[change, "2027-03-29T00:00:00Z"]);
    // Several times in the gap, and the first time after it, are one run.
    check("0,30 2,3 * * *", "Europe/Berlin", after, &[change, "2027-03-28T01:30:00Z"]);
    // Only one of several times is in the gap.
    check(
        "30 2,14 * * *",
        "Europe/Berlin",
        after,
        &["2027-03-27T13:30:00Z", change, "2027-03-28T12:30:00Z"],
    );
    // Only on matching days.
    check("30 2 * * MON", "Europe/Berlin", after, &["2027-03-29T00:30:00Z"]);
    check("30 2 28 3 *", "Europe/Berlin", after, &[change, "2028-03-28T00:30:00Z"]);
}

#[test]
fn a_rule_that_is_no_time_of_day_continues_after_a_gap() {
    let after = "2027-03-28T00:30:00Z";
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        after,
        &["2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z", "2027-03-28T02:00:00Z"],
    );
    check("15 * * * *", "Europe/Berlin", after, &["2027-03-28T01:15:00Z"]);
    check("*/30 2 * * *", "Europe/Berlin", after, &["2027-03-29T00:00:00Z"]);
}

/// Berlin goes from 03:00 back to 02:00 on 2026-10-25 at 01:00 UTC; New York from 02:00 to 01:00 on
/// 2026-11-01 at 06:00 UTC.
#[test]
fn a_time_of_day_in_a_fold_runs_once() {
    let after = "2026-10-24T12:00:00Z";
    check("30 2 * * *", "Europe/Berlin", after, &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    check(
        "0 2,3 * * *",
        "Europe/Berlin",
        after,
        &["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-26T01:00:00Z"],
    );
    check(
        "30 1 * * *",
        "America/New_York",
        "2026-10-31T12:00:00Z",
        &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
    );
    // Also for a search that begins inside the fold.
    check("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26T01:30:00Z"]);
}

#[test]
fn a_rule_that_is_no_time_of_day_runs_in_both_passes_of_a_fold() {
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:59:00Z",
        &[
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ],
    );
    check(
        "15 * * * *",
        "Europe/Berlin",
        "2026-10-25T00:00:00Z",
        &["2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z", "2026-10-25T02:15:00Z"],
    );
}

/// The gap of Lord Howe is half an hour: 02:00 to 02:30 on 2026-10-04, at 15:30 UTC the day before. The
/// gap of Samoa was all of 2011-12-30.
#[test]
fn gaps_and_folds_of_other_lengths_follow_the_same_rules() {
    check(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00:00Z",
        &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
    );
    check("45 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["2026-10-03T15:45:00Z"]);
    check(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2027-04-03T00:00:00Z",
        &["2027-04-03T14:45:00Z", "2027-04-04T15:15:00Z"],
    );
    check(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-29T00:00:00Z",
        &["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
    );
}

#[test]
fn rules_that_never_run_are_detected_in_bounded_time() {
    for (expression, zone) in [
        ("0 0 31 2 *", "UTC"),
        ("0 0 30 2 *", "Europe/Berlin"),
        ("0 0 31 4,6,9,11 *", "UTC"),
        // All its times are in the gap of each year.
        ("*/10 2 * 3 0#L", "Europe/Berlin"),
    ] {
        let cron = cron(expression, zone);
        let (then, now) = (at("1997-01-01T00:00:00Z"), at("2026-11-30T17:00:00Z"));
        assert_eq!(cron.next_after(now), None, "{expression}");
        assert_eq!(cron.latest(then, now), None, "{expression}");
        assert_eq!(cron.count(then, now), 0, "{expression}");
    }
}

#[test]
fn the_next_occurrence_of_the_rarest_rule_is_found() {
    let after = "2072-03-01T00:00:00Z";
    check("0 0 29 2 +MON", "Europe/Berlin", after, &["2112-02-28T23:00:00Z"]);
}

#[test]
fn there_are_no_occurrences_after_the_year_9999() {
    let end = Timestamp::from_micros(253_402_300_799_999_999).unwrap();
    for zone in ["UTC", "Europe/Berlin", "Pacific/Kiritimati"] {
        assert_eq!(cron("* * * * * *", zone).next_after(end), None);
        assert_eq!(cron("@yearly", zone).next_after(at("9999-12-01T00:00:00Z")), None);
    }
}

#[test]
fn missed_occurrences_of_a_year_are_counted_without_enumeration() {
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    for zone in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"] {
        assert_eq!(cron("* * * * * *", zone).count(from, to), 365 * 24 * 3_600, "{zone}");
    }
    assert_eq!(cron("0 0 * * MON", "UTC").count(from, to), 52);
    assert_eq!(cron("30 2 * * *", "Europe/Berlin").count(from, to), 365);
    let century = at("2126-01-01T00:00:00Z");
    assert_eq!(cron("@daily", "UTC").count(from, century), 36_524);
}

#[test]
fn an_invalid_expression_is_refused_with_what_is_accepted() {
    let check = |expression: &str, expected: &str| {
        let error = Cron::parse(expression, "UTC").expect_err(expression);
        assert_eq!(error.violations[0].field, "cron.expression");
        assert_eq!(error.violations[0].description, expected);
    };
    check("", "empty; expected an expression such as `30 4 * * MON`");
    check(" \t", "empty; expected an expression such as `30 4 * * MON`");
    check(
        "@often",
        r#""@often": unknown macro; expected one of @yearly, @annually, @monthly, @weekly, @daily, @hourly"#,
    );
    check(
        "* * *",
        r#""* * *": 3 fields; expected minute, hour, day of month, month and day of week, optionally second before them"#,
    );
    check(
        "* * * * * * *",
        r#""* * * * * * *": 7 fields; expected minute, hour, day of month, month and day of week, optionally second before them"#,
    );
    check("MON * * * *", r#""MON * * * *": "MON" in the field minute, where numbers are accepted"#);
    check(
        "0 0 * MON *",
        r#""0 0 * MON *": "MON" in the field month, where numbers and JAN, FEB, MAR, APR, MAY, JUN, JUL, AUG, SEP, OCT, NOV, DEC are accepted"#,
    );
    check(
        "0 0 * * FRO",
        r#""0 0 * * FRO": "FRO" in the field day of week, where numbers and SUN, MON, TUE, WED, THU, FRI, SAT, L are accepted"#,
    );
    check("0 0 é * *", r#""0 0 é * *": letters, digits and `* , - / ? # + @` are accepted"#);
    check(&"1,".repeat(128), "256 bytes long; at most 255 are accepted");
    for expression in [
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "1,,2 * * * *",
        "- * * * *",
        "* * * * 1#6",
        "*/99999999999 * * * *",
    ] {
        let error = Cron::parse(expression, "UTC").expect_err(expression);
        assert!(
            error.message.starts_with(&format!("cron.expression: {expression:?}: ")),
            "{error}"
        );
    }
}

#[test]
fn elements_of_a_list_of_days_that_croner_ignores_are_refused() {
    let check = |expression: &str, why: &str| {
        let error = Cron::parse(expression, "UTC").expect_err(expression);
        assert_eq!(error.violations[0].field, "cron.expression");
        assert_eq!(error.violations[0].description, format!("{expression:?}: {why}"));
    };
    let which = "L in the field day of week names no day; expected a value such as `5#L`, the last \
                 Friday";
    for expression in ["0 0 * * L", "0 0 * * MON,L", "0 0 * * l,mon", "0 0 1 * +L", "0 0 0 * * L"] {
        check(expression, which);
    }
    let nth =
        |nth: &str| format!("{nth:?} after `#` in the field day of week; expected 1 to 5 or L");
    check("0 0 * * 1#2L", &nth("2L"));
    check("0 0 * * MON,FRI#2#L", &nth("2#L"));
    check("0 0 * * 1#6", &nth("6"));
    let after_w = |rest: &str| {
        format!(
            "{rest:?} after W in the field day of month; expected a value such as `15W` or `LW`"
        )
    };
    check("0 0 15W3 * *", &after_w("3"));
    check("0 0 1,15w-20 * *", &after_w("-20"));
    check("0 0 LW3 * *", &after_w("3"));
    check(
        "0 0 0 LWL * *",
        "\"LWL\" in the field day of month, where numbers and L, W, LW are accepted",
    );
    let both = "both L and LW in the field day of month; expected one of them";
    check("0 0 L,LW * *", both);
    check("0 0 lw,15,l * *", both);
}

#[test]
fn an_unknown_zone_is_refused_with_the_nearest_names() {
    let check = |zone: &str, expected: &str| {
        let error = Cron::parse("@daily", zone).expect_err(zone);
        assert_eq!(error.violations[0].field, "cron.time_zone");
        assert_eq!(error.violations[0].description, expected);
    };
    check("Europe/Berln", r#"unknown time zone "Europe/Berln"; did you mean Europe/Berlin?"#);
    check("Berlin", r#"unknown time zone "Berlin"; did you mean Europe/Berlin?"#);
    check("new york", r#"unknown time zone "new york"; did you mean America/New_York?"#);
    check(
        "Middle-earth/Shire",
        r#"unknown time zone "Middle-earth/Shire"; expected a name of the IANA database, such as Europe/Berlin"#,
    );
    check(&"x".repeat(65), "65 bytes long; at most 64 are accepted");
}
