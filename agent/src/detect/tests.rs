//! Kinds of files by path and content: cases of their own, and every sample of the ready-made pipelines.

use super::*;

fn check(path: &str, head: &str, expect: &str) {
    assert_eq!(dataset(Path::new(path), head.as_bytes()), expect, "{head:?}");
}

const COMBINED: &str = "10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.1\" 200 2326 \"-\" \"curl\"\n";

#[test]
fn access_logs_are_told_apart_by_their_path() {
    check("/var/log/nginx/access.log", COMBINED, "nginx.access");
    check("/var/log/apache2/access.log", COMBINED, "apache.access");
    check("/srv/httpd/x", "::1 - bob [10/Oct/2000:13:55:36 +0000] \"GET \\\" /\" 304 -\n", "apache.access");
    check("a.log", "www.example.org:80 10.0.0.1 - - [10/Oct/2000:13:55:36 +0000] \"-\" 408 0\n", "nginx.access");
    check("a.log", "10.0.0.1 - - [yesterday] \"GET / HTTP/1.1\" 200 1\n", GENERIC);
}

#[test]
fn syslog_in_its_three_forms() {
    check("syslog", "Oct 11 22:14:15 mymachine su: 'su root' failed\n", "syslog");
    check("syslog", "<34>Oct  1 22:14:15 mymachine su[12]: 'su root' failed\n", "syslog");
    check("syslog", "2026-02-03T04:05:06.123456+01:00 web1 systemd[1]: Started x.\n", "syslog");
    check("syslog", "<165>1 2003-10-11T22:14:15.003Z host app 12 ID47 - hello\n", "syslog");
    check("app.log", "2026-02-03T04:05:06.123Z INFO hello\n", GENERIC);
    check("app.log", "Sun 11 22:14:15 x y: z\n", GENERIC);
}

#[test]
fn json_and_the_rest() {
    check("x", "{\"a\":1}\r\n{\"b\":[2]}\n", "json");
    check("x", "{not json}\n", GENERIC);
    check("x", "", GENERIC);
    check("x", "hello\nworld\n", GENERIC);
    check("x", "banner\n{\"a\":1}\n{\"a\":2}\n", "json");
    dataset(Path::new("x"), b"\xff\xfe<>[] \" [\"\n<9>\n<");
}

/// What each ready-made pipeline's samples are taken for, where that is not the pipeline's own kind: another that does for
/// them too.
const OTHERWISE: &[(&str, &str)] = &[
    // Chosen by name: their lines are those of the plain ones.
    ("nginx-access-geoip", "nginx.access"),
    ("apache-access-geoip", "nginx.access"),
    // Outside of a path with the server's name.
    ("apache-access", "nginx.access"),
    // Of the agent's input from systemd, never of a file.
    ("journald", "json"),
];

