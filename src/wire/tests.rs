use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn options() -> TaskOptions {
    TaskOptions {
        queue: Some("mail".into()),
        priority: Some(-3),
        start: Some(StartTime::At(Timestamp::from_micros(1_000_002).unwrap())),
        expiry: Some(StartTime::After(60 * SECOND)),
        timeout: Some(5 * SECOND),
        retries: Some(0),
        backoff_base: Some(2 * SECOND),
        backoff_multiplier: Some(1.5),
        backoff_max: Some(9 * SECOND),
        jitter: Some(0.0),
        wait_for_dependencies: true,
        on_dependency_failure: Some(OnDependencyFailure::Run),
        durability: Some(Durability::Ephemeral),
        labels: Labels {
            tags: vec!["a".into(), "b".into()],
            initiator: "ann".into(),
            reason: "why".into(),
            source_system: "shop".into(),
            correlation_id: "c-1".into(),
        },
        keys: Keys {
            concurrency: Some("customer-7".into()),
            unique: Some(Unique {
                key: "month's end".into(),
                window: Some(3 * SECOND),
                on_conflict: OnConflict::Replace,
            }),
        },
    }
}

#[test]
fn every_option_has_its_field() {
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let expected = pb::TaskOptions {
        queue: "mail".into(),
        priority: Some(-3),
        run_at: Some(prost_types::Timestamp { seconds: 1, nanos: 2_000 }),
        delay: None,
        expires_at: None,
        ttl: seconds(60),
        timeout: seconds(5),
        retry: Some(pb::RetryPolicy {
            retries: Some(0),
            base: seconds(2),
            multiplier: Some(1.5),
            max: seconds(9),
            jitter: Some(0.0),
        }),
        tags: vec!["a".into(), "b".into()],
        wait_for_dependencies: true,
        on_dependency_failure: pb::OnDependencyFailure::Run as i32,
        durability: pb::Durability::Ephemeral as i32,
        cancel_on_disconnect: true,
        initiator: "ann".into(),
        reason: "why".into(),
        source_system: "shop".into(),
        correlation_id: "c-1".into(),
        concurrency_key: "customer-7".into(),
        unique: Some(pb::Unique {
            key: "month's end".into(),
            window: seconds(3),
            on_conflict: pb::unique::OnConflict::Replace as i32,
        }),
    };
    assert_eq!(to_task_options(options(), true), Ok(expected));
    assert_eq!(to_task_options(TaskOptions::default(), false), Ok(pb::TaskOptions::default()));
}

#[test]
fn options_are_decoded_as_they_were_encoded() {
    let swapped = TaskOptions {
        start: Some(StartTime::After(SECOND)),
        expiry: Some(StartTime::At(Timestamp::EPOCH)),
        on_dependency_failure: Some(OnDependencyFailure::Fail),
        durability: Some(Durability::Durable),
        keys: Keys {
            unique: Some(Unique { key: "k".into(), window: None, on_conflict: OnConflict::Refuse }),
            ..Keys::default()
        },
        ..TaskOptions::default()
    };
    for options in [options(), swapped, TaskOptions::default()] {
        assert_eq!(task_options(to_task_options(options.clone(), false).unwrap()), Ok(options));
    }
}

#[test]
fn options_that_no_model_can_express_are_refused_by_field() {
    let check = |change: fn(&mut pb::TaskOptions), expected: &str| {
        let mut message = pb::TaskOptions::default();
        change(&mut message);
        let refused = task_options(message).expect_err(expected);
        assert_eq!(refused.violations[0].field, expected);
    };
    fn length(seconds: i64, nanos: i32) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos })
    }
    fn at(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos })
    }
    fn unique(window: Option<prost_types::Duration>, on_conflict: i32) -> Option<pb::Unique> {
        Some(pb::Unique { key: "k".into(), window, on_conflict })
    }
    check(|o| o.delay = length(-1, 0), "options.delay");
    check(|o| o.delay = length(i64::MAX, 0), "options.delay");
    check(|o| o.ttl = length(0, -1), "options.ttl");
    check(|o| o.timeout = length(0, 1_000_000_000), "options.timeout");
    check(|o| o.retry.get_or_insert_default().base = length(-1, 0), "options.retry.base");
    check(|o| o.retry.get_or_insert_default().max = length(i64::MIN, 0), "options.retry.max");
    check(|o| o.run_at = at(-1, 0), "options.run_at");
    check(|o| o.run_at = at(253_402_300_800, 0), "options.run_at");
    check(|o| o.run_at = at(0, 1_000_000_000), "options.run_at");
    check(|o| o.expires_at = at(i64::MAX, 0), "options.expires_at");
    check(|o| (o.run_at, o.delay) = (at(1, 0), length(1, 0)), "options.delay");
    check(|o| (o.expires_at, o.ttl) = (at(1, 0), length(1, 0)), "options.ttl");
    check(|o| o.durability = 9, "options.durability");
    check(|o| o.on_dependency_failure = -1, "options.on_dependency_failure");
    check(|o| o.unique = unique(None, 4), "options.unique.on_conflict");
    check(|o| o.unique = unique(length(-1, 0), 0), "options.unique.window");
}

