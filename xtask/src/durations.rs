//! The slowest tests, from the report that nextest writes (JUnit, at `target/nextest/default/junit.xml`: see `.config/nextest.toml`).

use std::fs;

use crate::workspace;

/// How many are shown: those that a run of minutes is made of.
const SHOWN: usize = 20;

/// Prints the slowest tests of the last run. Prints nothing without a report: nextest may be missing.
pub(crate) fn print() {
    let report = workspace::root().join("target/nextest/default/junit.xml");
    let Ok(report) = fs::read_to_string(report) else {
        return;
    };
    let slowest = slowest(&report);
    println!("\nThe {} slowest tests:", slowest.len());
    for (seconds, name) in slowest {
        println!("{seconds:>7.1} s  {name}");
    }
}

fn slowest(report: &str) -> Vec<(f64, &str)> {
    let mut tests: Vec<_> = report
        .lines()
        .filter(|line| line.trim_start().starts_with("<testcase "))
        .filter_map(|line| {
            Some((
                attribute(line, "time")?.parse().ok()?,
                attribute(line, "name")?,
            ))
        })
        .collect();
    tests.sort_by(|(one, _), (other, _): &(f64, _)| other.total_cmp(one));
    tests.truncate(SHOWN);
    tests
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_test_comes_first() {
        let report = "<testsuite name=\"e2e\" time=\"99\">\n    <testcase name=\"a::b\" classname=\"e2e\" time=\"1.5\">\n    \
                      </testcase>\n    <testcase name=\"c::d\" classname=\"e2e\" timestamp=\"x\" time=\"20.25\">\n";
        assert_eq!(slowest(report), [(20.25, "c::d"), (1.5, "a::b")]);
    }
}
