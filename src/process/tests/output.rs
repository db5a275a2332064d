//! What goes in and comes out.

use std::io::Write;

use super::{Probe, text};
use crate::model::ExitStatus;

#[test]
fn many_small_pieces_arrive_whole_and_in_order() {
    let finished = Probe::sh("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; echo end >&2")
        .finish_and_check();
    let expected: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    assert!(text(&finished.stdout) == expected, "{} bytes", finished.stdout.written());
    assert_eq!(text(&finished.stderr), "end\n");
}

#[test]
fn both_streams_are_kept_apart() {
    let finished = Probe::sh("echo out; echo err >&2; printf '\\0\\377x'").finish();
    assert_eq!(finished.stdout.head, b"out\n\0\xffx");
    assert_eq!(finished.stderr.head, b"err\n");
}

#[test]
fn stdin_is_at_its_end_unless_given() {
    assert_eq!(Probe::sh("cat; echo end").finish().stdout.head, b"end\n");
    assert_eq!(Probe::sh("cat; echo end").stdin(Vec::new()).finish().stdout.head, b"end\n");
    assert_eq!(Probe::sh("cat").stdin(b"a\0b".to_vec()).finish().stdout.head, b"a\0b");
}

#[test]
fn a_large_stdin_goes_through_while_output_comes_back() {
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let finished = Probe::sh("cat").stdin(bytes.clone()).capture(4 << 20).finish();
    assert_eq!(finished.stdout.head, bytes);
}

#[test]
fn a_large_stdin_may_be_ignored() {
    let finished = Probe::sh("exec <&-; echo done").stdin(vec![b'x'; 10 << 20]).finish();
    assert_eq!((finished.status, &*finished.stdout.head), (ExitStatus::Exited(0), &b"done\n"[..]));
    let finished = Probe::sh("exit 5").stdin(vec![b'x'; 10 << 20]).finish();
    assert_eq!(finished.status, ExitStatus::Exited(5));
}

#[test]
fn a_file_is_the_standard_input_itself() {
    let mut file = tempfile::NamedTempFile::new().expect("tmp");
    file.write_all(b"from a file\n").expect("written");
    let finished = Probe::sh("readlink /proc/self/fd/0; cat").stdin_file(file.path()).finish();
    assert_eq!(text(&finished.stdout), format!("{}\nfrom a file\n", file.path().display()));
}

#[test]
fn much_output_takes_little_memory() {
    let script = "head -c 67108864 /dev/zero & head -c 67108864 /dev/zero >&2; wait; echo end";
    let before = resident();
    let finished = Probe::sh(script).capture(8 << 20).finish();
    let growth = resident().saturating_sub(before);
    assert_eq!(finished.stdout.written(), 67_108_864 + 4);
    assert_eq!(finished.stderr.written(), 67_108_864);
    assert_eq!(finished.stdout.dropped, 67_108_868 - (8 << 20));
    assert!(finished.stdout.tail.ends_with(b"\0end\n"));
    assert!(growth < 48 << 20, "{growth} bytes more");
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}