#[test]
fn a_refusal_names_the_value_and_what_is_accepted() {
    let check = |refused: Option<Error>, expected: &str| {
        assert_eq!(refused.expect(expected).message, expected);
    };
    check(
        duration(Some(prost_types::Duration { seconds: -1, nanos: 0 }), "f").err(),
        "f: -1 s and 0 ns is not a duration; expected 0 s or more, with 0 to 999999999 ns",
    );
    check(
        timestamp(prost_types::Timestamp { seconds: -1, nanos: 0 }, "f").err(),
        "f: -1 s and 0 ns since 1970 is not an accepted time; expected 1970 to 9999",
    );
    check(
        checked_duration(Some(Duration::MAX), "f").err(),
        "f: 18446744073709551615.999999999s; at most 10,000 years are accepted",
    );
    check(state(9, "f").err(), "f: 9 has no meaning; expected PENDING (1) to EXPIRED (8)");
    check(
        time((Some(Default::default()), "a"), (Some(Default::default()), "b")).err(),
        "b: set together with a; expected one of them",
    );
}

#[test]
fn times_at_the_bounds_are_accepted() {
    let end = prost_types::Timestamp { seconds: 253_402_300_799, nanos: 999_999_999 };
    assert!(timestamp(end, "x").is_ok());
    assert_eq!(timestamp(prost_types::Timestamp::default(), "x"), Ok(Timestamp::EPOCH));
    let time = Timestamp::from_micros(1_700_000_000_123_456).unwrap();
    let stamp = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 };
    assert_eq!(prost_types::Timestamp::from(time), stamp);
    assert_eq!(timestamp(stamp, "x"), Ok(time));
    let long = prost_types::Duration { seconds: 315_576_000_000, nanos: 999_999_999 };
    assert!(duration(Some(long), "x").is_ok());
    assert_eq!(duration(Some(prost_types::Duration::default()), "x"), Ok(Some(Duration::ZERO)));
    assert_eq!(to_duration(Duration::MAX), long);
}

#[test]
fn queue_limits_are_decoded_as_they_were_encoded() {
    let all = QueueLimits {
        weight: 3,
        concurrency: Some(4),
        max_length: Some(5),
        rate: Some(Rate { count: 6, per: Duration::from_millis(1_500) }),
        concurrency_per_key: 7,
        rate_per_key: Some(Rate { count: u32::MAX, per: 9 * SECOND }),
    };
    for limits in [QueueLimits::default(), all] {
        assert_eq!(queue_limits(pb::QueueLimits::from(&limits), "limits"), Ok(limits));
    }
    let unset = queue_limits(pb::QueueLimits::default(), "limits");
    assert_eq!(unset, Ok(QueueLimits::default()));
}

#[test]
fn states_history_logs_and_verdicts_are_decoded_as_they_were_encoded() {
    let id = TaskId::parse("a", "id").unwrap();
    for state in State::ALL {
        assert_eq!(super::state(pb::TaskState::from(state) as i32, "x"), Ok(state));
        let error = state.has_ended().then(|| "why".to_owned());
        let entry = HistoryEntry { state, at: Timestamp::EPOCH, attempt: 2, error };
        assert_eq!(history_entry(entry.clone().into()), Ok(entry));
    }
    for level in [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
        let line =
            LogLine { number: 1, at: Timestamp::EPOCH, level, attempt: 2, text: "text".into() };
        assert_eq!(log_line(line.clone().into()), Ok(line));
    }
    for verdict in [
        CancelVerdict::Cancelled,
        CancelVerdict::Requested,
        CancelVerdict::AlreadyEnded(State::Failed),
        CancelVerdict::NotFound,
    ] {
        let outcome = pb::CancelOutcome::from((id.clone(), verdict));
        assert_eq!(cancel_outcome(&outcome), Ok((id.clone(), verdict)));
    }
    assert!(cancel_outcome(&pb::CancelOutcome::default()).is_err());
    assert!(history_entry(pb::HistoryEntry { state: 1, ..Default::default() }).is_err());
}

#[test]
fn policies_of_a_schedule_are_decoded_as_they_were_encoded() {
    for overlap in [Overlap::Allow, Overlap::Skip, Overlap::Replace] {
        assert_eq!(super::overlap(pb::OverlapPolicy::from(overlap) as i32, "x"), Ok(overlap));
    }
    for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All(7)] {
        let (policy, max) = to_catch_up(catch_up);
        assert_eq!(super::catch_up(policy as i32, max, 100), Ok(catch_up));
    }
    let all = pb::CatchUpPolicy::All as i32;
    assert_eq!(super::catch_up(all, 0, 100), Ok(CatchUp::All(100)));
}

#[test]
fn a_nested_refusal_names_the_whole_path() {
    let refused = nested("tasks[3]", Error::invalid("method", "empty"));
    assert_eq!(refused, Error::invalid("tasks[3].method", "empty"));
}