#[test]
fn samples_of_the_ready_made_pipelines_are_taken_for_what_they_are() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/tests/library");
    let mut wrong = Vec::new();
    let mut count = 0;
    for folder in std::fs::read_dir(samples).unwrap().flatten() {
        let name = folder.file_name().into_string().unwrap();
        let head = std::fs::read(folder.path().join(format!("{name}.log"))).unwrap();
        // The name of the folder must not tell.
        let got = dataset(Path::new("/srv/x/a.log"), &head);
        let otherwise = OTHERWISE.iter().find(|(pipeline, _)| *pipeline == name).map(|(_, kind)| *kind);
        let want = otherwise.map_or_else(|| name.replace('-', "."), str::to_owned);
        count += 1;
        if got != want {
            wrong.push(format!("{name}: got {got:?}; want {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 25, "only {count} kinds have samples");
}

#[test]
fn what_only_looks_like_a_kind_is_none() {
    for head in [
        "2026-02-28 23:59:59 hello\n",
        "2026-02-28 23:59:59,123 hello world\n",
        "[2026-02-28 23:59:59] local.ERROR: a line of Laravel\n",
        "https://example.org/?a=b&c=d\n",
        "see a=b for msg and more\n",
        "INFO started\n",
        "ERROR: cannot open file\n",
        "Error: cannot open file\n",
        "12:30 lunch\n",
        "# Time to go home\n",
        "1 2 3\n4 5 6\n",
        "id,name,level\n1,a,INFO\n",
        "SELECT a FROM b;\n",
        "<html><body>[x]</body></html>\n",
        "Feb 28 2026 was a day\n",
        "10.0.0.1:80 [up] ok\n",
        "   at once\n\tand again\n",
        "\u{fffd}\u{0}[]{}[[[[\n",
    ] {
        check("/srv/app/app.log", head, GENERIC);
    }
}

#[test]
fn the_name_of_a_file_tells_what_syslog_is_of() {
    let lines = "Feb 28 23:59:58 web1 CRON[9]: (root) CMD (x)\n";
    check("/var/log/auth.log", lines, "system.auth");
    check("/var/log/auth.log.1", lines, "system.auth");
    check("/var/log/secure", lines, "system.auth");
    check("/var/log/syslog", lines, "syslog");
    check("/var/log/authors.txt", lines, "syslog");
    let lines = "Feb 28 23:59:58 web1 sshd[9]: Invalid user a from 192.0.2.7 port 1\n";
    check("/srv/x.log", lines, "system.auth");
    check("/var/log/messages", lines, "syslog");
}

#[test]
fn a_stack_trace_does_not_hide_the_line_above_it() {
    let mut head = "2026-02-28 23:59:59,123 [main] ERROR a.b.C - failed\njava.lang.Error: x\n".to_owned();
    head.push_str(&"\tat a.b.C.d(C.java:1)\n".repeat(30));
    check("/srv/app.log", &head, "java");
}

#[test]
fn a_table_with_names_of_columns() {
    let rows = "2026-02-28T23:59:59Z,GET,\"/a,b\",200\n2026-02-28T23:59:59Z,GET,\"say \"\"x\"\"\",404\n";
    check("/srv/a.csv", &format!("time,method,path,status\n{rows}"), "csv");
    check("/srv/a.csv", &format!("\"time\",\"method\",path,status\r\n{rows}"), "csv");
    // Without names, with one row, with other numbers of values, with names that are none.
    check("/srv/a.csv", rows, GENERIC);
    check("/srv/a.csv", "time,method,status\n1,2,3\n", GENERIC);
    check("/srv/a.csv", "time,method,status\n1,2\n3,4\n5,6,7\n", GENERIC);
    check("/srv/a.csv", "Well, then, is it?\nyes, or, no\nno, or, yes\n", GENERIC);
    check("/srv/a.csv", "a,a,a\n1,2,3\n4,5,6\n", GENERIC);
    check("/srv/a.csv", "a,b,c\n\"1,2,3\n\"4\"5,6\n", GENERIC);
}

#[test]
fn json_of_docker() {
    let line = r#"{"log":"GET / 200\n","stream":"stdout","time":"2026-02-28T23:59:59.123456789Z"}"#;
    check("/var/lib/docker/containers/x/x-json.log", &format!("{line}\n{line}\n"), "docker");
    check("/srv/app.log", "{\"log\":{\"level\":\"info\"},\"time\":\"x\"}\n", "json");
}

#[test]
fn more_lines_make_surer() {
    let check = |head: &str, dataset: &str, expect: Option<u8>| {
        assert_eq!(confidence::by_lines(head.as_bytes(), dataset), expect, "{head:?}");
    };
    check(COMBINED, "nginx.access", Some(66));
    check(&COMBINED.repeat(20), "nginx.access", Some(95));
    check(&COMBINED.repeat(100), "nginx.access", Some(99));
    check(&format!("{}{}", COMBINED.repeat(49), "a stray line\n"), "apache.access", Some(96));
    check(&"hello\n".repeat(50), GENERIC, None);
    // Given by the user, of lines in a runtime's wrapping, or of a file that has changed.
    check(&COMBINED.repeat(50), "shop", None);
    check(&COMBINED.repeat(50), "java", None);
    check("", "json", None);
    let mut java = "2026-02-28 23:59:59,123 [main] ERROR a.b.C - failed\njava.lang.Error: x\n".to_owned();
    java.push_str(&"\tat a.b.C.d(C.java:1)\n".repeat(30));
    check(&java, "java", Some(66));
}

#[test]
fn whatever_is_recognised_has_a_confidence() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/tests/library");
    for folder in std::fs::read_dir(samples).unwrap().flatten() {
        let name = folder.file_name().into_string().unwrap();
        let path = folder.path().join(format!("{name}.log"));
        let kind = dataset(&path, &std::fs::read(&path).unwrap());
        // Between the heads of slow queries stand statements of any form.
        let is_known = kind != GENERIC && kind != "mysql.slow";
        assert_eq!(confidence(&path, kind).unwrap().is_some(), is_known, "{name}: {kind}");
    }
}
