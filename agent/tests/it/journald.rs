//! The journal, as a program tells it that behaves like journalctl.

use crate::fixture::{Fixture, caught_up, until};
use crate::streams::{spooled_bytes, stream};
use agent::{Journald, Stream};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// A journalctl that knows the entries of a file, cursors `c1` to `cN`, one line each, and minds `--after-cursor`.
fn journal(fixture: &mut Fixture, follows: bool) -> PathBuf {
    let (entries, program) = (fixture.path("entries"), fixture.path("journalctl"));
    fs::write(&entries, "").expect("written");
    let script = format!(
        r#"#!/bin/sh
after=0; follow=0
for argument in "$@"; do
  case "$argument" in
    --after-cursor=c*) after=${{argument#--after-cursor=c}} ;;
    --follow) follow={follows} ;;
    --fail) exit 3 ;;
  esac
done
while :; do
  while read -r line; do
    number=${{line%% *}}
    if [ "$number" -gt "$after" ]; then
      printf '__CURSOR=c%s\n__REALTIME_TIMESTAMP=170000000000000%s\nMESSAGE=%s\n\n' "$number" "$number" "${{line#* }}"
      after=$number
    fi
  done < '{entries}'
  [ "$follow" = 1 ] || exit 0
  sleep 0.05
done
"#,
        follows = u8::from(follows),
        entries = entries.display(),
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    fixture.config.inputs = vec![stream(Stream::Journald(Journald { journalctl: program, ..Journald::default() }))];
    entries
}

/// The number in an entry's message.
fn messages(fixture: &Fixture) -> Vec<String> {
    let message = |value: &String| -> String {
        let entry: serde_json::Value = serde_json::from_str(value).expect("a line of JSON");
        entry["MESSAGE"].as_str().expect("text").to_owned()
    };
    fixture.broker.values().iter().map(message).collect()
}

#[tokio::test]
async fn the_journal_goes_on_behind_the_last_cursor_whenever_the_agent_is_killed() {
    let mut fixture = Fixture::new();
    fixture.config.spool_bytes_max = 64 * 1024;
    let entries = journal(&mut fixture, true);
    let mut count = 0;
    for run in 0..5 {
        fixture.broker.stall(run % 2 == 0);
        fixture.broker.lose_acknowledgements(run == 3);
        let agent = fixture.start().await;
        for _ in 0..40 {
            count += 1;
            fixture.append("entries", format!("{count} message {count}\n"));
        }
        let last = format!("message {count}");
        let before = spooled_bytes(&fixture);
        until(|| spooled_bytes(&fixture) > before || messages(&fixture).last() == Some(&last)).await;
        drop(agent);
    }
    fixture.broker.stall(false);
    fixture.broker.lose_acknowledgements(false);
    let agent = fixture.start().await;
    until(|| fixture.broker.count() >= count).await;
    let want: Vec<String> = (1..=count).map(|n| format!("message {n}")).collect();
    assert_eq!(messages(&fixture), want);
    assert_eq!(fixture.broker.got()[0].header("event.dataset"), "journald");
    count += 1;
    fixture.append("entries", format!("{count} message {count}\n"));
    until(|| fixture.broker.count() >= count).await;
    agent.stop(Duration::from_secs(5)).await;
    // All segments are gone, and the cursor is not.
    assert_eq!(spooled_bytes(&fixture), 0);
    fs::write(&entries, format!("1 message 1\n{count} message {count}\n{} new\n", count + 1)).expect("written");
    let agent = fixture.start().await;
    until(|| fixture.broker.count() > count).await;
    assert_eq!(messages(&fixture).last().map(String::as_str), Some("new"));
    assert_eq!(fixture.broker.count(), count + 1);
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_journalctl_that_ends_is_started_again() {
    let mut fixture = Fixture::new();
    journal(&mut fixture, false);
    fixture.append("entries", "1 one\n2 two\n");
    let agent = fixture.start().await;
    until(|| fixture.broker.count() == 2).await;
    until(|| agent.problems().iter().any(|problem| problem.contains("started again"))).await;
    fixture.append("entries", "3 three\n");
    until(|| fixture.broker.count() >= 3).await;
    assert_eq!(messages(&fixture), ["one", "two", "three"]);
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_journal_is_read_once_to_its_end_or_said_not_to_be() {
    let mut fixture = Fixture::new();
    fixture.config.once = true;
    journal(&mut fixture, true);
    fixture.append("entries", "1 one\n2 two\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(messages(&fixture), ["one", "two"]);
    assert!(agent.unread().is_empty());
    agent.stop(Duration::from_secs(5)).await;

    let missing = Journald { journalctl: fixture.path("missing"), ..Journald::default() };
    fixture.config.inputs = vec![stream(Stream::Journald(missing))];
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert!(agent.unread()[0].starts_with("journald: cannot start"), "{:?}", agent.unread());
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_journal_is_begun_at_its_end_when_asked() {
    let mut fixture = Fixture::new();
    journal(&mut fixture, true);
    fixture.config.inputs[0].from = Some(agent::From::End);
    fixture.append("entries", "1 one\n2 two\n");
    let agent = fixture.start().await;
    until(|| fixture.config.checkpoints.join("spool/journald.mark").exists()).await;
    drop(agent);
    // While nobody looks.
    fixture.append("entries", "3 three\n");
    let agent = fixture.start().await;
    until(|| fixture.broker.count() >= 1).await;
    assert_eq!(messages(&fixture), ["three"]);
    agent.stop(Duration::from_secs(5)).await;
}
