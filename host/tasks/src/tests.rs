use super::*;

fn task(work: Work) -> Task {
    Task {
        work,
        user: "postgres:ssl".into(),
        ends_after_seconds: Some(90),
    }
}

#[test]
fn a_task_is_read_as_it_was_sent() {
    let works = [
        Work::BurnCpu {
            percent: 50,
            workers: 2,
        },
        Work::WriteDisk {
            folder: "/-- \"stop\" \u{1f4a5}".into(),
            workers: 1,
            file_bytes: u64::MAX,
            root_filesystem_allowed: true,
        },
        Work::AnswerDns {
            port: 53,
            lie: DnsLie::WrongAddress,
            domains: vec!["example.com".into()],
            address: "2001:db8::1".parse().expect("an address"),
        },
        Work::QueuePackets(PacketQueue {
            number: 7,
            delay_ms: 0.1,
            distribution: Distribution::Pareto,
            ..PacketQueue::default()
        }),
        Work::RunProgram {
            command: ["sh", "-c", "echo --id x\n", ""].map(str::to_owned).into(),
        },
    ];
    for work in works {
        let sent = task(work);
        let words = sent.arguments("an-id").expect("it is small");
        assert_eq!(words[..3], ["task", "--id", "an-id"]);
        assert_eq!(words.len(), 4);
        assert_eq!(Task::from_argument(&words[3]).expect("it is whole"), sent);
    }
}

#[test]
fn what_a_program_is_told_cannot_be_taken_for_the_id_of_a_task() {
    // Any duress compares whole words: none of the program's is one.
    let work = Work::RunProgram {
        command: ["--id", "other", "stop"].map(str::to_owned).into(),
    };
    let words = task(work).arguments("own").expect("it is small");
    let ids = words.windows(2).filter(|pair| pair[0] == "--id").count();
    assert_eq!(ids, 1);
    assert!(!words.iter().any(|word| word == "stop"));
}

#[test]
fn what_is_longer_than_an_argument_may_be_is_refused_on_both_sides() {
    let work = Work::RunProgram {
        command: vec!["x".repeat(ARGUMENT_LIMIT)],
    };
    assert!(work.check().is_err());
    assert!(matches!(
        task(work).arguments("id"),
        Err(ArgumentError::TooLong(_))
    ));
    let long = format!("\"{}\"", "x".repeat(ARGUMENT_LIMIT));
    assert!(matches!(
        Task::from_argument(&long),
        Err(ArgumentError::TooLong(_))
    ));
}

#[test]
fn the_longest_work_that_passes_its_check_can_be_sent() {
    let mut command = vec![String::new()];
    let checked = |command: &Vec<String>| Work::RunProgram {
        command: command.clone(),
    };
    // Quotes take two bytes each in JSON.
    command[0] = "\"".repeat(51_000);
    while checked(&command).check().is_ok() {
        command[0].push('x');
    }
    command[0].pop();
    task(checked(&command)).arguments("id").expect("it fits");
}

#[test]
fn a_task_out_of_range_or_of_another_version_is_refused() {
    for (text, part) in [
        (
            r#"{"work":{"burn_cpu":{"percent":200,"workers":1}}}"#,
            "200 %",
        ),
        (
            r#"{"work":{"burn_cpu":{"percent":20,"workers":1}},"new":1}"#,
            "not valid",
        ),
        (r#"{"work":{"unknown":{}}}"#, "not valid"),
        ("", "not valid"),
    ] {
        let refused = Task::from_argument(text).expect_err(text).to_string();
        assert!(refused.contains(part), "{text}: {refused}");
    }
    assert!(Request::from_argument(r#"{"unknown":{}}"#).is_err());
}
