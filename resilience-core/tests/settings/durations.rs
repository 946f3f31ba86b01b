//! Durations as people write them.

use std::time::Duration;

use proptest::prelude::*;
use resilience_core::settings::HumanDuration;

fn parse(text: &str) -> Result<Duration, String> {
    text.parse::<HumanDuration>().map(Duration::from).map_err(|error| error.to_string())
}

#[test]
fn they_are_read() {
    for (text, nanos) in [
        ("0s", 0),
        ("250ms", 250_000_000),
        ("250 ms", 250_000_000),
        ("1m 30s", 90_000_000_000),
        ("1m30s", 90_000_000_000),
        ("  2 min 1 sec ", 121_000_000_000),
        ("1 day 1 hour 1 minute 1 second", 90_061_000_000_000),
        ("2days 2hours 2minutes 2seconds", 180_122_000_000_000),
        ("1d 1h 1m 1s 1ms 1us 1ns", 90_061_001_001_001),
        ("3µs", 3000),
        ("0.5s", 500_000_000),
        ("1.000000001s", 1_000_000_001),
        ("90m", 5_400_000_000_000),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
}

#[test]
fn what_is_none_is_refused() {
    for text in [
        "",
        " ",
        "s",
        "ms 5",
        "5 5s",
        "1 30s",
        "5x",
        "5M",
        "5S",
        "-5s",
        "+5s",
        "1s 2m",
        "1s 1s",
        "1.s",
        ".5s",
        "1.2.3s",
        "0.5ns",
        "1e3s",
        "5s,",
        "5s 5",
        "99999999999999999999s",
        "999999999999999999d",
        "0.00000000000000000000000000000000000000001s",
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            error.contains(&format!("{text:?}, which is no duration: write numbers and units")),
            "{error}"
        );
    }
}

#[test]
fn a_number_alone_is_asked_for_its_unit() {
    for text in ["0", "5", " 5", "0.5"] {
        let number = text.trim();
        let expected = format!("duration is {number}, without a unit: write \"{number}ms\" or \"{number}s\"");
        assert_eq!(parse(text), Err(expected));
    }
}

#[test]
fn they_are_written() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_500_000_000, "1s 500ms"),
        (90_000_000_000, "1m 30s"),
        (86_400_000_000_000, "1d"),
    ] {
        assert_eq!(HumanDuration(Duration::from_nanos(nanos)).to_string(), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(seconds: u64, small in 0..100_000_u64, nanos in 0..1_000_000_000_u32) {
        for duration in [Duration::new(seconds, nanos), Duration::new(small, nanos), Duration::new(small, 0)] {
            prop_assert_eq!(parse(&HumanDuration(duration).to_string()), Ok(duration));
        }
    }

    #[test]
    fn nothing_panics(text: String, like in "[0-9. a-zµ]{0,40}") {
        let _ = (parse(&text), parse(&like));
    }
}
