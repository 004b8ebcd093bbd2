//! The grammar of conditions.

use proptest::prelude::*;

use crate::condition::{Operator, Right, parse};
use crate::quantity::suffix;

#[test]
fn conditions_are_read() {
    let number = |number, unit: &str| Right::Number(number, suffix(unit));
    let table = [
        ("p99 < 200ms", "p99", Operator::Less, number(200.0, "ms")),
        ("p99<200 ms", "p99", Operator::Less, number(200.0, "ms")),
        ("up >= 2", "up", Operator::GreaterOrEqual, number(2.0, "")),
        (
            "error_rate <= .5%",
            "error_rate",
            Operator::LessOrEqual,
            number(0.5, "%"),
        ),
        ("t > 1e3/s", "t", Operator::Greater, number(1000.0, "/s")),
        ("m < 1.5GiB", "m", Operator::Less, number(1.5, "GiB")),
        ("a == -3", "a", Operator::Equal, number(-3.0, "")),
        (
            "  a  !=  +3e-2  ",
            "a",
            Operator::NotEqual,
            number(0.03, ""),
        ),
        (
            "p99 < baseline * 3",
            "p99",
            Operator::Less,
            Right::Baseline(3.0),
        ),
        (
            "p99 < baseline*1.5",
            "p99",
            Operator::Less,
            Right::Baseline(1.5),
        ),
        (
            "p99 < 3 * baseline",
            "p99",
            Operator::Less,
            Right::Baseline(3.0),
        ),
        (
            "p99 <= baseline",
            "p99",
            Operator::LessOrEqual,
            Right::Baseline(1.0),
        ),
    ];
    for (text, metric, operator, right) in table {
        let parsed = parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
        assert_eq!(parsed.metric, metric, "{text}");
        assert_eq!(&text[parsed.metric_at.clone()], metric, "{text}");
        assert_eq!(parsed.operator, operator, "{text}");
        assert_eq!(parsed.right, right, "{text}");
    }
}

#[test]
fn mistakes_have_their_place() {
    let table = [
        ("", "", "begins with a metric's name, not with the end"),
        ("200ms > p99", "200ms", "begins with a metric's name"),
        ("p99", "", "comes one of `<`, `<=`"),
        ("p99 is 3", "is", "not `is`"),
        ("p99 = 3", "=", "write `==`"),
        ("p99 ≤ 3", "≤", "write `<=`"),
        ("p99 =< 3", "=<", "write `<=`"),
        ("p99 <", "", "a threshold is a number"),
        ("p99 < fast", "fast", "not `fast`"),
        ("p99 < basline * 3", "basline", "did you mean `baseline`?"),
        ("p99 < 200mz", "mz", "unknown unit `mz`"),
        ("p99 < 200MS", "MS", "did you mean `ms`?"),
        ("m < 3mib", "mib", "did you mean `MiB`?"),
        ("p99 < 200ms and up > 1", "and", "behind the end"),
        ("p99 < 1 2", "2", "behind the end"),
        ("p99 < baseline * ", "", "comes a number"),
        ("p99 < baseline * 150%", "%", "has no unit"),
        ("p99 < 3 * p50", "p50", "only `baseline`"),
        ("baseline < p99", "baseline", "on the right"),
        ("p99 < 1e999", "1e999", "too large"),
    ];
    for (text, place, words) in table {
        let mistake = parse(text).expect_err(text);
        assert_eq!(&text[mistake.at.clone()], place, "{text}: {mistake:?}");
        assert!(mistake.message.contains(words), "{text}: {mistake:?}");
    }
}

#[test]
fn nothing_holds_of_nan() {
    use Operator as Op;
    for operator in [
        Op::Less,
        Op::LessOrEqual,
        Op::Greater,
        Op::GreaterOrEqual,
        Op::Equal,
        Op::NotEqual,
    ] {
        assert!(!operator.holds(f64::NAN, 1.0));
        assert!(!operator.holds(1.0, f64::NAN));
    }
}

proptest! {
    #[test]
    fn any_text_is_a_condition_or_has_a_mistake_within_it(
        text in "(?s).{0,80}|[a-z0-9_<>=!*. %/sm≤µ-]{0,40}|[a-z]{1,4} ?[<>=!]{1,2} ?(baseline \\* )?-?[0-9.e]{1,6} ?[a-zA-Z%/]{0,3}",
    ) {
        match parse(&text) {
            Ok(parsed) => {
                prop_assert_eq!(&text[parsed.metric_at], parsed.metric);
                prop_assert!(text.get(parsed.right_at).is_some());
            }
            Err(mistake) => {
                prop_assert!(text.get(mistake.at.clone()).is_some(), "{:?}", mistake);
                prop_assert!(!mistake.message.is_empty());
            }
        }
    }
}
