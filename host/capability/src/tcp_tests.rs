use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::test_trial::Trial;
use crate::{Permissions, PluginScope, TcpReach};
use duress_simulated::{Answer as Scripted, Script};

/// Returns a trial with one container, `one`, which answers on port 7 and gives no response on port 9.
fn trial() -> Trial {
    let answer = |tcp: &str, holds: &str, sends: &str| Scripted {
        tcp: Some(tcp.into()),
        holds: holds.into(),
        sends: sends.into(),
        ..Scripted::default()
    };
    Trial::new(Script {
        containers: vec!["one".into()],
        answers: vec![
            answer("one:7", "ping", "pong\u{ff}"),
            answer("one:9", "nobody ever says this", ""),
        ],
        ..Script::default()
    })
}

fn granted() -> Permissions {
    Permissions {
        tcp: BTreeSet::from([TcpReach::Stack]),
        ..Permissions::default()
    }
}

async fn open(
    call: &mut Ctx,
    container: &str,
    port: u16,
) -> Result<Resource<Connection>, GuestError> {
    call.connect(container.into(), port, 1000)
        .await
        .expect("no trap")
}

/// A second handle to a connection, as a guest borrows it.
fn lent(connection: &Resource<Connection>) -> Resource<Connection> {
    Resource::new_borrow(connection.rep())
}

#[tokio::test(start_paused = true)]
async fn only_granted_calls_reach_only_containers_of_the_trial() {
    let trial = trial();
    let refused = open(&mut trial.call(Permissions::default()), "one", 7).await;
    assert!(matches!(&refused, Err(GuestError::Denied(why)) if why.contains("tcp: [stack]")));
    let mut call = trial.call(granted());
    for name in ["127.0.0.1", "localhost", "10.0.0.1", "other", "", "one:7"] {
        let answer = open(&mut call, name, 7).await;
        assert!(
            matches!(answer, Err(GuestError::Invalid(_))),
            "{name}: {answer:?}"
        );
    }
    assert!(matches!(
        open(&mut call, "one", 80).await,
        Err(GuestError::Unavailable(_))
    ));
    let listing = Ctx::new(
        Arc::new(PluginScope {
            plugin: "plugin".into(),
            settings: json!({}),
            grants: granted(),
            trial: None,
        }),
        "chaos.fault-types",
        Duration::from_secs(1),
    );
    let answer = open(&mut { listing }, "one", 7).await;
    assert!(
        matches!(answer, Err(GuestError::Denied(_))),
        "no trial runs"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_answered_to_the_byte() {
    let trial = trial();
    let mut call = trial.call(granted());
    let connection = open(&mut call, "one", 7).await.expect("connected");
    let sent = call.send(lent(&connection), b"pi".to_vec(), 100).await;
    assert!(matches!(sent, Ok(Ok(()))));
    let silence = call
        .receive(lent(&connection), 10, 100)
        .await
        .expect("no trap");
    assert!(
        matches!(silence, Err(GuestError::Timeout(100))),
        "{silence:?}"
    );
    // A time-out leaves it as it is.
    let sent = call.send(lent(&connection), b"ng".to_vec(), 100).await;
    assert!(matches!(sent, Ok(Ok(()))));
    let first = call
        .receive(lent(&connection), 3, 100)
        .await
        .expect("no trap");
    assert_eq!(first.expect("received"), b"pon");
    let rest = call
        .receive(lent(&connection), 10, 100)
        .await
        .expect("no trap");
    assert_eq!(rest.expect("received"), b"g\xff");
    let nothing = call
        .receive(lent(&connection), 0, 100)
        .await
        .expect("no trap");
    assert!(matches!(nothing, Err(GuestError::Invalid(_))));
    HostConnection::drop(&mut call, connection)
        .await
        .expect("dropped");
    assert_eq!(call.connections.open, 0);
    let used = &call.connections.used[0];
    assert_eq!((used.container.as_str(), used.port), ("one", 7));
    assert_eq!((used.sent, used.received), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_waited_for_no_longer_than_asked() {
    let trial = trial();
    let mut call = trial.call(granted());
    let connection = open(&mut call, "one", 9).await.expect("connected");
    let started = tokio::time::Instant::now();
    let silence = call
        .receive(lent(&connection), 10, u64::MAX)
        .await
        .expect("no trap");
    assert!(matches!(silence, Err(GuestError::Timeout(_))));
    assert_eq!(started.elapsed().as_secs(), LONGEST_OPERATION.as_secs());
    // And one that dies sends no more.
    for stack in trial.world.lock().stacks.values_mut() {
        stack.containers[0].end();
    }
    let end = call
        .receive(lent(&connection), 10, 100)
        .await
        .expect("no trap");
    assert_eq!(end.expect("the end"), b"");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_refused() {
    let trial = trial();
    let mut call = trial.call(granted());
    let mut held = Vec::new();
    for _ in 0..OPEN_LIMIT {
        held.push(open(&mut call, "one", 9).await.expect("within the limit"));
    }
    assert!(matches!(
        open(&mut call, "one", 9).await,
        Err(GuestError::Denied(_))
    ));
    let connection = held.pop().expect("one");
    let mebibytes = (BYTES_LIMIT >> 20) as usize;
    for _ in 0..mebibytes {
        let sent = call.send(lent(&connection), vec![0; 1 << 20], 100).await;
        assert!(matches!(sent, Ok(Ok(()))));
    }
    let more = call
        .send(lent(&connection), vec![0], 100)
        .await
        .expect("no trap");
    assert!(matches!(more, Err(GuestError::Denied(_))), "{more:?}");
    for connection in held {
        HostConnection::drop(&mut call, connection)
            .await
            .expect("dropped");
    }
    let mut tried = OPEN_LIMIT + 1;
    loop {
        tried += 1;
        match open(&mut call, "one", 9).await {
            Ok(connection) => HostConnection::drop(&mut call, connection)
                .await
                .expect("dropped"),
            Err(error) => {
                assert!(matches!(error, GuestError::Denied(_)), "{error:?}");
                break;
            }
        }
    }
    assert_eq!(tried, CONNECTION_LIMIT + 1);
}
